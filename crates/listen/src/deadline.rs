use std::time::Duration;

/// How long clients may take for what they must do, and how long silent connections are kept.
///
/// Time is looked at now and then only (an eighth of the shortest but `drain`, half a second at most), so that no
/// request costs a timer: a connection never ends early, and it may end as much too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For the first byte of a new connection, after the TLS handshake if there is one.
    pub first_byte: Duration,
    /// For a whole request header, from its first byte. Over HTTP/2 for every frame that isn't data, and for a
    /// header with its continuations.
    pub header: Duration,
    /// For the next request of a kept HTTP/1.1 connection. nginx keeps it 75 seconds, Envoy an hour.
    pub idle: Duration,
    /// For the next request of an HTTP/2 connection.
    pub http2_idle: Duration,
    /// For a client to take anything of what is written to it. The same that `proxy` waits for each piece of a
    /// body; this is for what it doesn't wait for: headers, and all that HTTP/2 has in its buffers.
    pub write: Duration,
    /// For a response to a client that has ended its side, from the last byte that was sent to it. Such a client may be gone
    /// as well, which shows only when it is sent something: until then the work of a backend may be in vain. HAProxy waits
    /// as long as for the server, nginx and Envoy don't wait at all.
    pub half_closed: Duration,
    /// For requests, streams and upgraded connections that are under way when their socket is closed.
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
    /// What the clock has to be good for. The drain time has no part in it: a short one, which is a user's to
    /// choose, must not cost a look every few milliseconds all the time before.
    pub(super) fn shortest(&self) -> Duration {
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
    fn a_short_drain_time_makes_no_clock_run_faster() {
        let header = Duration::from_secs(10);
        assert_eq!(Deadlines::default().shortest(), header);
        let impatient = Deadlines {
            drain: Duration::ZERO,
            ..Deadlines::default()
        };
        assert_eq!(impatient.shortest(), header);
    }
}
