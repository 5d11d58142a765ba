//! Waiting for conditions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Time limit of each wait. It is generous, so that a loaded machine does not fail a test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Polls a condition until it returns a value. Fails the test after [`DEADLINE`].
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

/// Sets a flag when it is dropped. Ends a test's traffic even if an assertion fails; otherwise the test would hang.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
