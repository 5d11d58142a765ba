use prometheus_client::metrics::counter::Atomic;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How many threads count without meeting another one. More of them share.
const STRIPES: usize = 16;

thread_local! {
    static STRIPE: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % STRIPES
    };
}

/// A number that many threads add to and hardly anybody reads: each thread adds in a cache line of its own.
#[derive(Debug, Default)]
pub(super) struct Striped {
    stripes: [Stripe; STRIPES],
}

/// Processors fetch two lines of 64 bytes at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Atomic<u64> for Striped {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    /// Gives what this thread's stripe was before: the sum isn't known without reading all of them.
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
    fn threads_add_up_even_when_there_are_more_than_stripes() {
        let number = Striped::default();
        std::thread::scope(|scope| {
            for _ in 0..STRIPES * 2 {
                scope.spawn(|| (0..1_000).for_each(|_| _ = number.inc()));
            }
        });
        assert_eq!(number.get(), STRIPES as u64 * 2_000);
    }
}
