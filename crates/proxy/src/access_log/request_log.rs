//! What is recorded of a request for its lines.

use gatefold_dataplane::access_log::AccessLog;
use http::HeaderMap;
use std::sync::Arc;
use std::time::Instant;

/// What is recorded of a request only if it is logged.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    /// The logs of its listener. `None` for those of the command line.
    pub(crate) logs: Option<Arc<[AccessLog]>>,
    /// When its body was read completely.
    pub(crate) request_end: Option<Instant>,
    /// When it was sent to the endpoint, as far as it has been.
    pub(crate) request_sent: Option<Instant>,
    /// When the header of the endpoint's response was read.
    pub(crate) response_begin: Option<Instant>,
    /// Whether the current attempt has a connection.
    pub(crate) connected: bool,
    /// The trailers of the response.
    pub(crate) trailers: Option<HeaderMap>,
}

impl RequestLog {
    /// Records that an attempt begins.
    pub(crate) fn attempt(&mut self) {
        self.connected = false;
        self.response_begin = None;
    }

    /// Records that a part of the request is about to be sent; with `end`, the last one.
    pub(crate) fn sending(&mut self, end: bool) {
        let now = Instant::now();
        self.request_sent = Some(now);
        if end {
            self.request_end = Some(now);
        }
    }

    /// Records the trailers, if a line may contain them.
    pub(crate) fn ended(&mut self, trailers: &HeaderMap) {
        let wanted = match &self.logs {
            Some(logs) => logs.iter().any(|log| log.format.uses_trailers()),
            // The event has the status of gRPC, and the format of the command line may have it.
            None => true,
        };
        if wanted {
            self.trailers = Some(trailers.clone());
        }
    }
}
