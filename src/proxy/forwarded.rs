//! What a backend is told about the request's way to it.

use super::context::RequestContext;
use http::header::{CONNECTION, COOKIE, HOST, TE, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use uuid::Uuid;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest identifier of a request that is taken over.
const LONGEST_ID: usize = 128;

/// Adds what the backend is told. `request` is what goes to the backend, already without hop-by-hop fields;
/// `session` has it as it came.
///
/// Anybody may have sent the request: what it says of scheme and host is overwritten. `X-Forwarded-For` is
/// appended to, so that its last address is the one that we have seen.
pub(super) fn add(
    session: &Session,
    request: &mut RequestHeader,
    context: &mut RequestContext,
) -> Result<()> {
    if let Some(connection) = &context.connection {
        let value = appended(&request.headers, connection.peer_text());
        request.insert_header("X-Forwarded-For", value)?;
        let scheme = if connection.is_tls() { "https" } else { "http" };
        request.insert_header("X-Forwarded-Proto", HeaderValue::from_static(scheme))?;
    }
    match request.headers.get(HOST).cloned() {
        Some(host) => request.insert_header("X-Forwarded-Host", host)?,
        None => {
            request.remove_header("x-forwarded-host");
        }
    }
    let id = match context.id.take() {
        Some(id) => id,
        None => identifier(&request.headers)?,
    };
    request.insert_header("X-Request-Id", id.clone())?;
    context.id = Some(id);
    join_cookies(session, request)?;
    keep_trailers(session, request)
}

fn appended(headers: &HeaderMap, peer: &HeaderValue) -> HeaderValue {
    let mut before = headers.get_all(FORWARDED_FOR).iter().peekable();
    if before.peek().is_none() {
        return peer.clone();
    }
    let mut list = Vec::with_capacity(64);
    for value in before {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(peer.as_bytes());
    // Joined from values, so a value itself.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).unwrap_or_else(|_| peer.clone())
}

/// The identifier that the client sent, when there is one and it can be logged as it is; else a new one.
fn identifier(headers: &HeaderMap) -> Result<HeaderValue> {
    let mut sent = headers.get_all(REQUEST_ID).iter();
    if let (Some(id), None) = (sent.next(), sent.next()) {
        let bytes = id.as_bytes();
        let fits = !bytes.is_empty() && bytes.len() <= LONGEST_ID;
        if fits && bytes.iter().all(u8::is_ascii_graphic) {
            return Ok(id.clone());
        }
    }
    let mut buffer = Uuid::encode_buffer();
    let text = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).map_err(|error| {
        pingora_core::Error::because(
            pingora_core::ErrorType::InternalError,
            "making a request identifier",
            error,
        )
    })
}

/// HTTP/2 may split cookies over several fields; HTTP/1 has one (RFC 9113, section 8.2.3).
fn join_cookies(session: &Session, request: &mut RequestHeader) -> Result<()> {
    if session.req_header().version != Version::HTTP_2 {
        return Ok(());
    }
    let mut crumbs = request.headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else {
        return Ok(());
    };
    let mut joined = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(crumb.as_bytes());
    }
    request.insert_header(COOKIE, joined)
}

/// `TE` ends at every hop and Pingora takes it away; that the client reads trailers is still true.
fn keep_trailers(session: &Session, request: &mut RequestHeader) -> Result<()> {
    let reads_trailers = session
        .req_header()
        .headers
        .get_all(TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"));
    if !reads_trailers || request.headers.contains_key(UPGRADE) {
        return Ok(());
    }
    request.insert_header(TE, HeaderValue::from_static("trailers"))?;
    if request.version == Version::HTTP_2 {
        // Which knows no `Connection`.
        return Ok(());
    }
    // It must be listed there (RFC 9110, section 10.1.4).
    request.insert_header(CONNECTION, HeaderValue::from_static("TE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &'static str)]) -> HeaderMap {
        values
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn the_peer_is_appended_to_what_the_client_sent() {
        let peer = HeaderValue::from_static("203.0.113.9");
        assert_eq!(appended(&headers(&[]), &peer), "203.0.113.9");
        let mut sent = headers(&[("x-forwarded-for", "192.0.2.1")]);
        sent.append(FORWARDED_FOR, HeaderValue::from_static("192.0.2.2"));
        assert_eq!(appended(&sent, &peer), "192.0.2.1, 192.0.2.2, 203.0.113.9");
    }

    #[test]
    fn only_a_sane_identifier_is_kept() {
        let sane = headers(&[("x-request-id", "abc-123")]);
        assert_eq!(identifier(&sane).expect("an identifier"), "abc-123");
        let blank = headers(&[("x-request-id", "a b")]);
        let made = identifier(&blank).expect("an identifier");
        assert_eq!(made.len(), 36, "{made:?}");
    }
}
