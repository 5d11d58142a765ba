//! Failures of forwarding: which answer the client gets, and which failures allow a retry.

use crate::response::reason::AnswerReason;
use gatefold_listen::FramingError;
use pingora_core::{Error, ErrorSource, ErrorType, RetryType};
use std::io;

/// Returns the reason of the answer to the client. `None` if the client is gone.
///
/// 504 if a backend took too long to accept the connection or to respond; 502 if it couldn't be reached or sent no valid HTTP
/// (RFC 9110, sections 15.6.3 and 15.6.5).
pub(crate) fn reason(error: &Error) -> Option<AnswerReason> {
    use ErrorType::{ConnectionClosed, ReadError, ReadTimedout, WriteError, WriteTimedout};
    match error.esource() {
        ErrorSource::Upstream if is_timeout(error) => Some(AnswerReason::GatewayTimeout),
        ErrorSource::Upstream => Some(AnswerReason::BadGateway),
        ErrorSource::Downstream => match error.etype() {
            ReadTimedout => Some(AnswerReason::RequestTimeout),
            ReadError if is_malformed(error) => Some(AnswerReason::MalformedBody),
            ReadError | WriteError | WriteTimedout | ConnectionClosed => None,
            etype if is_body_framing(etype) => Some(AnswerReason::MalformedBody),
            _ => Some(AnswerReason::MalformedRequest),
        },
        ErrorSource::Internal | ErrorSource::Unset => Some(AnswerReason::Internal),
    }
}

/// Whether the endpoint reports that it has not processed the request: it has reset the stream with `REFUSED_STREAM`, or has
/// closed the connection without accepting the stream (RFC 9113, section 8.7). Pingora itself allows a retry only for these
/// errors. A request that wasn't sent at all ([`unused`]) counts as well.
pub(crate) fn is_unprocessed(error: &Error) -> bool {
    matches!(*error.etype(), ErrorType::H2Error | UNUSED)
        && matches!(error.retry, RetryType::Decided(true))
}

/// Whether the request was not sent, because its pooled connection was already closed.
pub(crate) fn is_unsent(error: &Error) -> bool {
    *error.etype() == UNUSED
}

const UNUSED: ErrorType = ErrorType::Custom("a pooled connection was closed before it was used");

/// Returns the error of a request whose pooled connection was already closed.
pub(crate) fn unused() -> Box<Error> {
    let mut error = Error::new_up(UNUSED);
    error.set_retry(true);
    error
}

/// Allows a retry of an idempotent request if a pooled connection turned out to be closed. Pingora decides that for failed
/// reads; a failed write is the same case.
pub(crate) fn decide_by_connection(error: &mut Error, reused: bool) {
    let written = *error.etype() != ErrorType::WriteError;
    if written || *error.esource() != ErrorSource::Upstream {
        error.retry.decide_reuse(reused);
    } else {
        error.set_retry(reused);
    }
}

/// Describes why the header of a response can't be read. Pingora's description contains the header itself, which may be a
/// megabyte long and confidential.
pub(crate) fn without_header(mut error: Box<Error>) -> Box<Error> {
    let unread =
        *error.etype() == ErrorType::InvalidHTTPHeader && *error.esource() == ErrorSource::Upstream;
    let cause = error.root_cause();
    if !unread || cause.is::<Error>() {
        return error;
    }
    let what = format!("the header of the response is malformed: {cause}");
    let retry = error.retry;
    error = Error::explain(ErrorType::InvalidHTTPHeader, what).into_up();
    error.retry = retry;
    error
}

/// Whether the client has sent a malformed body.
fn is_malformed(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.and_then(FramingError::of).is_some()
}

/// Whether Pingora's chunk reader has rejected a body.
fn is_body_framing(etype: &ErrorType) -> bool {
    matches!(etype.as_str(), "InvalidChunk" | "InvalidTrailerEnd")
}

pub(crate) fn is_timeout(error: &Error) -> bool {
    use ErrorType::{ConnectTimedout, ReadTimedout, TLSHandshakeTimedout, WriteTimedout};
    matches!(
        error.etype(),
        ConnectTimedout | ReadTimedout | WriteTimedout | TLSHandshakeTimedout
    ) || error
        .root_cause()
        .downcast_ref::<io::Error>()
        .is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn backend_timeouts_are_504_and_other_failures_502() {
        for (etype, status) in [
            (ErrorType::ConnectTimedout, StatusCode::GATEWAY_TIMEOUT),
            (ErrorType::ReadTimedout, StatusCode::GATEWAY_TIMEOUT),
            (ErrorType::ConnectRefused, StatusCode::BAD_GATEWAY),
            (ErrorType::InvalidHTTPHeader, StatusCode::BAD_GATEWAY),
        ] {
            let error = Error::new_up(etype.clone());
            let answered = reason(&error).map(AnswerReason::status);
            assert_eq!(answered, Some(status), "{etype:?}");
        }
    }

    #[test]
    fn timeout_reported_by_the_system_is_504() {
        let cause = io::Error::from(io::ErrorKind::TimedOut);
        let error = Error::because(ErrorType::ReadError, "reading", cause).into_up();
        assert_eq!(reason(&error), Some(AnswerReason::GatewayTimeout));
    }

    #[test]
    fn request_on_a_closed_connection_counts_as_unprocessed() {
        assert!(is_unprocessed(&unused()));
        assert!(!is_unprocessed(&Error::new_up(ErrorType::ReadError)));
    }

    #[test]
    fn failed_write_to_a_pooled_connection_is_retried() {
        for (mut error, reused, retried) in [
            (Error::new_up(ErrorType::WriteError), true, true),
            (Error::new_up(ErrorType::WriteError), false, false),
            (Error::new_down(ErrorType::WriteError), true, false),
            (Error::new_up(ErrorType::WriteTimedout), true, false),
        ] {
            decide_by_connection(&mut error, reused);
            assert_eq!(error.retry(), retried, "{error}, reused: {reused}");
        }
    }

    #[test]
    fn client_that_is_gone_gets_no_answer() {
        let error = Error::new_down(ErrorType::ConnectionClosed);
        assert_eq!(reason(&error), None);
    }
}
