//! When binding is retried.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// The time of the next retry: after one second, then after twice the previous delay, up to a minute.
///
/// It is a point in time and not a timer, so a wait for it can be interrupted and resumed, as every scan of the files
/// does.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
    due: Instant,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            pause: FIRST,
            due: Instant::now() + FIRST,
        }
    }
}

impl Backoff {
    /// The time until the next retry.
    pub(crate) fn delay(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Records that a retry has failed.
    pub(crate) fn failed(&mut self) {
        self.pause = (self.pause * 2).min(LAST);
        self.due = Instant::now() + self.pause;
    }

    /// Starts over, since something new is tried.
    pub(crate) fn reset(&mut self) {
        *self = Backoff::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_doubles_up_to_a_minute() {
        let mut backoff = Backoff::default();
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(backoff.pause.as_secs());
            assert!(backoff.delay() <= backoff.pause);
            backoff.failed();
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn interrupted_wait_resumes_where_it_was() {
        let backoff = Backoff {
            pause: LAST,
            due: Instant::now(),
        };
        assert_eq!(backoff.delay(), Duration::ZERO, "the retry is due");
    }
}
