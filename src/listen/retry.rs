use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(60);

/// How long to wait before what failed is tried again: one second, then twice as long each time, at most a
/// minute.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: FIRST }
    }
}

impl Backoff {
    /// The time to wait now.
    pub(super) fn delay(&self) -> Duration {
        self.next
    }

    /// It was tried and failed again.
    pub(super) fn failed(&mut self) {
        self.next = (self.next * 2).min(LAST);
    }

    /// Something else is tried: begin anew.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
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
            delays.push(backoff.delay().as_secs());
            backoff.failed();
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}
