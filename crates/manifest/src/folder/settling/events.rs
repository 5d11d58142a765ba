//! Waits for the end of changes that events report.

use crate::folder::change_hint::ChangeHint;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The wait after the first complete write. Most changes are a single file; this is the time for a second file to arrive.
const AFTER_FIRST: Duration = Duration::from_millis(1);
/// The wait after complete writes of several files, and for the rest of a move. It gives further files of the same change
/// time to arrive.
const AFTER_COMPLETE: Duration = Duration::from_millis(3);
/// The wait after any other event, which may be followed by more.
const AFTER_OTHER: Duration = Duration::from_millis(50);
/// Upper bound on the wait while events keep arriving.
const AT_MOST: Duration = Duration::from_millis(500);
/// Upper bound on the wait for a file that is being written.
const UNTIL_CLOSED: Duration = Duration::from_secs(2);

/// A change that the operating system reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEvent {
    /// A manifest was created or written to, and isn't closed yet.
    Opened(PathBuf),
    /// A manifest is complete: it was closed, or renamed to this name.
    Completed(PathBuf),
    /// Something else about a manifest changed, such as its permissions. A write may be in progress.
    Changed(PathBuf),
    /// A manifest was removed. Many editors put it back at once.
    Removed(PathBuf),
    /// A manifest got the name of another manifest, so nothing will be put back under this name.
    Renamed(PathBuf),
    /// Something was moved away, and it is unknown whether it was a file. The number identifies the move.
    MovedAway(usize),
    /// The move with this number stayed within the folders and moved a file, so no other file is affected.
    MovedWithin(usize),
    /// A change of folders or links is complete.
    FoldersCompleted,
    /// Folders have changed, or it is unknown what has changed. More events may follow.
    FoldersChanged,
}

/// The events since the last load.
#[derive(Debug, Default)]
pub(super) struct PendingEvents {
    /// Manifests that are complete.
    complete: BTreeSet<PathBuf>,
    complete_at: Option<EventSeries>,
    /// Manifests that were removed, and when. Most editors put them back, and the routes of a manifest must not be missing
    /// until then.
    removed: BTreeMap<PathBuf, Instant>,
    /// Manifests that are being written, and since when.
    open: BTreeMap<PathBuf, Instant>,
    /// What was moved away, by the number of the move.
    moved_away: BTreeMap<usize, Instant>,
    /// Changes of folders, links and anything else, with the time to wait after the last one.
    folders: Option<(EventSeries, Duration)>,
}

/// A series of events.
#[derive(Clone, Copy, Debug)]
struct EventSeries {
    first: Instant,
    last: Instant,
}

impl EventSeries {
    fn and(before: Option<EventSeries>, now: Instant) -> EventSeries {
        let first = before.map_or(now, |series| series.first);
        EventSeries { first, last: now }
    }

    /// When the series has ended if no event follows.
    fn due(self, quiet: Duration) -> Instant {
        (self.last + quiet).min(self.first + AT_MOST)
    }
}

impl PendingEvents {
    pub(super) fn record(&mut self, event: FileEvent, now: Instant) {
        match event {
            FileEvent::Opened(path) => {
                self.removed.remove(&path);
                self.open.entry(path).or_insert(now);
            }
            FileEvent::Completed(path) => {
                self.open.remove(&path);
                self.completed(path, now);
            }
            FileEvent::Changed(path) => {
                if !self.open.contains_key(&path) {
                    self.completed(path, now);
                }
            }
            FileEvent::Removed(path) => {
                self.open.remove(&path);
                self.complete.remove(&path);
                self.removed.insert(path, now);
            }
            FileEvent::Renamed(path) => {
                // Both names are loaded at once. In between, the objects would exist twice or not at all.
                self.open.remove(&path);
                self.completed(path, now);
            }
            FileEvent::MovedAway(number) => {
                self.moved_away.insert(number, now);
            }
            FileEvent::MovedWithin(number) => {
                self.moved_away.remove(&number);
            }
            FileEvent::FoldersCompleted => self.folders_changed(AFTER_COMPLETE, now),
            FileEvent::FoldersChanged => self.folders_changed(AFTER_OTHER, now),
        }
    }

    fn completed(&mut self, path: PathBuf, now: Instant) {
        self.removed.remove(&path);
        self.complete.insert(path);
        self.complete_at = Some(EventSeries::and(self.complete_at, now));
    }

    /// How long the complete files wait for others. A removed or moved file may get one of their names.
    fn wait_for_others(&self) -> Duration {
        let is_single = self.complete.len() == 1;
        if is_single && self.removed.is_empty() && self.moved_away.is_empty() {
            AFTER_FIRST
        } else {
            AFTER_COMPLETE
        }
    }

    fn folders_changed(&mut self, quiet: Duration, now: Instant) {
        let before = self.folders;
        let series = EventSeries::and(before.map(|(series, _)| series), now);
        let quiet = before.map_or(quiet, |(_, longest)| longest.max(quiet));
        self.folders = Some((series, quiet));
    }

    /// Whether a file is being written, or was removed a moment ago.
    pub(super) fn is_being_written(&self, path: &Path) -> bool {
        self.open.contains_key(path) || self.removed.contains_key(path)
    }

    /// When the first wait ends if no event follows.
    pub(super) fn due(&self) -> Option<Instant> {
        let wait = self.wait_for_others();
        let complete = self.complete_at.map(|series| series.due(wait));
        let removed = self.removed.values().map(|since| *since + AFTER_OTHER);
        let moved = self.moved_away.values();
        let moved = moved.map(|since| *since + AFTER_COMPLETE);
        let open = self.open.values().map(|since| *since + UNTIL_CLOSED);
        let folders = self.folders.map(|(series, quiet)| series.due(quiet));
        let all = complete.into_iter().chain(folders);
        all.chain(removed).chain(moved).chain(open).min()
    }

    /// Returns what to load because its wait has ended, and forgets its events.
    pub(super) fn take_due(&mut self, now: Instant) -> ChangeHint {
        let before = self.moved_away.len();
        self.moved_away
            .retain(|_, since| *since + AFTER_COMPLETE > now);
        if self.moved_away.len() < before {
            self.folders_changed(AFTER_COMPLETE, now - AFTER_COMPLETE);
        }
        let wait = self.wait_for_others();
        let mut files = take_overdue(&mut self.removed, AFTER_OTHER, now);
        files.append(&mut take_overdue(&mut self.open, UNTIL_CLOSED, now));
        let is_due = |series: EventSeries, quiet| series.due(quiet) <= now;
        if self.complete_at.is_some_and(|series| is_due(series, wait)) {
            self.complete_at = None;
            files.append(&mut self.complete);
        }
        if self
            .folders
            .is_some_and(|(series, quiet)| is_due(series, quiet))
        {
            self.folders = None;
            return ChangeHint::Anything;
        }
        if files.is_empty() {
            ChangeHint::Nothing
        } else {
            ChangeHint::Files(files)
        }
    }
}

/// Removes the files whose wait has ended.
fn take_overdue(
    files: &mut BTreeMap<PathBuf, Instant>,
    wait: Duration,
    now: Instant,
) -> BTreeSet<PathBuf> {
    let overdue = files.extract_if(.., |_, since| *since + wait <= now);
    overdue.map(|(path, _)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "a.yaml";

    fn files(names: &[&str]) -> ChangeHint {
        ChangeHint::Files(names.iter().map(PathBuf::from).collect())
    }

    /// The first files that are due, and how long after `from`.
    fn next(events: &mut PendingEvents, from: Instant) -> (ChangeHint, Duration) {
        let due = events.due().expect("something is pending");
        let early = events.take_due(due - Duration::from_nanos(1));
        assert_eq!(early, ChangeHint::Nothing, "nothing is due earlier");
        (events.take_due(due), due - from)
    }

    #[test]
    fn a_complete_file_is_loaded_after_a_short_wait() {
        let (mut events, now) = (PendingEvents::default(), Instant::now());
        events.record(FileEvent::Opened(A.into()), now);
        events.record(FileEvent::Completed(A.into()), now);
        assert_eq!(next(&mut events, now), (files(&[A]), AFTER_FIRST));
        assert_eq!(events.due(), None);
    }

    #[test]
    fn several_complete_files_wait_longer_for_more() {
        let (mut events, now) = (PendingEvents::default(), Instant::now());
        events.record(FileEvent::Completed(A.into()), now);
        events.record(FileEvent::Completed("b.yaml".into()), now + AFTER_FIRST / 2);
        let later = now + AFTER_FIRST / 2 + AFTER_COMPLETE / 2;
        assert_eq!(events.take_due(later), ChangeHint::Nothing);
        events.record(FileEvent::Completed("c.yaml".into()), later);
        let all = files(&[A, "b.yaml", "c.yaml"]);
        assert_eq!(next(&mut events, later), (all, AFTER_COMPLETE));
    }

    #[test]
    fn a_file_that_is_being_written_is_waited_for_but_not_forever_and_not_by_others() {
        let (mut events, now) = (PendingEvents::default(), Instant::now());
        events.record(FileEvent::Opened(A.into()), now);
        events.record(FileEvent::Completed("b.yaml".into()), now);
        assert_eq!(next(&mut events, now), (files(&["b.yaml"]), AFTER_FIRST));
        assert!(events.is_being_written(Path::new(A)), "it isn't read yet");
        let later = now + UNTIL_CLOSED / 2;
        events.record(FileEvent::Opened(A.into()), later);
        events.record(FileEvent::Changed(A.into()), later);
        assert_eq!(next(&mut events, now), (files(&[A]), UNTIL_CLOSED));
        assert!(!events.is_being_written(Path::new(A)), "now it is read");
    }

    #[test]
    fn waits_only_so_long_for_a_steady_stream_of_events() {
        let (mut events, start) = (PendingEvents::default(), Instant::now());
        let mut now = start;
        while events.take_due(now) == ChangeHint::Nothing {
            events.record(FileEvent::FoldersChanged, now);
            now += Duration::from_millis(1);
        }
        assert!(now - start <= AT_MOST + Duration::from_millis(1));
        let start = now;
        while events.take_due(now) == ChangeHint::Nothing {
            events.record(FileEvent::Completed(A.into()), now);
            events.record(FileEvent::Opened("b.yaml".into()), now);
            now += Duration::from_millis(1);
        }
        assert!(now - start <= AT_MOST + Duration::from_millis(1));
    }

    #[test]
    fn a_removed_file_that_is_put_back_stays_loaded() {
        let (mut events, now) = (PendingEvents::default(), Instant::now());
        events.record(FileEvent::Removed(A.into()), now);
        assert_eq!(events.take_due(now + AFTER_OTHER / 2), ChangeHint::Nothing);
        events.record(FileEvent::Opened(A.into()), now + AFTER_OTHER / 2);
        assert_eq!(events.take_due(now + AFTER_OTHER), ChangeHint::Nothing);
        events.record(FileEvent::Completed(A.into()), now + AFTER_OTHER);
        assert_eq!(next(&mut events, now).0, files(&[A]));
        events.record(FileEvent::Removed(A.into()), now);
        assert_eq!(next(&mut events, now), (files(&[A]), AFTER_OTHER));
    }

    #[test]
    fn both_names_of_a_renamed_manifest_are_loaded_together() {
        let (mut events, now) = (PendingEvents::default(), Instant::now());
        events.record(FileEvent::Removed(A.into()), now);
        events.record(FileEvent::Completed("b.yaml".into()), now);
        events.record(FileEvent::Renamed(A.into()), now);
        let both = files(&[A, "b.yaml"]);
        assert_eq!(next(&mut events, now), (both, AFTER_COMPLETE));
        assert!(!events.is_being_written(Path::new(A)), "it is gone");
        assert_eq!(events.due(), None);
    }

    #[test]
    fn a_temporary_file_that_becomes_a_manifest_causes_no_wait() {
        let (mut events, now) = (PendingEvents::default(), Instant::now());
        events.record(FileEvent::MovedAway(7), now);
        events.record(FileEvent::Completed(A.into()), now);
        assert_eq!(
            events.due(),
            Some(now + AFTER_COMPLETE),
            "it may be one move"
        );
        events.record(FileEvent::MovedWithin(7), now);
        assert_eq!(next(&mut events, now), (files(&[A]), AFTER_FIRST));
        assert_eq!(events.due(), None, "nothing else is pending");
        events.record(FileEvent::MovedAway(8), now);
        let folder = (ChangeHint::Anything, AFTER_COMPLETE);
        assert_eq!(next(&mut events, now), folder, "it may have been a folder");
    }
}
