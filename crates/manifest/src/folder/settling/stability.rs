//! Tracks changed files for which no event has reported that the write is complete.

use crate::folder::fingerprint::Fingerprint;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A changed file counts as complete once it has been unchanged for this long.
const STABLE: Duration = Duration::from_millis(100);
/// Upper bound on the wait for a file that keeps changing.
const AT_MOST: Duration = Duration::from_secs(2);

/// The changed files, and since when each has its present content. Times are those of the local clock, because the times
/// of a file may come from another machine.
#[derive(Debug, Default)]
pub(super) struct UnstableFiles(HashMap<PathBuf, UnstableFile>);

#[derive(Debug)]
struct UnstableFile {
    /// The latest fingerprint. `None` if the file doesn't exist.
    found: Option<Fingerprint>,
    /// When this fingerprint was found first.
    since: Instant,
    /// When the file was first found to be changed.
    first: Instant,
}

impl UnstableFile {
    /// When the file counts as complete if it doesn't change again.
    fn due(&self) -> Instant {
        // Most programs begin a write by making the file empty, and may be delayed right then. Few leave it empty.
        if self.found.is_some_and(|found| found.is_empty()) {
            return (self.since + AT_MOST).min(self.first + 2 * AT_MOST);
        }
        (self.since + STABLE).min(self.first + AT_MOST)
    }
}

impl UnstableFiles {
    /// Records the present fingerprint of a changed file. Returns whether the file counts as complete.
    pub(super) fn is_settled(
        &mut self,
        path: &Path,
        found: Option<Fingerprint>,
        now: Instant,
    ) -> bool {
        let Some(file) = self.0.get_mut(path) else {
            let file = UnstableFile {
                found,
                since: now,
                first: now,
            };
            self.0.insert(path.to_owned(), file);
            return false;
        };
        if file.found != found {
            (file.found, file.since) = (found, now);
        }
        file.due() <= now
    }

    /// Stops tracking a file.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// Stops tracking all files but these.
    pub(super) fn retain(&mut self, paths: &BTreeSet<PathBuf>) {
        self.0.retain(|path, _| paths.contains(path));
    }

    /// The tracked files.
    pub(super) fn paths(&self) -> BTreeSet<PathBuf> {
        self.0.keys().cloned().collect()
    }

    /// When the first of the tracked files counts as complete.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.values().map(UnstableFile::due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_size(size: u64) -> Option<Fingerprint> {
        Some(Fingerprint::example(size, (1_000, 1)))
    }

    #[test]
    fn waits_longer_for_an_empty_file() {
        let (path, empty) = (Path::new("a.yaml"), of_size(0));
        let (mut files, start) = (UnstableFiles::default(), Instant::now());
        assert!(!files.is_settled(path, empty, start));
        assert!(!files.is_settled(path, empty, start + STABLE * 2));
        assert!(files.is_settled(path, empty, start + AT_MOST));
    }

    #[test]
    fn a_file_is_settled_when_it_stays_unchanged() {
        let (mut files, start) = (UnstableFiles::default(), Instant::now());
        let (one, other) = (of_size(1), of_size(2));
        let a = Path::new("a.yaml");
        assert!(!files.is_settled(a, one, start), "it has just changed");
        assert!(
            !files.is_settled(a, other, start + STABLE),
            "it changed again"
        );
        assert_eq!(files.due(), Some(start + STABLE + STABLE));
        assert!(
            !files.is_settled(a, None, start + STABLE * 2),
            "it was removed"
        );
        assert!(
            files.is_settled(a, None, start + STABLE * 3),
            "it stays away"
        );
    }

    #[test]
    fn a_file_that_keeps_changing_is_settled_after_the_upper_bound() {
        let (mut files, start) = (UnstableFiles::default(), Instant::now());
        let (one, other) = (of_size(1), of_size(2));
        let (a, b) = (Path::new("a.yaml"), Path::new("b.yaml"));
        let mut now = start;
        while !files.is_settled(a, if now == start { one } else { other }, now) {
            let b_is_settled = files.is_settled(b, one, now);
            assert_eq!(b_is_settled, now >= start + STABLE, "files are independent");
            files.is_settled(a, one, now);
            now += STABLE / 2;
        }
        assert_eq!(now, start + AT_MOST, "the wait is bounded");
    }
}
