use std::fmt;
use std::time::{Duration, Instant};

/// How long the requests of a rule may take (API: `HTTPRouteTimeouts`, GEP-1742).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleTimeouts {
    /// For a request as a whole, all tries together: from its header to the last byte of its response.
    pub request: Limit,
    /// For one try at an endpoint, from the beginning of its connection on.
    pub backend_request: Limit,
}

/// A time limit, as a manifest gives it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// It says nothing.
    #[default]
    Unset,
    /// It says zero: "setting a timeout to the zero duration SHOULD disable the timeout completely".
    Off,
    /// It is this long, and not zero.
    After(Duration),
}

impl Limit {
    /// From a duration, of which zero stands for no limit.
    pub fn new(duration: Option<Duration>) -> Self {
        match duration {
            None => Limit::Unset,
            Some(Duration::ZERO) => Limit::Off,
            Some(duration) => Limit::After(duration),
        }
    }

    /// When something that begins `now` must have ended; nothing for no limit.
    pub fn deadline(self, now: Instant) -> Option<Instant> {
        match self {
            Limit::Unset | Limit::Off => None,
            // A limit beyond the clock's end is none.
            Limit::After(duration) => now.checked_add(duration),
        }
    }
}

impl RuleTimeouts {
    /// Whether the manifest says nothing at all.
    pub fn is_unset(&self) -> bool {
        *self == RuleTimeouts::default()
    }
}

/// `timeouts` in brackets, nothing when the manifest says nothing.
impl fmt::Display for RuleTimeouts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = [
            ("request", self.request),
            ("backend request", self.backend_request),
        ];
        for (name, limit) in limits {
            match limit {
                Limit::Unset => {}
                Limit::Off => write!(f, " timeout [{name}: none]")?,
                Limit::After(duration) => write!(f, " timeout [{name}: {duration:?}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_limit_and_one_beyond_the_clock_neither() {
        let now = Instant::now();
        assert_eq!(Limit::new(None), Limit::Unset);
        assert_eq!(Limit::new(Some(Duration::ZERO)), Limit::Off);
        assert_eq!(Limit::Off.deadline(now), None);
        assert_eq!(Limit::After(Duration::MAX).deadline(now), None);
        let second = Duration::from_secs(1);
        assert_eq!(Limit::new(Some(second)).deadline(now), Some(now + second));
    }
}
