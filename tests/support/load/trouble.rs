//! What can go wrong with a request, told apart by whose fault it is.

use std::io;
use std::time::Duration;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("the connection was refused: {0}")]
    Refused(io::Error),
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// Nothing of an answer came.
    #[error("the connection ended before the answer began: {0}")]
    Unanswered(io::Error),
    #[error("the answer was cut: {0}")]
    Cut(io::Error),
    #[error("the server ends a connection that nothing asked it to end")]
    Closing,
    #[error("there was no whole answer after {0:?}")]
    Late(Duration),
    #[error("a wrong answer: {0}")]
    Wrong(String),
}

impl Trouble {
    /// HTTP/2's own kinds of failure. A stream that the server says it hasn't looked at (RFC 9113, section
    /// 6.8 and 8.7) was not answered.
    pub(super) fn before_answer(error: h2::Error) -> Self {
        Trouble::Unanswered(io::Error::other(error))
    }

    pub(super) fn within_answer(error: h2::Error) -> Self {
        Trouble::Cut(io::Error::other(error))
    }
}
