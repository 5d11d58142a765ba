//! Waiting for what must happen.

use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Generous: a loaded machine must not fail a test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Polls a condition until it gives a value; fails the test when the deadline passes.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < end,
            "waited {DEADLINE:?} for this to become true: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
