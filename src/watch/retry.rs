//! When watches are set anew that failed or were lost.

use super::RESCAN;
use std::time::{Duration, Instant};
use tracing::warn;

/// How long to wait, at first and at last.
const PAUSE: (Duration, Duration) = (RESCAN, Duration::from_secs(60));

/// The next try, and how long it was waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    pub(super) at: Instant,
    pub(super) pause: Duration,
}

impl Retry {
    pub(super) fn after(before: Option<Duration>, now: Instant) -> Self {
        let pause = before.map_or(PAUSE.0, |before| (before * 2).min(PAUSE.1));
        Retry {
            at: now + pause,
            pause,
        }
    }
}

/// How often the system's queue of events ran over. To set the watches of very many folders makes events itself, of which the
/// queue may run over again.
#[derive(Debug, Default)]
pub(super) struct Overruns(Option<Retry>);

impl Overruns {
    /// It ran over now: gives when to set the watches anew. At once, unless that was done just before.
    pub(super) fn note(&mut self, now: Instant) -> Instant {
        if let Some(last) = self.0.filter(|last| now < last.at) {
            return last.at;
        }
        let before = self.0.filter(|last| now < last.at + last.pause);
        if before.is_some_and(|last| last.pause < PAUSE.1) {
            let seconds = RESCAN.as_secs();
            warn!(
                "events of changes are lost again and again: what they told of is noticed by looking every {seconds} s; \
                 raise the sysctl fs.inotify.max_queued_events"
            );
        }
        self.0 = Some(Retry::after(before.map(|last| last.pause), now));
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_runs_over_when_watches_are_set_is_no_endless_round() {
        let (mut overruns, start) = (Overruns::default(), Instant::now());
        let second = Duration::from_secs(1);
        let (mut now, mut rounds) = (start, 0);
        // Each round takes a second, and ends in an overrun.
        while now < start + 600 * second {
            now = overruns.note(now) + second;
            rounds += 1;
        }
        assert!((10..40).contains(&rounds), "{rounds} in ten minutes");
        let later = now + 300 * second;
        assert_eq!(overruns.note(later), later, "that was long ago");
        assert_eq!(overruns.note(later + second), later + 2 * second);
    }
}
