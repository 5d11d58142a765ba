//! `WWW-Authenticate`: asks a client for its password or its token.

use crate::context::RequestContext;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::filter::security::denial::{DenyingFilter, SentToken};
use http::HeaderValue;
use http::header::HOST;
use pingora_http::RequestHeader;

/// The maximum length of the realm, as in Envoy.
const MAX_REALM: usize = 256;

/// Returns the value of `WWW-Authenticate` for an answer (RFC 7617, section 2; RFC 6750, section 3). `None` if it has none: no
/// registered scheme fits an API key, for which Envoy sends none, either.
///
/// The realm is the URL, as in Envoy, but without the query: browsers keep a password for each realm.
pub(crate) fn of(
    reason: AnswerReason,
    request: &RequestHeader,
    context: &RequestContext,
) -> Option<HeaderValue> {
    let AnswerReason::Denied(denial) = reason else {
        return None;
    };
    let (scheme, error) = match denial.filter() {
        DenyingFilter::BasicAuth => ("Basic", ""),
        DenyingFilter::Jwt(SentToken::Missing) => ("Bearer", ""),
        DenyingFilter::Jwt(SentToken::Invalid) | DenyingFilter::JwtAudience => {
            ("Bearer", ", error=\"invalid_token\"")
        }
        DenyingFilter::Csrf | DenyingFilter::ApiKey | DenyingFilter::Authorization => return None,
    };
    let tls = context.connection.as_ref().is_some_and(|it| it.is_tls());
    let host = match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(HOST).and_then(|it| it.to_str().ok()),
    };
    let protocol = if tls { "https" } else { "http" };
    let realm = realm(protocol, host.unwrap_or_default(), request.uri.path());
    HeaderValue::try_from(format!("{scheme} realm=\"{realm}\"{error}")).ok()
}

/// Returns a URL as the inside of a quoted string (RFC 9110, section 5.6.4). The client chooses its host and path, so they must not
/// end the string.
fn realm(scheme: &str, host: &str, path: &str) -> String {
    let url = format!("{scheme}://{host}{path}");
    let printable = url.chars().filter(|it| matches!(it, ' '..='~'));
    let mut realm = String::new();
    for character in printable.take(MAX_REALM) {
        if matches!(character, '"' | '\\') {
            realm.push('\\');
        }
        realm.push(character);
    }
    realm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_can_not_end_the_quoted_string() {
        let realm = realm("http", "a", "/\", charset=\"x\\\u{e9}\r\n");
        assert_eq!(realm, r#"http://a/\", charset=\"x\\"#);
    }

    #[test]
    fn long_url_is_cut() {
        assert_eq!(realm("http", "a", &"/".repeat(1000)).len(), MAX_REALM);
    }
}
