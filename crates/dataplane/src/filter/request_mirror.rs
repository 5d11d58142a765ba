//! The filter that sends a copy of a request to another backend, whose answer nobody waits for.

use crate::backend::Target;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// `RequestMirror`.
#[derive(Debug)]
pub struct RequestMirror {
    /// `namespace/service:port`, for logs.
    pub name: Arc<str>,
    /// Where the copies go. "Mirrored requests must be sent only to a single destination endpoint within this
    /// BackendRef, irrespective of how many endpoints are present" (`HTTPRequestMirrorFilter.backendRef`).
    pub target: Target,
    /// How many requests are copied.
    pub share: Share,
}

/// A share of requests, spread evenly: of any run of them about as many as the fraction says are taken, in an order
/// that falls in step with no other one, such as that of a backend's endpoints.
#[derive(Debug)]
pub struct Share {
    numerator: u32,
    denominator: u32,
    next: AtomicU64,
}

impl Share {
    /// `numerator` of `denominator` requests; all of them when the denominator is smaller. `served` is how many
    /// requests have been looked at before.
    pub fn new(numerator: u32, denominator: u32, served: u64) -> Self {
        Share {
            numerator,
            denominator,
            next: AtomicU64::new(served),
        }
    }

    /// Whether the next request is taken.
    pub fn takes_next(&self) -> bool {
        if self.numerator >= self.denominator {
            return true;
        }
        // Multiples of the golden section of the ring of 64-bit numbers: any run of them lies evenly on it.
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let place = u128::from(count.wrapping_mul(GOLDEN));
        (place * u128::from(self.denominator)) >> 64 < u128::from(self.numerator)
    }

    /// How many requests were looked at.
    pub fn served(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

impl fmt::Display for RequestMirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Share {
            numerator,
            denominator,
            ..
        } = self.share;
        write!(f, " mirror [")?;
        if numerator < denominator {
            write!(f, "{numerator} of {denominator} ")?;
        }
        write!(f, "to {} {}]", self.name, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(share: &Share, requests: usize) -> usize {
        (0..requests).filter(|_| share.takes_next()).count()
    }

    #[test]
    fn any_run_of_requests_has_its_share() {
        for (numerator, denominator) in [(1, 5), (25, 50), (35, 100), (1, 100), (1, 3), (2, 3)] {
            let share = Share::new(numerator, denominator, 0);
            for run in 0..20 {
                let expected = 500.0 * f64::from(numerator) / f64::from(denominator);
                let got = taken(&share, 500) as f64;
                let which = format!("{numerator}/{denominator}, run {run}: {got}");
                assert!((got - expected).abs() <= 3.0, "{which}");
            }
        }
    }

    #[test]
    fn nothing_and_everything_are_exact() {
        assert_eq!(taken(&Share::new(0, 100, 0), 1_000), 0);
        assert_eq!(taken(&Share::new(100, 100, 0), 1_000), 1_000);
    }

    #[test]
    fn a_share_is_in_step_with_no_other_order() {
        let share = Share::new(50, 100, 0);
        let takes: Vec<bool> = (0..1_000).map(|_| share.takes_next()).collect();
        for of in 2..=5 {
            let every = takes.iter().step_by(of);
            let (all, taken) = (every.len(), every.filter(|it| **it).count());
            assert!(
                taken * 5 > all * 2 && taken * 5 < all * 3,
                "{taken} of {all}"
            );
        }
    }

    #[test]
    fn a_replaced_share_is_carried_on() {
        let whole = Share::new(1, 10, 0);
        let expected = taken(&whole, 200);
        let first = Share::new(1, 10, 0);
        let before = taken(&first, 77);
        let second = Share::new(1, 10, first.served());
        assert_eq!(before + taken(&second, 123), expected);
    }
}
