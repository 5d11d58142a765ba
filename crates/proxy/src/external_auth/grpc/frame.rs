//! The framing of a call with one message in each direction ("gRPC over HTTP/2", "Length-Prefixed-Message").

use super::super::exchange::AuthAnswer;
use crate::response::grpc::STATUS;
use ::http::StatusCode;
use ::http::header::CONTENT_TYPE;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// The prefix of a message: whether it is compressed, and its length.
pub(super) const PREFIX: usize = 5;

/// Returns a message as the body of a request. `None` if it is too long for a frame.
pub(super) fn encode(message: &impl Message) -> Option<Bytes> {
    let length = message.encoded_len();
    let mut body = BytesMut::with_capacity(PREFIX + length);
    body.put_u8(0);
    body.put_u32(u32::try_from(length).ok()?);
    message.encode(&mut body).ok()?;
    Some(body.freeze())
}

/// Returns the only message of an answer.
///
/// # Errors
/// If the call has failed, or there isn't exactly one message that can be read.
pub(super) fn decode<M: Message + Default>(answer: &AuthAnswer) -> Result<M, String> {
    if answer.status != StatusCode::OK {
        return Err(format!("it answered {}", answer.status));
    }
    let kind = answer.headers.get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return Err("its answer isn't gRPC".to_owned());
    }
    // An answer without a message has it in its header.
    let trailers = answer.trailers.as_ref().unwrap_or(&answer.headers);
    match trailers.get(STATUS).map(|status| status.as_bytes()) {
        Some(b"0") => {}
        Some(code) => return Err(format!("gRPC status {}", code.escape_ascii())),
        None => return Err("its answer has no gRPC status".to_owned()),
    }
    let (prefix, message) = answer
        .body
        .split_first_chunk::<PREFIX>()
        .ok_or("its answer has no message")?;
    let [compressed, length @ ..] = *prefix;
    if compressed != 0 {
        return Err("its message is compressed, which it wasn't asked for".to_owned());
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if message.len() != length {
        return Err("its answer isn't exactly one message".to_owned());
    }
    M::decode(message).map_err(|_| "its message can't be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::message::{CheckResponse, Status};
    use super::*;
    use ::http::{HeaderMap, HeaderValue};

    fn answer(body: &[u8], status: &'static str) -> AuthAnswer {
        let kind = HeaderValue::from_static("application/grpc+proto");
        AuthAnswer {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(CONTENT_TYPE, kind)]),
            body: Bytes::copy_from_slice(body),
            is_too_long: false,
            trailers: Some(HeaderMap::from_iter([(
                STATUS,
                HeaderValue::from_static(status),
            )])),
        }
    }

    fn message() -> CheckResponse {
        CheckResponse {
            status: Some(Status { code: 7 }),
            http_response: None,
        }
    }

    #[test]
    fn reads_exactly_one_message_of_a_call_that_succeeds() {
        let body = encode(&message()).expect("a short message");
        let read = decode::<CheckResponse>(&answer(&body, "0"));
        assert!(read == Ok(message()));
        let twice = [&body[..], &body[..]].concat();
        let compressed = [&[1], &body[1..]].concat();
        let nonsense = [&[0, 0, 0, 0, 3], &b"\xff\xff\xff"[..]].concat();
        let cut = &body[..body.len() - 1];
        let cases: [(&[u8], &str); 7] = [
            (&body, "14"),
            (&body, ""),
            (&twice, "0"),
            (&compressed, "0"),
            (&nonsense, "0"),
            (cut, "0"),
            (b"", "0"),
        ];
        for (body, status) in cases {
            let read = decode::<CheckResponse>(&answer(body, status));
            assert!(read.is_err(), "{body:?} {status}");
        }
        let mut other = answer(&body, "0");
        other.trailers = None;
        assert!(decode::<CheckResponse>(&other).is_err(), "no status");
        let mut other = answer(&body, "0");
        other.headers.clear();
        assert!(decode::<CheckResponse>(&other).is_err(), "no gRPC");
    }
}
