//! `URLRewrite` on a request as Pingora keeps it.

use crate::dataplane::filter::Filters;
use http::Uri;
use http::header::HOST;
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// Changes the host and the path of what goes to the backend. A prefix is replaced in the path that the rule
/// has matched: the client's.
pub(super) fn apply(
    filters: &Filters,
    session: &Session,
    request: &mut RequestHeader,
) -> Result<()> {
    let Some(rewrite) = &filters.rewrite else {
        return Ok(());
    };
    let asked = &session.req_header().uri;
    if let Some(target) = rewrite.target(asked.path(), asked.query()) {
        request.set_uri(Uri::from(target));
    }
    match &rewrite.hostname {
        Some(hostname) => request.insert_header(HOST, hostname.clone()),
        None => Ok(()),
    }
}
