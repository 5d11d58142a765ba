//! Rate-limited warnings about backends.

use gatefold_listen::log_throttle::LogThrottle;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of remembered warnings. Beyond that, all are forgotten together.
const MOST: usize = 4096;

/// A kind of problem with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BackendProblem {
    /// An endpoint can't be connected to.
    Connecting,
    /// A request failed.
    Failing,
    /// It is an authorization server, and gave no answer.
    Authorizing,
}

/// Rate-limits warnings about backends. A dead backend fails every request, some of them several times. Each kind of problem is
/// logged now and then, with the number of suppressed warnings.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    given: Mutex<HashMap<(Arc<str>, BackendProblem), SuppressedWarnings>>,
}

#[derive(Debug, Default)]
struct SuppressedWarnings {
    notice: LogThrottle,
    left_out: u64,
}

impl Warnings {
    /// Whether to log a problem. If so, returns how many times it was suppressed since the last time.
    pub(crate) fn are_due(&self, backend: &Arc<str>, problem: BackendProblem) -> Option<u64> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (backend.clone(), problem);
        if given.len() >= MOST && !given.contains_key(&key) {
            given.clear();
        }
        let given = given.entry(key).or_default();
        if given.notice.is_due() {
            return Some(std::mem::take(&mut given.left_out));
        }
        given.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_a_dead_backend_occasionally_and_counts_the_rest() {
        let warnings = Warnings::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(warnings.are_due(&a, BackendProblem::Connecting), Some(0));
        for _ in 0..1_000 {
            assert_eq!(warnings.are_due(&a, BackendProblem::Connecting), None);
        }
        assert_eq!(
            warnings.are_due(&a, BackendProblem::Failing),
            Some(0),
            "another"
        );
        assert_eq!(warnings.are_due(&b, BackendProblem::Connecting), Some(0));
        let given = warnings.given.lock().expect("no panic");
        assert_eq!(given[&(a, BackendProblem::Connecting)].left_out, 1_000);
    }

    #[test]
    fn number_of_remembered_backends_is_bounded() {
        let warnings = Warnings::default();
        for number in 0..2 * MOST {
            let backend: Arc<str> = number.to_string().into();
            assert!(
                warnings
                    .are_due(&backend, BackendProblem::Failing)
                    .is_some()
            );
        }
        assert!(warnings.given.lock().expect("no panic").len() <= MOST);
    }
}
