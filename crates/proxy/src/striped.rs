//! A counter for many threads.

use prometheus_client::metrics::counter::Atomic;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number of threads that count without contention. Further threads share.
const STRIPES: usize = 16;

thread_local! {
    static STRIPE: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES
    };
}

/// A number that many threads increment and few read. Each thread increments its own cache line.
#[derive(Debug, Default)]
pub(crate) struct Striped {
    stripes: [Stripe; STRIPES],
}

/// Processors prefetch pairs of 64-byte lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Atomic<u64> for Striped {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    /// Returns the previous value of this thread's stripe, since the sum requires reading all of them.
    fn inc_by(&self, by: u64) -> u64 {
        let stripe = STRIPE.with(|stripe| self.stripes.get(*stripe));
        stripe.map_or(0, |Stripe(number)| number.fetch_add(by, Ordering::Relaxed))
    }

    fn get(&self) -> u64 {
        let stripes = self.stripes.iter();
        stripes
            .map(|Stripe(number)| number.load(Ordering::Relaxed))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_with_more_threads_than_stripes() {
        let number = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..STRIPES * 2 {
                scope.spawn(|| (0..1_000).for_each(|_| _ = number.inc()));
            }
        });
        assert_eq!(number.get(), STRIPES as u64 * 2_000);
    }
}
