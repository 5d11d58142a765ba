//! A clock that is cheap to read, for deadlines that are many, seldom pass, and may pass a little late.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A moment, counted in ticks since the start. Half seconds last for 68 years.
pub type Tick = u32;

/// Counts ticks: somebody advances it, never sooner than a tick after the last time.
#[derive(Debug)]
pub struct Clock {
    tick: Duration,
    now: AtomicU32,
}

impl Clock {
    /// For deadlines of which this is the shortest: a tick is an eighth of it, between 5 and 500 milliseconds.
    pub fn for_shortest(deadline: Duration) -> Self {
        let tick = (deadline / 8).clamp(Duration::from_millis(5), Duration::from_millis(500));
        Clock {
            tick,
            now: AtomicU32::new(0),
        }
    }

    /// The length of a tick, at least.
    pub fn tick(&self) -> Duration {
        self.tick
    }

    /// How often it was advanced.
    pub fn now(&self) -> Tick {
        self.now.load(Ordering::Relaxed)
    }

    /// A tick has passed.
    pub fn advance(&self) {
        self.now.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether `deadline` has certainly passed since a tick: what happened in it may have happened at its end.
    pub fn has_passed(&self, deadline: Duration, since: Tick) -> bool {
        let certain = self.now().saturating_sub(since).saturating_sub(1);
        self.tick.saturating_mul(certain) >= deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_passed_only_when_its_whole_time_has() {
        let clock = Clock::for_shortest(Duration::from_secs(10));
        assert_eq!(clock.tick(), Duration::from_millis(500));
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
    fn a_tick_is_short_beside_the_deadline_but_never_a_spin() {
        let tick = |deadline| Clock::for_shortest(Duration::from_millis(deadline)).tick();
        assert_eq!(tick(80), Duration::from_millis(10));
        assert_eq!(tick(0), Duration::from_millis(5));
    }
}
