//! When to retry setting watches that failed or were lost.

use super::RESCAN;
use std::time::{Duration, Instant};
use tracing::warn;

/// The first pause and the longest pause before a retry.
const PAUSE: (Duration, Duration) = (RESCAN, Duration::from_secs(60));

/// The time of the next retry, and the pause before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchRetry {
    pub(super) at: Instant,
    pub(super) pause: Duration,
}

impl WatchRetry {
    /// The retry after one with the pause `before`. `None` if there was none.
    pub(super) fn after(before: Option<Duration>, now: Instant) -> Self {
        let pause = before.map_or(PAUSE.0, |before| (before * 2).min(PAUSE.1));
        WatchRetry {
            at: now + pause,
            pause,
        }
    }
}

/// Limits how often watches are set again because the system's queue of events overflowed. Setting the watches of very
/// many folders causes events itself, which may overflow the queue again.
#[derive(Debug, Default)]
pub(super) struct Overflows(Option<WatchRetry>);

impl Overflows {
    /// Records an overflow. Returns when to set the watches again: now, unless that was done shortly before.
    pub(super) fn record(&mut self, now: Instant) -> Instant {
        if let Some(last) = self.0.filter(|last| now < last.at) {
            return last.at;
        }
        let before = self.0.filter(|last| now < last.at + last.pause);
        if before.is_some_and(|last| last.pause < PAUSE.1) {
            let seconds = RESCAN.as_secs();
            warn!(
                "events about changes are lost repeatedly: these changes are noticed by a scan every {seconds} s; \
                 raise the sysctl fs.inotify.max_queued_events"
            );
        }
        self.0 = Some(WatchRetry::after(before.map(|last| last.pause), now));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_with_growing_pauses() {
        let now = Instant::now();
        let mut retry = WatchRetry::after(None, now);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pauses.push((retry.at - now).as_secs());
            retry = WatchRetry::after(Some(retry.pause), now);
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn sets_watches_rarely_when_doing_so_overflows_the_queue() {
        let (mut overflows, start) = (Overflows::default(), Instant::now());
        let second = Duration::from_secs(1);
        let (mut now, mut rounds) = (start, 0);
        // Each round takes a second and ends in an overflow.
        while now < start + 600 * second {
            now = overflows.record(now) + second;
            rounds += 1;
        }
        assert!((10..40).contains(&rounds), "{rounds} in ten minutes");
        let later = now + 300 * second;
        assert_eq!(
            overflows.record(later),
            later,
            "the last overflow was long ago"
        );
        assert_eq!(overflows.record(later + second), later + 2 * second);
    }
}
