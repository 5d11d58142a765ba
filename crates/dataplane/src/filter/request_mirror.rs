//! The `RequestMirror` filter: sends a copy of a request to another backend and ignores the response.

use crate::backend::BackendTarget;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// `RequestMirror`.
#[derive(Debug)]
pub struct RequestMirror {
    /// `namespace/service:port`, for logs.
    pub name: Arc<str>,
    /// The destination of the copies. "Mirrored requests must be sent only to a single destination endpoint within this
    /// BackendRef, irrespective of how many endpoints are present" (`HTTPRequestMirrorFilter.backendRef`).
    pub target: BackendTarget,
    /// The share of requests to copy.
    pub share: Share,
}

/// A share of requests, spread evenly: any run of requests contains about as many of them as the fraction says, in an order
/// that is not in step with any other, such as the round-robin of a backend's endpoints.
#[derive(Debug)]
pub struct Share {
    numerator: u32,
    denominator: u32,
    next: AtomicU64,
}

impl Share {
    /// Creates a share of `numerator` of `denominator` requests. It contains all requests if the denominator is not greater.
    /// `served` is the number of requests that the replaced share has counted.
    pub fn new(numerator: u32, denominator: u32, served: u64) -> Self {
        Share {
            numerator,
            denominator,
            next: AtomicU64::new(served),
        }
    }

    /// Whether the share contains the next request.
    pub fn takes_next(&self) -> bool {
        if self.numerator >= self.denominator {
            return true;
        }
        // Multiples of the golden section of the ring of 64-bit numbers: any run of them is spread evenly.
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let place = u128::from(count.wrapping_mul(GOLDEN));
        (place * u128::from(self.denominator)) >> 64 < u128::from(self.numerator)
    }

    /// Returns the number of counted requests.
    pub fn served(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

/// `1 of 4`, or `all`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Share {
            numerator,
            denominator,
            ..
        } = self;
        if numerator < denominator {
            write!(f, "{numerator} of {denominator}")
        } else {
            f.write_str("all")
        }
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
            write!(f, "{} ", self.share)?;
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
    fn any_run_of_requests_contains_its_share() {
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
    fn zero_and_full_shares_are_exact() {
        assert_eq!(taken(&Share::new(0, 100, 0), 1_000), 0);
        assert_eq!(taken(&Share::new(100, 100, 0), 1_000), 1_000);
    }

    #[test]
    fn share_is_not_in_step_with_round_robin() {
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
    fn replaced_share_continues_its_order() {
        let whole = Share::new(1, 10, 0);
        let expected = taken(&whole, 200);
        let first = Share::new(1, 10, 0);
        let before = taken(&first, 77);
        let second = Share::new(1, 10, first.served());
        assert_eq!(before + taken(&second, 123), expected);
    }
}
