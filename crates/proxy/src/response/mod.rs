//! The response: a backend's, or an answer of our own.

pub(crate) mod answer;
pub(crate) mod challenge;
pub(crate) mod close_delimited;
pub(crate) mod failure;
pub(crate) mod grpc;
pub(crate) mod late_headers;
pub(crate) mod reason;
pub(crate) mod relay;
pub(crate) mod unread_body;
