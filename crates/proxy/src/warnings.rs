use gatefold_listen::log_throttle::LogThrottle;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many backends are remembered to have been warned of; more than that are forgotten together.
const MOST: usize = 4096;

/// What can be wrong with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Trouble {
    /// An endpoint can't be connected to.
    Connecting,
    /// A request failed.
    Failing,
}

/// Warnings of backends. One that is dead fails every request, some of them several times: each of its troubles is logged
/// now and then, with the number of times it wasn't.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    given: Mutex<HashMap<(Arc<str>, Trouble), Given>>,
}

#[derive(Debug, Default)]
struct Given {
    notice: LogThrottle,
    left_out: u64,
}

impl Warnings {
    /// Whether to log it; if so, how often it wasn't logged since the last time.
    pub(super) fn are_due(&self, backend: &Arc<str>, trouble: Trouble) -> Option<u64> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (backend.clone(), trouble);
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
    fn a_dead_backend_is_logged_once_in_a_while_and_the_rest_counted() {
        let warnings = Warnings::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(warnings.are_due(&a, Trouble::Connecting), Some(0));
        for _ in 0..1_000 {
            assert_eq!(warnings.are_due(&a, Trouble::Connecting), None);
        }
        assert_eq!(warnings.are_due(&a, Trouble::Failing), Some(0), "another");
        assert_eq!(warnings.are_due(&b, Trouble::Connecting), Some(0));
        let given = warnings.given.lock().expect("no panic");
        assert_eq!(given[&(a, Trouble::Connecting)].left_out, 1_000);
    }

    #[test]
    fn no_more_backends_are_remembered_than_may_be() {
        let warnings = Warnings::default();
        for number in 0..2 * MOST {
            let backend: Arc<str> = number.to_string().into();
            assert!(warnings.are_due(&backend, Trouble::Failing).is_some());
        }
        assert!(warnings.given.lock().expect("no panic").len() <= MOST);
    }
}
