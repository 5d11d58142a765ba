//! Checks and changes of a backend's response before it is sent to the client.

use crate::context::RequestContext;
use crate::filter::{self, FilterPosition};
use crate::request::fields::TransferCoding;
use crate::response::late_headers;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_listen::clock::Tick;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Changes a backend's response into the response to the client. Returns the position of a filter that waits; [`resume`] then
/// does the rest.
///
/// # Errors
/// If the response is invalid, or a filter answers instead.
pub(crate) fn change(
    session: &mut Session,
    response: &mut ResponseHeader,
    context: &mut RequestContext,
    now: Tick,
) -> Result<Option<FilterPosition>> {
    unify_length(response);
    // An HTTP/2 stream ends when its endpoint ends it.
    if response.version < Version::HTTP_2 && is_bodiless(&session.req_header().method, response) {
        context.release_connection(now);
    }
    cross(session, response, context)?;
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        context.switch_protocols(now);
    }
    if response.status.is_informational() {
        return Ok(None);
    }
    let request = &session.req_header().headers;
    match filter::response::run(filter::response::FIRST, request, response, context) {
        Ok(None) => {
            complete(session, response, context);
            Ok(None)
        }
        Ok(Some(at)) => Ok(Some(at)),
        Err(answer) => Err(replace(answer, context)),
    }
}

/// Completes the response filter at a position, which waits, and everything after it.
///
/// # Errors
/// If a filter answers instead.
pub(crate) async fn resume(
    at: FilterPosition,
    session: &mut Session,
    response: &mut ResponseHeader,
    context: &mut RequestContext,
) -> Result<()> {
    match filter::response::resume(at, session, response, context).await {
        Ok(()) => {
            complete(session, response, context);
            Ok(())
        }
        Err(answer) => Err(replace(answer, context)),
    }
}

fn complete(session: &mut Session, response: &mut ResponseHeader, context: &RequestContext) {
    late_headers::change(response, context);
    keep_or_end(session, context);
    if session.as_http1().is_some()
        && let (Some(date), Some(connection)) = (response.headers.get(DATE), &context.connection)
    {
        connection.keep_date(date);
    }
}

/// Replaces a backend's response by the answer of a filter: the request fails, and the answer is sent for the failure.
fn replace(answer: Box<FilterAnswer>, context: &mut RequestContext) -> Box<Error> {
    context.answer = Some(answer);
    let what = "a filter answers instead of the backend";
    Error::explain(ErrorType::Custom("ReplacedByFilter"), what).into_in()
}

/// Reduces Content-Length to a single value: Pingora accepts repeated equal values, as separate lines or as a list, and rejects
/// different ones (RFC 9112, section 6.3). A response without content has neither a length nor a transfer coding (RFC 9110,
/// section 8.6; RFC 9112, section 6.1).
fn unify_length(response: &mut ResponseHeader) {
    let status = response.status;
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        if response.headers.contains_key(CONTENT_LENGTH) {
            response.remove_header(&CONTENT_LENGTH);
        }
        if response.headers.contains_key(TRANSFER_ENCODING) {
            response.remove_header(&TRANSFER_ENCODING);
        }
        return;
    }
    let mut lengths = response.headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return;
    };
    let single = lengths.next().is_none() && first.as_bytes().iter().all(u8::is_ascii_digit);
    if single {
        return;
    }
    let value = first.as_bytes().split(|&byte| byte == b',').next();
    if let Some(Ok(value)) = value.map(|value| HeaderValue::from_bytes(value.trim_ascii())) {
        // This could only fail by enlarging the map, which it doesn't.
        let _ = response.insert_header(CONTENT_LENGTH, value);
    }
}

/// Whether the response ends with its header (RFC 9112, section 6.3), so that no hook is called for a body.
fn is_bodiless(method: &Method, response: &ResponseHeader) -> bool {
    let status = response.status;
    if status.is_informational() {
        return false;
    }
    let empty = || {
        let length = response.headers.get(CONTENT_LENGTH);
        length.is_some_and(|length| length == "0")
    };
    *method == Method::HEAD
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
        || empty()
}

/// Whether the client has received any part of the final response, or the protocol was switched. Informational responses may
/// precede any response.
pub(crate) fn has_begun(session: &Session) -> bool {
    session.response_written().is_some_and(|response| {
        let status = response.status;
        !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
    })
}

/// Adds `Connection: close` to the response if the connection is about to end.
pub(crate) fn keep_or_end(session: &mut Session, context: &RequestContext) {
    let connection = context.connection.as_ref();
    if connection.is_some_and(|connection| connection.is_ending()) {
        session.set_keepalive(None);
    }
}

/// Checks a response and removes hop-by-hop headers.
///
/// # Errors
/// If it switches protocols without being asked to, or has a transfer coding that the client may not understand. The client
/// gets a 502.
fn cross(
    session: &mut Session,
    response: &mut ResponseHeader,
    context: &RequestContext,
) -> Result<()> {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        if context.upgrade {
            return Ok(());
        }
        return invalid("the backend switched protocols without being asked to");
    }
    if response.status.is_informational() {
        return Ok(());
    }
    // The version is that of the sender (RFC 9110, section 2.5).
    response.set_version(Version::HTTP_11);
    // Few responses have any of these: one pass over all names is cheaper than a lookup of each.
    let (mut coded, mut measured, mut hop_by_hop) = (false, false, false);
    for name in response.headers.keys() {
        coded |= *name == TRANSFER_ENCODING;
        measured |= *name == CONTENT_LENGTH;
        hop_by_hop |= is_hop_by_hop(name);
    }
    if hop_by_hop {
        strip_hop_by_hop(response);
    }
    if !measured && session.req_header().version < Version::HTTP_11 {
        // See `close_delimited`.
        session.set_keepalive(None);
        // The end of the connection marks the end of the body, so an incomplete body must end in a reset.
        if let Some(connection) = &context.connection {
            connection.break_off();
        }
    }
    if coded && TransferCoding::of(&response.headers) == TransferCoding::Other {
        return invalid("the backend sent a transfer coding other than chunked");
    }
    Ok(())
}

fn invalid<T>(what: &'static str) -> Result<T> {
    Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up())
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == CONNECTION || *name == UPGRADE || *name == KEEP_ALIVE || *name == PROXY_CONNECTION
}

/// Removes hop-by-hop headers and the headers that `Connection` names (RFC 9110, section 7.6.1).
fn strip_hop_by_hop(response: &mut ResponseHeader) {
    let named: Vec<HeaderName> = response
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(is_nameable)
        .collect();
    for name in &named {
        response.remove_header(name);
    }
    for name in [&CONNECTION, &KEEP_ALIVE, &PROXY_CONNECTION, &UPGRADE] {
        response.remove_header(name);
    }
}

/// Whether `Connection` may name a header for removal. It may not remove the framing, nor headers that the client needs
/// whatever a confused backend sends.
fn is_nameable(name: &HeaderName) -> bool {
    !matches!(
        *name,
        CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION | DATE | SET_COOKIE
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_responses_that_end_with_their_header() {
        let bodiless = |method: Method, status: u16, length: &'static str| {
            let mut response = ResponseHeader::build(status, None).expect("a response");
            let name = CONTENT_LENGTH.as_str();
            response.insert_header(name, length).expect("a header");
            is_bodiless(&method, &response)
        };
        assert!(bodiless(Method::HEAD, 200, "5"));
        assert!(bodiless(Method::GET, 204, "5") && bodiless(Method::GET, 304, "5"));
        assert!(bodiless(Method::GET, 200, "0"));
        assert!(!bodiless(Method::GET, 200, "5"));
        assert!(
            !bodiless(Method::HEAD, 103, "0"),
            "the final response follows"
        );
    }

    #[test]
    fn removes_headers_named_by_connection_but_no_framing() {
        let mut response = ResponseHeader::build(200, None).expect("a response");
        for (name, value) in [
            ("Connection", "close, X-Private, Content-Length"),
            ("X-Private", "1"),
            ("Content-Length", "3"),
            ("Keep-Alive", "timeout=5"),
            ("Upgrade", "h2c"),
            ("X-Public", "1"),
        ] {
            response.append_header(name, value).expect("a header");
        }
        strip_hop_by_hop(&mut response);
        let mut left: Vec<_> = response.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "x-public"]);
    }
}
