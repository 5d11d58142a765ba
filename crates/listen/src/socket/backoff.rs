use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// When what failed is tried again: after one second, then twice as long each time, at most a minute.
///
/// It is a point in time: whoever waits for it may be called away meanwhile, as a reload is by every look at
/// the files.
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
    /// The time left.
    pub(crate) fn delay(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// It was tried and failed again.
    pub(crate) fn failed(&mut self) {
        self.pause = (self.pause * 2).min(LAST);
        self.due = Instant::now() + self.pause;
    }

    /// Something else is tried: begin anew.
    pub(crate) fn reset(&mut self) {
        *self = Backoff::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_minute() {
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
    fn a_wait_that_was_broken_off_goes_on_where_it_was() {
        let backoff = Backoff {
            pause: LAST,
            due: Instant::now(),
        };
        assert_eq!(backoff.delay(), Duration::ZERO, "it is due");
    }
}
