//! Answers that a filter gives instead of a backend.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// A response made by a filter.
#[derive(Debug, PartialEq, Eq)]
pub struct FilterAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers, without the framing, which depends on the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether the rule's filters change it like a backend's response.
    pub response_phase: ResponsePhase,
}

/// Whether the response phase of filters runs for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponsePhase {
    /// The filters change the answer.
    Run,
    /// The answer is complete as it is.
    Skip,
}
