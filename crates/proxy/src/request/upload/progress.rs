//! The progress of a long body, which a request keeps from piece to piece.

use crate::upstream::deadline::EndpointConnection;
use crate::upstream::peer::UNACKNOWLEDGED;
use http::StatusCode;
use socket2::SockRef;
use std::io;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tracing::debug;

/// Every connection accepts this much: TCP's first window is 64 KiB. Shorter bodies need no waiting.
pub(super) const SHORT: u64 = 32 * 1024;

/// The progress of a request's body, and of the response to it.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// The number of bytes passed to the endpoint's connection.
    pub(super) handed: u64,
    pub(super) response: Response,
    /// Another descriptor of the connection, registered for readiness events.
    pub(super) changes: Option<Box<TcpStream>>,
    /// Whether data has arrived for which no hook has been called yet.
    pub(super) arrived: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Response {
    /// No response has arrived.
    #[default]
    Awaited,
    /// Pingora has read something, and passes it on if it is a response. Until then, this many more pieces of the body don't
    /// wait. After them Pingora processes the response at the latest.
    Arrived(u8),
    /// A response has arrived. The endpoint may read the rest of the body meanwhile.
    Begun,
    /// An error response has arrived. The rest of the body is sent only while the endpoint reads it.
    Failed,
    /// Nothing more is sent, since the endpoint stopped reading.
    Ended,
}

impl Upload {
    /// Records the status of a response that Pingora has read. Pingora may already be in another write.
    pub(crate) fn answered(&mut self, status: StatusCode, upstream: Option<&EndpointConnection>) {
        if self.response == Response::Ended {
            return;
        }
        self.arrived = false;
        if let Some(changes) = &self.changes {
            clear(changes);
        }
        self.response = match status.as_u16() {
            100..=199 => Response::Awaited,
            400.. => Response::Failed,
            _ => Response::Begun,
        };
        if let Some(upstream) = upstream
            && self.response == Response::Failed
            && self.handed > SHORT
            && !upstream.is_writable()
        {
            self.end_writing(upstream);
        }
    }

    pub(super) fn end_writing(&mut self, upstream: &EndpointConnection) {
        debug!("the endpoint stopped reading a body");
        self.response = Response::Ended;
        upstream.end_writing();
    }

    /// Whether the client has sent a part of the body.
    pub(crate) fn has_begun(&self) -> bool {
        self.handed > 0
    }

    /// Whether the endpoint has responded with an error, so that the rest of the body is not needed.
    pub(crate) fn is_unwanted(&self) -> bool {
        matches!(self.response, Response::Failed | Response::Ended)
    }

    /// Restores the connection's settings for other requests, after the response is complete.
    pub(crate) fn end(&self, upstream: &EndpointConnection) {
        if self.handed > SHORT {
            set_unacknowledged(upstream, Some(UNACKNOWLEDGED));
        }
    }
}

/// Clears the readiness, so that only later changes count. Tokio 1.54 ignores a call for both directions at once.
pub(super) fn clear(changes: &TcpStream) {
    for direction in [Interest::READABLE, Interest::WRITABLE] {
        let _ = changes.try_io(direction, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}

/// Sets how long sent data may stay unacknowledged or unread. `None` removes the limit.
pub(super) fn set_unacknowledged(upstream: &EndpointConnection, limit: Option<Duration>) {
    if let Err(error) = SockRef::from(upstream).set_tcp_user_timeout(limit) {
        debug!(%error, "can't set the time limit of a connection to an endpoint");
    }
}
