//! A clock that is cheap to read, for many deadlines that rarely pass and may be detected a little late.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A point in time, in ticks since the clock was created. With ticks of half a second it overflows after 68 years.
pub type Tick = u32;

/// Counts ticks. Its owner advances it, and waits at least one tick length between two calls.
#[derive(Debug)]
pub struct Clock {
    tick: Duration,
    now: AtomicU32,
}

impl Clock {
    /// Creates a clock that can measure `deadline` and longer ones. A tick is an eighth of `deadline`, limited to
    /// 5 to 500 milliseconds.
    pub fn for_shortest(deadline: Duration) -> Self {
        let tick = (deadline / 8).clamp(Duration::from_millis(5), Duration::from_millis(500));
        Clock {
            tick,
            now: AtomicU32::new(0),
        }
    }

    /// The minimum length of a tick.
    pub fn tick(&self) -> Duration {
        self.tick
    }

    /// The number of ticks so far.
    pub fn now(&self) -> Tick {
        self.now.load(Ordering::Relaxed)
    }

    /// Adds a tick.
    pub fn advance(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether `deadline` has certainly passed since an event in tick `since`. The event may have happened at the
    /// end of that tick.
    pub fn has_passed(&self, deadline: Duration, since: Tick) -> bool {
        let certain = self.now().saturating_sub(since).saturating_sub(1);
        self.tick.saturating_mul(certain) >= deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_deadline_only_after_its_full_duration() {
        let clock = Clock::for_shortest(Duration::from_secs(10));
        assert_eq!(clock.tick(), Duration::from_millis(500));
        clock.now.store(107, Ordering::Relaxed);
        let second = Duration::from_secs(1);
        assert!(
            !clock.has_passed(second, 105),
            "the event may have happened at the end of its tick"
        );
        assert!(clock.has_passed(second, 104));
        assert!(
            !clock.has_passed(second, 108),
            "another thread has seen a later tick"
        );
    }

    #[test]
    fn tick_is_a_fraction_of_the_deadline_with_a_lower_bound() {
        let tick = |deadline| Clock::for_shortest(Duration::from_millis(deadline)).tick();
        assert_eq!(tick(80), Duration::from_millis(10));
        assert_eq!(tick(0), Duration::from_millis(5));
    }
}
