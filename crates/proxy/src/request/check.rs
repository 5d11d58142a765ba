//! Checks of a request before routing.
//!
//! Pingora has parsed the request and rejects the worst: a repeated `Host`, credentials in it, a `Host` that differs from an
//! absolute target, differing lengths, and a transfer coding that doesn't end in `chunked`. `listen` has rejected malformed
//! framing and large headers. This module rejects everything else that two parsers could read differently, so that no backend
//! sees another request than the one that was routed.

use crate::request::fields::TransferCoding;
use crate::request::host;
use crate::response::reason::AnswerReason;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, Version};
use pingora_core::protocols::http::authority::{
    RawTargetAuthority, is_http_family_scheme, raw_target_authority,
};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::borrow::Cow;

/// Checks a request and replaces an absolute target by its path: `GET http://a/b` is `GET /b` with `Host: a` (RFC 9112, section
/// 3.2.2), whether the client has sent that field or, over HTTP/1.0, has not.
pub(crate) fn check(session: &mut Session) -> Result<(), AnswerReason> {
    let request = session.req_header();
    if request.method == Method::CONNECT {
        return Err(AnswerReason::Connect);
    }
    check_lengths(session)?;
    let request = session.req_header();
    if let Some(Absolute { host, path }) = absolute_target(request)? {
        let nameless = request.version < Version::HTTP_11 && !request.headers.contains_key(HOST);
        let request = session.req_header_mut();
        if nameless {
            let host = HeaderValue::from_bytes(&host).map_err(|_| AnswerReason::MalformedHost)?;
            request
                .insert_header(HOST, host)
                .map_err(|_| AnswerReason::MalformedHost)?;
        }
        request
            .set_raw_path(&path)
            .map_err(|_| AnswerReason::MalformedTarget)?;
    }
    Ok(())
}

/// Returns the requested host, in the form for routing. Empty for HTTP/1.0, which may omit it.
pub(crate) fn host(request: &RequestHeader) -> Result<Cow<'_, str>, AnswerReason> {
    // Pingora has rejected an authority and a Host that differ.
    let field = match (request.uri.authority(), request.headers.get(HOST)) {
        (Some(authority), _) => authority.as_str().as_bytes(),
        (None, Some(host)) => host.as_bytes(),
        (None, None) if request.version < Version::HTTP_11 => return Ok("".into()),
        (None, None) => return Err(AnswerReason::MalformedHost),
    };
    host::parse(field).ok_or(AnswerReason::MalformedHost)
}

/// Returns the port in the requested authority.
pub(crate) fn port(request: &RequestHeader) -> Option<u16> {
    let field = match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.headers.get(HOST)?.to_str().ok()?,
    };
    field.rsplit_once(':')?.1.parse().ok()
}

fn check_lengths(session: &Session) -> Result<(), AnswerReason> {
    let headers = &session.req_header().headers;
    match TransferCoding::of(headers) {
        TransferCoding::Absent => {}
        TransferCoding::Chunked => return check_chunked(session),
        TransferCoding::Other => return Err(AnswerReason::UnknownCoding),
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else {
        return Ok(());
    };
    // Only one value of digits. A list of equal values is allowed (RFC 9110, section 8.6), but only a broken or probing
    // client sends one.
    let digits = length.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) || lengths.next().is_some() {
        return Err(AnswerReason::MalformedLength);
    }
    Ok(())
}

fn check_chunked(session: &Session) -> Result<(), AnswerReason> {
    // Pingora has removed the Content-Length; only the raw header still contains it.
    let smuggled = session
        .as_http1()
        .is_some_and(|http1| has_content_length(&http1.get_headers_raw_bytes()));
    if smuggled {
        return Err(AnswerReason::TwoLengths);
    }
    Ok(())
}

fn has_content_length(raw_header: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    raw_header.split(|&byte| byte == b'\n').any(|line| {
        line.get(..NAME.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
            && line.get(NAME.len()) == Some(&b':')
    })
}

/// The parts of an absolute target.
#[derive(Debug, PartialEq, Eq)]
struct Absolute {
    host: Vec<u8>,
    path: Vec<u8>,
}

/// Splits an absolute target. `None` if the target is already a path.
fn absolute_target(request: &RequestHeader) -> Result<Option<Absolute>, AnswerReason> {
    let target = request.raw_path();
    if !request.raw_path_is_utf8() {
        return Err(AnswerReason::MalformedTarget);
    }
    if target.first() == Some(&b'/') {
        return Ok(None);
    }
    // It concerns the server itself, so no route can match it.
    if target == b"*" && request.method == Method::OPTIONS {
        return Err(AnswerReason::NoRoute);
    }
    match raw_target_authority(target) {
        RawTargetAuthority::Absolute {
            scheme,
            authority,
            path_and_query,
        } if is_http_family_scheme(scheme) => Ok(Some(Absolute {
            host: authority.to_vec(),
            path: match path_and_query.first() {
                Some(b'/') => path_and_query.to_vec(),
                _ => [b"/", path_and_query].concat(),
            },
        })),
        _ => Err(AnswerReason::MalformedTarget),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str) -> RequestHeader {
        RequestHeader::build("GET", target.as_bytes(), None).expect("a request")
    }

    #[test]
    fn absolute_target_becomes_its_path() {
        for (target, path) in [
            ("http://a/b?c", "/b?c"),
            ("HTTP://a", "/"),
            ("https://a?c", "/?c"),
        ] {
            assert_eq!(
                absolute_target(&request(target)),
                Ok(Some(Absolute {
                    host: b"a".to_vec(),
                    path: path.as_bytes().to_vec(),
                })),
                "{target}"
            );
        }
        assert_eq!(absolute_target(&request("/b")), Ok(None));
        assert_eq!(absolute_target(&request("//b")), Ok(None));
    }

    #[test]
    fn refuses_other_targets() {
        for target in ["b", "*", "ftp://a/b", "a:80", "?x"] {
            assert_eq!(
                absolute_target(&request(target)),
                Err(AnswerReason::MalformedTarget),
                "{target}"
            );
        }
    }

    #[test]
    fn finds_removed_content_length_in_raw_header() {
        assert!(has_content_length(
            b"POST / HTTP/1.1\r\nHost: a\r\nCONTENT-length: 3\r\n\r\n"
        ));
        assert!(!has_content_length(
            b"POST / HTTP/1.1\r\nX-Content-Length: 3\r\n\r\n"
        ));
    }
}
