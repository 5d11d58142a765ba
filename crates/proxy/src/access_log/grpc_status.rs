//! The gRPC status of a response, and the names of the statuses ("Status codes and their use in gRPC").

use crate::response::grpc;
use gatefold_dataplane::access_log::GrpcStatusStyle;
use http::HeaderMap;
use pingora_http::ResponseHeader;

/// The names of the statuses, by number.
const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// Returns the status in the trailers, or in a header that ended the stream: a failure of the proxy, and often one of a backend, has
/// no trailers.
pub(super) fn of(trailers: Option<&HeaderMap>, response: Option<&ResponseHeader>) -> Option<u32> {
    let in_trailers = trailers.and_then(|it| it.get(grpc::STATUS));
    let in_header = || response.and_then(|it| it.headers.get(grpc::STATUS));
    let status = in_trailers.or_else(in_header)?;
    status.to_str().ok()?.parse().ok()
}

/// Returns the name of a status. `None` for a number without a name, or if the number is wanted.
pub(super) fn name(status: u32, style: GrpcStatusStyle) -> Option<&'static str> {
    let (camel, snake) = NAMES.get(usize::try_from(status).ok()?)?;
    match style {
        GrpcStatusStyle::Camel => Some(camel),
        GrpcStatusStyle::Snake => Some(snake),
        GrpcStatusStyle::Number => None,
    }
}
