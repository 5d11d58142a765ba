//! gRPC over HTTP/2: which requests are gRPC, and the answers of the proxy to them.
//!
//! A gRPC client expects a gRPC status instead of an HTTP status. An answer without messages is "Trailers-Only": one header
//! block with the HTTP status 200 that ends the stream (gRPC over HTTP/2, "Responses").

use crate::response::reason::AnswerReason;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora_core::Result;
use pingora_core::protocols::http::ServerSession as HttpSession;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;

const GRPC: &str = "application/grpc";
/// The field of the status, in a header that ends the stream or in the trailers.
pub(crate) const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A status of gRPC, as far as the proxy answers it ("Status codes and their use in gRPC").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GrpcStatus {
    DeadlineExceeded = 4,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
}

/// Whether a request is gRPC: a POST over HTTP/2 whose content type is `application/grpc`, `application/grpc+proto` or the like.
/// gRPC-Web is another protocol.
pub(crate) fn is_grpc(request: &RequestHeader) -> bool {
    let content_type = || request.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version == Version::HTTP_2
        && request.method == Method::POST
        && content_type().is_some_and(is_grpc_content_type)
}

/// Media types are case-insensitive (RFC 9110, section 8.3.1).
fn is_grpc_content_type(value: &[u8]) -> bool {
    let Some((media_type, rest)) = value.split_at_checked(GRPC.len()) else {
        return false;
    };
    let ends = matches!(rest.first(), None | Some(b'+' | b';' | b' '));
    media_type.eq_ignore_ascii_case(GRPC.as_bytes()) && ends
}

/// Sends the whole answer to a gRPC request: a header that ends the stream.
pub(crate) async fn send(reason: AnswerReason, session: &mut Session) -> Result<()> {
    let header = Box::new(trailers_only(reason)?);
    // Pingora's session ends the stream with a frame of its own, which gRPC clients take for a message without trailers.
    match &mut *session.downstream_session {
        HttpSession::H2(stream) => stream.write_response_header(header, true),
        HttpSession::H1(_) | HttpSession::Subrequest(_) | HttpSession::Custom(_) => {
            session.write_response_header(header, true).await
        }
    }
}

fn trailers_only(reason: AnswerReason) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(StatusCode::OK, Some(4))?;
    header.insert_header(header::SERVER, HeaderValue::from_static("gatefold"))?;
    header.insert_header(CONTENT_TYPE, HeaderValue::from_static(GRPC))?;
    header.insert_header(STATUS, HeaderValue::from(status(reason) as u16))?;
    // The texts are printable ASCII, so only `%` has to be encoded ("Responses", `Percent-Encoded`).
    let message = reason.text().trim_ascii_end().replace('%', "%25");
    header.insert_header(MESSAGE, message)?;
    Ok(header)
}

/// Returns the status for a reason. Where the API names none, it follows "HTTP to gRPC Status Code Mapping".
fn status(reason: AnswerReason) -> GrpcStatus {
    match reason {
        AnswerReason::NoRoute => GrpcStatus::Unimplemented,
        // "`UNAVAILABLE` statuses MUST be returned" (`GRPCRouteRule.backendRefs`). A client may retry.
        AnswerReason::InvalidBackend
        | AnswerReason::RefusedRule(_)
        | AnswerReason::NoEndpoints
        | AnswerReason::BadGateway
        | AnswerReason::Misdirected
        | AnswerReason::OtherProtocol => GrpcStatus::Unavailable,
        AnswerReason::GatewayTimeout | AnswerReason::RequestTimeout => GrpcStatus::DeadlineExceeded,
        AnswerReason::Internal
        | AnswerReason::Connect
        | AnswerReason::MalformedLength
        | AnswerReason::TwoLengths
        | AnswerReason::UnknownCoding
        | AnswerReason::MalformedTarget
        | AnswerReason::MalformedHost
        | AnswerReason::PathLeavesRoot
        | AnswerReason::PathWithNul
        | AnswerReason::PathWithMalformedEscape
        | AnswerReason::PathTooLong
        | AnswerReason::MalformedBody
        | AnswerReason::MalformedRequest => GrpcStatus::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_the_content_types_of_grpc() {
        for value in [
            "application/grpc",
            "Application/GRPC",
            "application/grpc+proto",
            "application/grpc; charset=utf-8",
        ] {
            assert!(is_grpc_content_type(value.as_bytes()), "{value}");
        }
        for value in [
            "",
            "application/json",
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/grp",
        ] {
            assert!(!is_grpc_content_type(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn only_posts_over_http_2_are_grpc() {
        let request = |method: &str, version| {
            let mut request = RequestHeader::build(method, b"/a.B/C", None).expect("a request");
            request.set_version(version);
            request
                .insert_header(CONTENT_TYPE, GRPC)
                .expect("a content type");
            request
        };
        assert!(is_grpc(&request("POST", Version::HTTP_2)));
        assert!(!is_grpc(&request("GET", Version::HTTP_2)));
        assert!(!is_grpc(&request("POST", Version::HTTP_11)));
    }

    #[test]
    fn answers_are_one_header_with_a_status_and_a_message() {
        let header = trailers_only(AnswerReason::NoEndpoints).expect("an answer");
        assert_eq!(header.status, StatusCode::OK);
        assert_eq!(header.headers[CONTENT_TYPE], "application/grpc");
        assert_eq!(header.headers[STATUS], "14");
        assert_eq!(
            header.headers[MESSAGE],
            "the backend has no endpoints right now"
        );
        let header = trailers_only(AnswerReason::PathWithNul).expect("an answer");
        assert_eq!(
            header.headers[MESSAGE],
            "the path of the request contains %2500"
        );
    }
}
