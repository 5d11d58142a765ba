//! The answer to a gRPC call: one empty message, which is a valid message of any type, and the status OK.
//!
//! The backend knows no services, so it can't tell a method that exists from one that doesn't. Its identity is in the metadata.

use super::answer::Identity;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use std::convert::Infallible;

/// A message of no bytes that isn't compressed: a flag and a length (gRPC over HTTP/2, Length-Prefixed-Message).
const EMPTY_MESSAGE: &[u8] = &[0; 5];

/// Whether a request is a gRPC call. Calls are made in HTTP/2 only (gRPC over HTTP/2, Requests); in HTTP/1 the trailers with the
/// status would be lost.
pub(super) fn is_call(request: &Parts) -> bool {
    let kind = request.headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let rest = kind.strip_prefix("application/grpc");
    let is_grpc = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']));
    is_grpc && request.version == Version::HTTP_2
}

/// Answers a call.
pub(super) fn answer(
    identity: &Identity,
) -> Response<impl Body<Data = Bytes, Error = Infallible> + Send + use<>> {
    let trailers = [(
        HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )];
    let trailers = std::future::ready(Some(Ok(HeaderMap::from_iter(trailers))));
    let message = Full::new(Bytes::from_static(EMPTY_MESSAGE));
    // A mapped body has no known length, so the response has no `content-length`: after so many bytes, curl would not wait for
    // the trailers.
    let body = message.map_frame(|frame| frame).with_trailers(trailers);
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let metadata = [
        ("echo-namespace", &identity.namespace),
        ("echo-pod", &identity.pod),
    ];
    for (name, value) in metadata {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
