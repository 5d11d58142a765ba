//! The retry settings of a rule.

use http::StatusCode;
use std::fmt;
use std::time::Duration;

/// When a request of a rule is retried (API: `HTTPRouteRetry`, GEP-1731): if the response has one of these statuses; if an
/// endpoint can't be connected to or reports that it has not processed the request; and, if the method is idempotent, if
/// the endpoint closes the connection or takes too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleRetry {
    /// The response statuses that are retried.
    pub codes: Box<[StatusCode]>,
    /// The maximum number of retries. 0 disables all retries.
    pub attempts: usize,
    /// The pause before the first retry.
    pub backoff: Duration,
}

/// Upper bound of the factor by which a pause grows.
const LARGEST_FACTOR: u32 = 8;

impl RuleRetry {
    /// Returns the pause before a retry, numbered from 0. It doubles each time, up to eight times the backoff.
    pub fn pause(&self, number: usize) -> Duration {
        let factor = 1u32.checked_shl(u32::try_from(number).unwrap_or(u32::MAX));
        let factor = factor.unwrap_or(LARGEST_FACTOR).min(LARGEST_FACTOR);
        self.backoff.saturating_mul(factor)
    }
}

impl fmt::Display for RuleRetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " retry [{} times", self.attempts)?;
        if !self.codes.is_empty() {
            f.write_str(", at")?;
            let mut codes = self.codes.iter();
            codes.try_for_each(|code| write!(f, " {}", code.as_u16()))?;
        }
        write!(f, ", after {:?}]", self.backoff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_never_shorter_than_backoff() {
        let retry = RuleRetry {
            codes: Box::default(),
            attempts: 9,
            backoff: Duration::from_millis(10),
        };
        let pauses = [0, 1, 2, 3, 4, 31, 32, usize::MAX].map(|it| retry.pause(it).as_millis());
        assert_eq!(pauses, [10, 20, 40, 80, 80, 80, 80, 80]);
    }
}
