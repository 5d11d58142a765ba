//! The time limits of client connections.

use gatefold_dataplane::client_traffic::socket_settings::ClientLimits;
use std::time::Duration;

/// Time limits for clients, and how long idle connections are kept.
///
/// Deadlines are checked periodically, not by a timer for each request. The period is an eighth of the shortest of them
/// (`drain` excluded), half a second at most. So a connection never ends early, and ends late by one period, or a
/// few if its thread is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the first byte of a new connection, after the TLS handshake if there is one.
    pub first_byte: Duration,
    /// For a whole request header, from its first byte. Over HTTP/2: for every frame other than DATA, and for a
    /// HEADERS frame with its CONTINUATION frames.
    pub header: Duration,
    /// For the next request on an idle HTTP/1.1 connection. nginx waits 75 seconds, Envoy an hour.
    pub idle: Duration,
    /// For the next request on an HTTP/2 connection.
    pub http2_idle: Duration,
    /// For a client to read anything of the data that is pending for it. `proxy` waits for the same time for each
    /// piece of a body. This one covers headers and the data in HTTP/2 buffers, which `proxy` doesn't wait for.
    pub write: Duration,
    /// For a response to a client that has closed its side, counted from the last byte sent to it. Such a client may have left
    /// entirely, which is only detected by sending to it; until then the backend may work for nothing. HAProxy waits
    /// as long as for the server, nginx and Envoy don't wait at all.
    pub half_closed: Duration,
    /// For requests, streams and upgraded connections in flight when their socket is closed.
    pub drain: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines {
            handshake: Duration::from_secs(10),
            first_byte: Duration::from_secs(60),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            http2_idle: Duration::from_secs(300),
            write: Duration::from_secs(60),
            half_closed: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

impl Deadlines {
    /// Returns the deadlines of connections with limits of their own.
    pub(crate) fn limited(self, limits: &ClientLimits) -> Self {
        let ClientLimits {
            handshake,
            header,
            idle,
        } = limits;
        Deadlines {
            handshake: handshake.unwrap_or(self.handshake),
            header: header.unwrap_or(self.header),
            idle: idle.unwrap_or(self.idle),
            http2_idle: idle.unwrap_or(self.http2_idle),
            ..self
        }
    }

    /// The shortest deadline, which sets the period of the checks. `drain` is excluded: a short drain time, which users
    /// may choose, must not make the checks more frequent while nothing drains.
    pub(crate) fn shortest(&self) -> Duration {
        let all = [
            self.first_byte,
            self.header,
            self.idle,
            self.http2_idle,
            self.write,
            self.half_closed,
        ];
        all.into_iter().min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_drain_time_does_not_shorten_the_period_of_checks() {
        let header = Duration::from_secs(10);
        assert_eq!(Deadlines::default().shortest(), header);
        let short_drain = Deadlines {
            drain: Duration::ZERO,
            ..Deadlines::default()
        };
        assert_eq!(short_drain.shortest(), header);
    }
}
