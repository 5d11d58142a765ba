//! A periodic pass over many objects, instead of a timer for each of them.

use crate::clock::Clock;
use std::ops::ControlFlow;
use std::sync::Weak;

/// State that a periodic pass visits.
pub trait Sweep: Send + Sync + 'static {
    /// The clock that advances before each pass. Its tick is the period.
    fn clock(&self) -> &Clock;

    /// One pass. Returns `Break` if no further one is needed.
    fn pass(&self) -> ControlFlow<()>;
}

/// Makes a pass over `state` at every tick of its clock, until a pass returns `Break` or the state is dropped.
pub async fn sweep(state: Weak<impl Sweep>) {
    let Some(tick) = state.upgrade().map(|state| state.clock().tick()) else {
        return;
    };
    loop {
        // Sleep after each pass: a tick is never shorter, so no deadline passes early.
        tokio::time::sleep(tick).await;
        let Some(state) = state.upgrade() else {
            return;
        };
        state.clock().advance();
        if state.pass().is_break() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// Makes three passes.
    struct Passes {
        clock: Clock,
        count: AtomicU32,
    }

    impl Sweep for Passes {
        fn clock(&self) -> &Clock {
            &self.clock
        }

        fn pass(&self) -> ControlFlow<()> {
            if self.count.fetch_add(1, Ordering::Relaxed) < 2 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        }
    }

    #[tokio::test]
    async fn every_pass_advances_the_clock_until_one_is_the_last() {
        let passes = Arc::new(Passes {
            clock: Clock::for_shortest(Duration::ZERO),
            count: AtomicU32::new(0),
        });
        sweep(Arc::downgrade(&passes)).await;
        assert_eq!(passes.count.load(Ordering::Relaxed), 3);
        assert_eq!(passes.clock.now(), 3);
    }

    #[tokio::test]
    async fn ends_when_the_state_is_dropped() {
        let passes = Passes {
            clock: Clock::for_shortest(Duration::ZERO),
            count: AtomicU32::new(0),
        };
        let state = Arc::downgrade(&Arc::new(passes));
        sweep(state).await;
    }
}
