//! Spare file descriptors, so that the admin API answers even if the process has used up its limit.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// The number of spare descriptors, and so of connections that the admin API can accept at the limit.
const SPARE: usize = 8;

/// Open file descriptors that are closed when the admin API needs one.
#[derive(Debug, Default)]
pub(super) struct SpareDescriptors(Mutex<Vec<OwnedFd>>);

impl SpareDescriptors {
    /// Opens as many descriptors as possible.
    pub(super) fn new() -> Self {
        let spare = SpareDescriptors::default();
        spare.refill();
        spare
    }

    /// Closes a descriptor. Returns false if there is none.
    pub(super) fn release_one(&self) -> bool {
        self.descriptors().pop().is_some()
    }

    /// Reopens as many of the closed descriptors as possible.
    pub(super) fn refill(&self) {
        let mut descriptors = self.descriptors();
        while descriptors.len() < SPARE {
            match io::stderr().as_fd().try_clone_to_owned() {
                Ok(descriptor) => descriptors.push(descriptor),
                Err(_) => return,
            }
        }
    }

    fn descriptors(&self) -> std::sync::MutexGuard<'_, Vec<OwnedFd>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reopens_the_descriptors_that_it_released() {
        let spare = SpareDescriptors::new();
        for _ in 0..SPARE {
            assert!(spare.release_one());
        }
        assert!(!spare.release_one(), "all are released");
        spare.refill();
        assert!(spare.release_one());
    }
}
