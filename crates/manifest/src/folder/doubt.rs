//! Files that differ from what is known of them, when nobody says whether their writers are done.

use super::scan::Fingerprint;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long nothing must have happened to a file for it to seem complete, where nothing else tells.
const STEADY: Duration = Duration::from_millis(100);
/// Somebody who goes on and on is waited for only so long.
const AT_MOST: Duration = Duration::from_secs(2);

/// What differs, since when, and since when it is as it is. Only our own clock is asked: a file's times may be those of
/// another machine.
#[derive(Debug, Default)]
pub(super) struct Doubts(HashMap<PathBuf, Doubt>);

#[derive(Debug)]
struct Doubt {
    /// What was there when it was looked at; nothing for a file that is gone.
    found: Option<Fingerprint>,
    since: Instant,
    first: Instant,
}

impl Doubt {
    fn due(&self) -> Instant {
        // Nearly every writer begins by making the file empty, and may be held up right then; hardly anybody ends so.
        if self.found.is_some_and(|found| found.is_empty()) {
            return (self.since + AT_MOST).min(self.first + 2 * AT_MOST);
        }
        (self.since + STEADY).min(self.first + AT_MOST)
    }
}

impl Doubts {
    /// Notes that a file differs, and by what; says whether it has been left alone, or waited for, long enough.
    pub(super) fn is_settled(
        &mut self,
        path: &Path,
        found: Option<Fingerprint>,
        now: Instant,
    ) -> bool {
        let Some(doubt) = self.0.get_mut(path) else {
            let doubt = Doubt {
                found,
                since: now,
                first: now,
            };
            self.0.insert(path.to_owned(), doubt);
            return false;
        };
        if doubt.found != found {
            (doubt.found, doubt.since) = (found, now);
        }
        doubt.due() <= now
    }

    /// There is no doubt about a file any more.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }

    /// There is none about any other files.
    pub(super) fn retain(&mut self, paths: &BTreeSet<PathBuf>) {
        self.0.retain(|path, _| paths.contains(path));
    }

    /// The files in doubt.
    pub(super) fn paths(&self) -> BTreeSet<PathBuf> {
        self.0.keys().cloned().collect()
    }

    /// When to look at one again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.values().map(Doubt::due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two fingerprints that differ.
    fn fingerprints() -> [Option<Fingerprint>; 2] {
        let folder = tempfile::tempdir().expect("a folder");
        ["a", "b"].map(|name| {
            let path = folder.path().join(name);
            std::fs::write(&path, name).expect("written");
            Some(super::super::scan::fingerprint(&path).expect("it is there"))
        })
    }

    #[test]
    fn a_file_that_has_become_empty_is_waited_for_longer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.yaml");
        std::fs::write(&path, "").expect("written");
        let empty = super::super::scan::fingerprint(&path);
        let (mut doubts, start) = (Doubts::default(), Instant::now());
        assert!(!doubts.is_settled(&path, empty, start));
        assert!(!doubts.is_settled(&path, empty, start + STEADY * 2));
        assert!(doubts.is_settled(&path, empty, start + AT_MOST));
    }

    #[test]
    fn a_file_is_settled_when_it_is_as_it_was_or_was_waited_for_long_enough() {
        let (mut doubts, start) = (Doubts::default(), Instant::now());
        let ([one, other], a) = (fingerprints(), Path::new("a.yaml"));
        assert!(!doubts.is_settled(a, one, start), "it may be half-written");
        assert!(!doubts.is_settled(a, other, start + STEADY), "it goes on");
        assert_eq!(doubts.due(), Some(start + STEADY + STEADY));
        assert!(
            !doubts.is_settled(a, None, start + STEADY * 2),
            "it is away"
        );
        assert!(
            doubts.is_settled(a, None, start + STEADY * 3),
            "and stays so"
        );

        let mut now = start;
        doubts.forget(a);
        while !doubts.is_settled(a, if now == start { one } else { other }, now) {
            let other_file = doubts.is_settled(Path::new("b.yaml"), one, now);
            assert_eq!(other_file, now >= start + STEADY, "b goes its own way");
            doubts.is_settled(a, one, now);
            now += STEADY / 2;
        }
        assert_eq!(now, start + AT_MOST, "nobody is waited for for ever");
    }
}
