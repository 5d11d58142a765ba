//! How long a connection may live, and how many requests it may carry (API: `ConnectionLimit` of Envoy Gateway).
//!
//! In: the limits of the socket. Out: a connection that drains: requests in flight are answered, a response over HTTP/1 says
//! `Connection: close`, a client of HTTP/2 gets a GOAWAY. A connection without limits has none of this.

use super::Connection;
use gatefold_dataplane::client_traffic::socket_settings::ConnectionLifetime;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// More than any connection lives, but not more than a timer can wait.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The limits of one connection, and how much of them is used.
#[derive(Debug)]
pub(crate) struct Lifetime {
    limits: ConnectionLifetime,
    /// Number of requests so far.
    requests: AtomicU32,
    is_used_up: Notify,
}

impl Lifetime {
    pub(crate) fn new(limits: ConnectionLifetime) -> Self {
        Lifetime {
            limits,
            requests: AtomicU32::new(0),
            is_used_up: Notify::new(),
        }
    }

    /// Counts a request. If it is the last one that the connection may carry, the connection drains.
    pub(super) fn count(&self, connection: &Connection) {
        let Some(most) = self.limits.requests else {
            return;
        };
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        if before.saturating_add(1) >= most.get() {
            connection.drain();
            self.is_used_up.notify_one();
        }
    }

    /// Ends the connection through `end` once its lifetime is over, or its socket stops. Never returns: it is dropped with the
    /// connection.
    pub(crate) async fn limit(
        &self,
        connection: &Connection,
        mut stop: watch::Receiver<bool>,
        end: watch::Sender<bool>,
    ) -> Infallible {
        let longest = self.limits.duration.unwrap_or(FOREVER).min(FOREVER);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.is_used_up.notified() => {}
            () = tokio::time::sleep(longest) => connection.drain(),
        }
        // The connection may have ended already.
        let _ = end.send(true);
        std::future::pending().await
    }
}
