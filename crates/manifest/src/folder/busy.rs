use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Files that somebody is writing, or about to put back, right now, as far as anybody knows: whoever watches says
/// so, and for the loader they are as they were. All copies are one list.
#[derive(Clone, Debug, Default)]
pub struct Busy(Arc<Mutex<HashSet<PathBuf>>>);

impl Busy {
    /// A file is half-written, or away for a moment, from now on.
    pub fn add(&self, path: PathBuf) {
        self.paths().insert(path);
    }

    /// It is complete.
    pub fn remove(&self, path: &Path) {
        self.paths().remove(path);
    }

    /// Whether it is half-written, or away for a moment.
    pub fn contains(&self, path: &Path) -> bool {
        self.paths().contains(path)
    }

    fn paths(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
