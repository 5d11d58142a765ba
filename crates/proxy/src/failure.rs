//! From what went wrong while a request was forwarded to what the client is told.

use super::answer::Answer;
use gatefold_listen::FramingError;
use pingora_core::{Error, ErrorSource, ErrorType, RetryType};
use std::io;

/// What the client is told; nothing when it is gone.
///
/// 504 when a backend took too long, to take the connection or to respond; 502 when it couldn't be reached or
/// sent no HTTP (RFC 9110, sections 15.6.3 and 15.6.5).
pub(super) fn answer(error: &Error) -> Option<Answer> {
    use ErrorType::{ConnectionClosed, ReadError, ReadTimedout, WriteError, WriteTimedout};
    match error.esource() {
        ErrorSource::Upstream if is_timeout(error) => Some(Answer::GATEWAY_TIMEOUT),
        ErrorSource::Upstream => Some(Answer::BAD_GATEWAY),
        ErrorSource::Downstream => match error.etype() {
            ReadTimedout => Some(Answer::REQUEST_TIMEOUT),
            ReadError if is_malformed(error) => Some(Answer::MALFORMED_BODY),
            ReadError | WriteError | WriteTimedout | ConnectionClosed => None,
            etype if is_body_framing(etype) => Some(Answer::MALFORMED_BODY),
            _ => Some(Answer::BAD_REQUEST),
        },
        ErrorSource::Internal | ErrorSource::Unset => Some(Answer::INTERNAL),
    }
}

/// Whether the endpoint says that it has done nothing with the request: it has reset its stream with
/// `REFUSED_STREAM`, or ended the connection without taking the stream (RFC 9113, section 8.7). Pingora decides for
/// these alone that the request may be sent again. The same goes for a request that wasn't sent yet ([`unused`]).
pub(super) fn is_unprocessed(error: &Error) -> bool {
    matches!(*error.etype(), ErrorType::H2Error | UNUSED)
        && matches!(error.retry, RetryType::Decided(true))
}

/// Whether the request was not sent at all, because its kept connection had ended.
pub(super) fn is_unsent(error: &Error) -> bool {
    *error.etype() == UNUSED
}

const UNUSED: ErrorType = ErrorType::Custom("a kept connection has ended before it was used");

/// The error of a request that got such a connection.
pub(super) fn unused() -> Box<Error> {
    let mut error = Error::new_up(UNUSED);
    error.set_retry(true);
    error
}

/// Lets a request be sent again whose sending does no harm, when a kept connection turned out to be dead. Pingora
/// decides that for what can't be read; what can't even be written is no other case.
pub(super) fn decide_by_connection(error: &mut Error, reused: bool) {
    let written = *error.etype() != ErrorType::WriteError;
    if written || *error.esource() != ErrorSource::Upstream {
        error.retry.decide_reuse(reused);
    } else {
        error.set_retry(reused);
    }
}

/// Says of a response whose header can't be read what is wrong with it. Pingora shows the header itself, which may have a
/// megabyte and be secret.
pub(super) fn without_header(mut error: Box<Error>) -> Box<Error> {
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

/// Whether the client has sent what is no body.
fn is_malformed(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.and_then(FramingError::of).is_some()
}

/// Whether Pingora's reader of chunks has refused a body.
fn is_body_framing(etype: &ErrorType) -> bool {
    matches!(etype.as_str(), "InvalidChunk" | "InvalidTrailerEnd")
}

fn is_timeout(error: &Error) -> bool {
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
    fn timeouts_of_a_backend_are_504_and_other_failures_502() {
        for (etype, status) in [
            (ErrorType::ConnectTimedout, StatusCode::GATEWAY_TIMEOUT),
            (ErrorType::ReadTimedout, StatusCode::GATEWAY_TIMEOUT),
            (ErrorType::ConnectRefused, StatusCode::BAD_GATEWAY),
            (ErrorType::InvalidHTTPHeader, StatusCode::BAD_GATEWAY),
        ] {
            let error = Error::new_up(etype.clone());
            let told = answer(&error).map(|answer| answer.status);
            assert_eq!(told, Some(status), "{etype:?}");
        }
    }

    #[test]
    fn a_time_out_that_the_system_reports_is_one_too() {
        let cause = io::Error::from(io::ErrorKind::TimedOut);
        let error = Error::because(ErrorType::ReadError, "reading", cause).into_up();
        assert_eq!(answer(&error), Some(Answer::GATEWAY_TIMEOUT));
    }

    #[test]
    fn who_got_a_connection_that_just_ended_has_done_nothing() {
        assert!(is_unprocessed(&unused()));
        assert!(!is_unprocessed(&Error::new_up(ErrorType::ReadError)));
    }

    #[test]
    fn what_cannot_be_written_to_a_kept_connection_is_sent_again() {
        for (mut error, reused, again) in [
            (Error::new_up(ErrorType::WriteError), true, true),
            (Error::new_up(ErrorType::WriteError), false, false),
            (Error::new_down(ErrorType::WriteError), true, false),
            (Error::new_up(ErrorType::WriteTimedout), true, false),
        ] {
            decide_by_connection(&mut error, reused);
            assert_eq!(error.retry(), again, "{error}, reused: {reused}");
        }
    }

    #[test]
    fn a_client_that_is_gone_is_told_nothing() {
        let error = Error::new_down(ErrorType::ConnectionClosed);
        assert_eq!(answer(&error), None);
    }
}
