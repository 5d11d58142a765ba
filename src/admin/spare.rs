use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// How many connections the admin API can accept when the process has no file descriptors left.
const KEPT: usize = 8;

/// File descriptors that are of no use but to be given up when the admin API needs one.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Vec<OwnedFd>>);

impl Spare {
    /// As many as can be had.
    pub(super) fn new() -> Self {
        let spare = Spare::default();
        spare.refill();
        spare
    }

    /// Gives one up; false when there was none.
    pub(super) fn give_up_one(&self) -> bool {
        self.kept().pop().is_some()
    }

    /// Takes back what was given up, as far as it can be had.
    pub(super) fn refill(&self) {
        let mut kept = self.kept();
        while kept.len() < KEPT {
            match io::stderr().as_fd().try_clone_to_owned() {
                Ok(descriptor) => kept.push(descriptor),
                Err(_) => return,
            }
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<OwnedFd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_taken_back() {
        let spare = Spare::new();
        for _ in 0..KEPT {
            assert!(spare.give_up_one());
        }
        assert!(!spare.give_up_one());
        spare.refill();
        assert!(spare.give_up_one());
    }
}
