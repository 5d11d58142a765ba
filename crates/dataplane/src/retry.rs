use http::StatusCode;
use std::fmt;
use std::time::Duration;

/// When a request of a rule is tried again (API: `HTTPRouteRetry`, GEP-1731): at these statuses; when an endpoint can't be
/// connected to or says that it hasn't processed the request; and, if the method is idempotent, when the endpoint
/// breaks off or takes too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The statuses of a backend's response that are worth another try.
    pub codes: Box<[StatusCode]>,
    /// How often it is tried again at most; 0 for never, whatever happens.
    pub attempts: usize,
    /// How long to wait before the first retry.
    pub backoff: Duration,
}

/// By how much a pause may grow.
const LARGEST_FACTOR: u32 = 8;

impl Retry {
    /// How long to wait before the retry of this number, from 0: twice as long each time, up to eight times.
    pub fn pause(&self, number: usize) -> Duration {
        let factor = 1u32.checked_shl(u32::try_from(number).unwrap_or(u32::MAX));
        let factor = factor.unwrap_or(LARGEST_FACTOR).min(LARGEST_FACTOR);
        self.backoff.saturating_mul(factor)
    }
}

impl fmt::Display for Retry {
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
    fn pauses_grow_and_are_never_shorter_than_the_backoff() {
        let retry = Retry {
            codes: Box::default(),
            attempts: 9,
            backoff: Duration::from_millis(10),
        };
        let pauses = [0, 1, 2, 3, 4, 31, 32, usize::MAX].map(|it| retry.pause(it).as_millis());
        assert_eq!(pauses, [10, 20, 40, 80, 80, 80, 80, 80]);
    }
}
