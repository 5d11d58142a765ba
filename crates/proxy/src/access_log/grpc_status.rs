//! The names of gRPC statuses ("Status codes and their use in gRPC").

use gatefold_dataplane::access_log::GrpcStatusStyle;

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

/// Returns the name of a status. `None` for a number without a name, or if the number is wanted.
pub(super) fn name(status: u32, style: GrpcStatusStyle) -> Option<&'static str> {
    let (camel, snake) = NAMES.get(usize::try_from(status).ok()?)?;
    match style {
        GrpcStatusStyle::Camel => Some(camel),
        GrpcStatusStyle::Snake => Some(snake),
        GrpcStatusStyle::Number => None,
    }
}
