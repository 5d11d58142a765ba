//! The answers of the proxy to gRPC requests.
//!
//! A gRPC client expects a gRPC status instead of an HTTP status. An answer without messages is "Trailers-Only": one header
//! block with the HTTP status 200 that ends the stream (gRPC over HTTP/2, "Responses").

use crate::context::RequestContext;
use crate::response::answer::add_reason;
use crate::response::late_headers;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::filter::security::denial::DenyingFilter;
use gatefold_dataplane::filter::security::oidc::outcome::OidcOutcome;
use gatefold_dataplane::routing::grpc_match;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode, header};
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
    Unknown = 2,
    DeadlineExceeded = 4,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// Whether a request is gRPC.
pub(crate) fn is_grpc(request: &RequestHeader) -> bool {
    grpc_match::is_grpc(request.version, &request.method, &request.headers)
}

/// Sends the whole answer to a gRPC request: a header that ends the stream. It has the [`challenge`](super::challenge) for a
/// password or a token, if there is one.
pub(crate) async fn send(
    reason: AnswerReason,
    challenge: Option<HeaderValue>,
    reason_header: Option<&HeaderName>,
    session: &mut Session,
    context: &RequestContext,
) -> Result<()> {
    let mut header = Box::new(trailers_only(reason)?);
    add_reason(reason, reason_header, &mut header)?;
    if let Some(challenge) = challenge {
        header.insert_header(WWW_AUTHENTICATE, challenge)?;
    }
    late_headers::change(&mut header, context);
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
        AnswerReason::UnknownClient => GrpcStatus::PermissionDenied,
        AnswerReason::ExternalAuthDenied(status) | AnswerReason::ExternalAuthFailed(status) => {
            of_http(status)
        }
        AnswerReason::Denied(denial) => match denial.filter() {
            DenyingFilter::ApiKey | DenyingFilter::BasicAuth | DenyingFilter::Jwt(_) => {
                GrpcStatus::Unauthenticated
            }
            DenyingFilter::Csrf | DenyingFilter::JwtAudience | DenyingFilter::Authorization => {
                GrpcStatus::PermissionDenied
            }
        },
        AnswerReason::Oidc(OidcOutcome::ProviderUnavailable) => GrpcStatus::Unavailable,
        AnswerReason::Oidc(_) => GrpcStatus::Unauthenticated,
        // "`UNAVAILABLE` statuses MUST be returned" (`GRPCRouteRule.backendRefs`). A client may retry.
        AnswerReason::InvalidBackend
        | AnswerReason::RefusedRule(_)
        | AnswerReason::NoEndpoints
        | AnswerReason::NoRoomForBody
        | AnswerReason::BadGateway
        | AnswerReason::Misdirected
        | AnswerReason::OtherProtocol => GrpcStatus::Unavailable,
        AnswerReason::BodyTooLarge => GrpcStatus::ResourceExhausted,
        AnswerReason::GatewayTimeout | AnswerReason::RequestTimeout => GrpcStatus::DeadlineExceeded,
        AnswerReason::Internal
        | AnswerReason::LengthRequired
        | AnswerReason::Connect
        | AnswerReason::MalformedLength
        | AnswerReason::TwoLengths
        | AnswerReason::UnknownCoding
        | AnswerReason::MalformedTarget
        | AnswerReason::MalformedHost
        | AnswerReason::PathLeavesRoot
        | AnswerReason::PathWithNul
        | AnswerReason::PathWithMalformedEscape
        | AnswerReason::PathWithEscapedSlash
        | AnswerReason::HeaderWithUnderscore
        | AnswerReason::PathTooLong
        | AnswerReason::MalformedBody
        | AnswerReason::MalformedRequest => GrpcStatus::Internal,
    }
}

/// Returns the status for one of HTTP that an authorization server or a policy says ("HTTP to gRPC Status Code Mapping").
fn of_http(status: StatusCode) -> GrpcStatus {
    match status {
        StatusCode::BAD_REQUEST => GrpcStatus::Internal,
        StatusCode::UNAUTHORIZED => GrpcStatus::Unauthenticated,
        StatusCode::FORBIDDEN => GrpcStatus::PermissionDenied,
        StatusCode::NOT_FOUND => GrpcStatus::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => GrpcStatus::Unavailable,
        _ => GrpcStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
