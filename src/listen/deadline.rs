use std::sync::atomic::{AtomicU32, Ordering};
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
            drain: Duration::from_secs(30),
        }
    }
}

impl Deadlines {
    /// How often connections are looked at. The drain time has no part in it: a short one, which is a user's to
    /// choose, must not cost a look every few milliseconds all the time before.
    pub(super) fn tick(&self) -> Duration {
        let all = [
            self.first_byte,
            self.header,
            self.idle,
            self.http2_idle,
            self.write,
        ];
        let shortest = all.into_iter().min().unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(5), Duration::from_millis(500))
    }
}

/// A moment, counted in ticks since the start.
pub(super) type Tick = u32;

/// A clock that is cheap to read: somebody advances it, never sooner than a tick after the last time.
#[derive(Debug)]
pub(super) struct Clock {
    tick: Duration,
    now: AtomicU32,
}

impl Clock {
    pub(super) fn new(tick: Duration) -> Self {
        Clock {
            tick,
            now: AtomicU32::new(0),
        }
    }

    /// The length of a tick, at least.
    pub(super) fn tick(&self) -> Duration {
        self.tick
    }

    /// How often it was advanced. Half seconds last for 68 years.
    pub(super) fn now(&self) -> Tick {
        self.now.load(Ordering::Relaxed)
    }

    /// A tick has passed.
    pub(super) fn advance(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether `deadline` has certainly passed since a tick: what happened in it may have happened at its end.
    pub(super) fn has_passed(&self, deadline: Duration, since: Tick) -> bool {
        let certain = self.now().saturating_sub(since).saturating_sub(1);
        self.tick.saturating_mul(certain) >= deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_passed_only_when_its_whole_time_has() {
        let clock = Clock::new(Duration::from_millis(500));
        clock.now.store(107, Ordering::Relaxed);
        let second = Duration::from_secs(1);
        assert!(
            !clock.has_passed(second, 105),
            "the tick may have ended just then"
        );
        assert!(clock.has_passed(second, 104));
        assert!(
            !clock.has_passed(second, 108),
            "set by a thread that was ahead"
        );
    }

    #[test]
    fn connections_are_looked_at_twice_a_second_by_default() {
        assert_eq!(Deadlines::default().tick(), Duration::from_millis(500));
        let hasty = Deadlines {
            header: Duration::from_millis(80),
            ..Deadlines::default()
        };
        assert_eq!(hasty.tick(), Duration::from_millis(10));
        let impatient = Deadlines {
            drain: Duration::ZERO,
            ..Deadlines::default()
        };
        assert_eq!(impatient.tick(), Duration::from_millis(500));
    }
}
