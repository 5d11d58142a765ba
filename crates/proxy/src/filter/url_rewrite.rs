//! Applies `URLRewrite` to Pingora's requests.

use gatefold_dataplane::filter::url_rewrite::UrlRewrite;
use http::Uri;
use http::header::HOST;
use http::uri::PathAndQuery;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// Changes the host and the path of the request to the backend. A prefix is replaced in the client's path, which the rule has
/// matched.
pub(crate) fn apply(
    rewrite: &UrlRewrite,
    session: &Session,
    request: &mut RequestHeader,
) -> Result<()> {
    let asked = &session.req_header().uri;
    if let Some(target) = rewrite.target(asked.path(), asked.query()) {
        request.set_uri(with_target(&request.uri, target)?);
    }
    match &rewrite.hostname {
        Some(hostname) => request.insert_header(HOST, hostname.clone()),
        None => Ok(()),
    }
}

/// Returns the URI with another target. Over HTTP/2 it also contains the host, which may be nowhere else.
pub(crate) fn with_target(uri: &Uri, target: PathAndQuery) -> Result<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|error| {
        let what = "rewriting the path of a request";
        Error::because(ErrorType::InternalError, what, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_target_keeps_scheme_and_host() {
        let target = || PathAndQuery::from_static("/new?q");
        for (before, after) in [("/old", "/new?q"), ("https://a:1/old", "https://a:1/new?q")] {
            let uri = before.parse().expect("a URI");
            let changed = with_target(&uri, target()).expect("a URI");
            assert_eq!(changed.to_string(), after);
        }
    }
}
