//! The time limits of a rule.

use std::fmt;
use std::time::{Duration, Instant};

/// The time limits of a rule's requests (API: `HTTPRouteTimeouts`, GEP-1742).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleTimeouts {
    /// Limit for the whole request with all retries: from its header to the last byte of the response.
    pub request: TimeLimit,
    /// Limit for one attempt at an endpoint, including connecting.
    pub backend_request: TimeLimit,
}

/// A time limit in a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeLimit {
    /// The field is absent.
    #[default]
    Unset,
    /// The field is zero: "setting a timeout to the zero duration SHOULD disable the timeout completely".
    Off,
    /// The field has this value, which is not zero.
    After(Duration),
}

impl TimeLimit {
    /// Converts the value of a field. Zero means no limit.
    pub fn new(duration: Option<Duration>) -> Self {
        match duration {
            None => TimeLimit::Unset,
            Some(Duration::ZERO) => TimeLimit::Off,
            Some(duration) => TimeLimit::After(duration),
        }
    }

    /// Returns the end of a limit that starts at `now`. `None` if there is no limit.
    pub fn deadline(self, now: Instant) -> Option<Instant> {
        match self {
            TimeLimit::Unset | TimeLimit::Off => None,
            // A limit beyond the end of the clock is no limit.
            TimeLimit::After(duration) => now.checked_add(duration),
        }
    }
}

impl RuleTimeouts {
    /// Whether the manifest sets neither limit.
    pub fn is_unset(&self) -> bool {
        *self == RuleTimeouts::default()
    }
}

/// Each limit in brackets. Empty if the manifest sets none.
impl fmt::Display for RuleTimeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = [
            ("request", self.request),
            ("backend request", self.backend_request),
        ];
        for (name, limit) in limits {
            match limit {
                TimeLimit::Unset => {}
                TimeLimit::Off => write!(f, " timeout [{name}: none]")?,
                TimeLimit::After(duration) => write!(f, " timeout [{name}: {duration:?}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_overflow_mean_no_limit() {
        let now = Instant::now();
        assert_eq!(TimeLimit::new(None), TimeLimit::Unset);
        assert_eq!(TimeLimit::new(Some(Duration::ZERO)), TimeLimit::Off);
        assert_eq!(TimeLimit::Off.deadline(now), None);
        assert_eq!(TimeLimit::After(Duration::MAX).deadline(now), None);
        let second = Duration::from_secs(1);
        assert_eq!(
            TimeLimit::new(Some(second)).deadline(now),
            Some(now + second)
        );
    }
}
