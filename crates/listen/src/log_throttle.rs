//! Keeps repeated log lines rare.

use std::time::{Duration, Instant};

/// A repeated event is logged at most once in this time.
const QUIET: Duration = Duration::from_secs(30);

/// Limits how often a lasting or repeated event is logged.
#[derive(Debug, Default)]
pub struct LogThrottle {
    last: Option<Instant>,
}

impl LogThrottle {
    /// Whether to log the event now: the first time, and then at most every 30 seconds.
    pub fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= QUIET);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}
