//! The errors of a request.

use std::io;
use std::time::Duration;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("the connection was refused: {0}")]
    Refused(io::Error),
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// No part of an answer was received.
    #[error("the connection ended before the answer began: {0}")]
    Unanswered(io::Error),
    #[error("the answer was cut: {0}")]
    Cut(io::Error),
    #[error("the server closed a connection without a reason")]
    Closed,
    #[error("there was no complete answer after {0:?}")]
    Timeout(Duration),
    #[error("a wrong answer: {0}")]
    WrongAnswer(String),
}

impl RequestError {
    /// Converts an HTTP/2 error before the answer. A stream that the server reports as unprocessed (RFC 9113, sections 6.8
    /// and 8.7) was not answered.
    pub(super) fn before_answer(error: h2::Error) -> Self {
        RequestError::Unanswered(io::Error::other(error))
    }

    /// Converts an HTTP/2 error within the answer.
    pub(super) fn within_answer(error: h2::Error) -> Self {
        RequestError::Cut(io::Error::other(error))
    }
}
