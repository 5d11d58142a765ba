//! Decides whether a changed file is complete.
//!
//! In: file events from the watcher, fingerprints from the loader, and the time. Out: which files to load now, for which
//! files the loader keeps the known content, and when to check again. Never reads a file or the clock.
//!
//! Events show that a file is being written, complete or removed ([`events`]). If no event shows that a changed file is
//! complete, it must stay unchanged for a while ([`stability`]).

mod events;
mod stability;

pub use events::FileEvent;

use super::change_hint::ChangeHint;
use super::file_text::FileText;
use super::fingerprint::Fingerprint;
use events::PendingEvents;
use stability::UnstableFiles;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The state shared by the watcher, which records events, and the loader, which asks about files. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SettlingFiles(Arc<Mutex<Settling>>);

impl SettlingFiles {
    /// Locks the state. The watcher and the loader wait for each other, so keep the guard for one call only.
    pub fn lock(&self) -> MutexGuard<'_, Settling> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that have changed and may be incomplete.
#[derive(Debug, Default)]
pub struct Settling {
    events: PendingEvents,
    unstable: UnstableFiles,
}

/// Whether the changes that a load finds are known to be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completeness {
    /// An event or the caller reported it.
    Reported,
    /// It is unknown, so a changed file must stay unchanged for a while.
    Unknown,
}

/// What the loader observed while it read a file.
pub(super) struct ReadObservation<'r> {
    /// The fingerprint before the file was read.
    pub(super) before: Fingerprint,
    /// The fingerprint after the file was read. `None` if the file didn't exist any more.
    pub(super) after: Option<Fingerprint>,
    /// The text that was read.
    pub(super) text: &'r FileText,
    /// Whether the known content of the file has objects.
    pub(super) had_objects: bool,
}

impl Settling {
    /// Records an event.
    pub fn record(&mut self, event: FileEvent, now: Instant) {
        self.events.record(event, now);
    }

    /// When [`take_due`](Self::take_due) has files to load, if no further event is recorded.
    pub fn due(&self) -> Option<Instant> {
        self.events.due()
    }

    /// Returns the files that events have shown to be complete, or that were waited for long enough.
    pub fn take_due(&mut self, now: Instant) -> ChangeHint {
        self.events.take_due(now)
    }

    /// Whether events show that a file is being written, or was removed a moment ago and may be put back.
    pub(super) fn is_being_written(&self, path: &Path) -> bool {
        self.events.is_being_written(path)
    }

    /// Whether the loader keeps the known content of a file, because the file may be incomplete. `known` is the
    /// fingerprint of the known content, `found` the present one.
    pub(super) fn defers(
        &mut self,
        path: &Path,
        known: Option<Fingerprint>,
        found: Option<Fingerprint>,
        completeness: Completeness,
        now: Instant,
    ) -> bool {
        if self.is_being_written(path) {
            // An event will follow.
            self.unstable.forget(path);
            return true;
        }
        completeness == Completeness::Unknown
            && known != found
            && !self.unstable.is_settled(path, found, now)
    }

    /// Whether the loader keeps the known content of a file instead of the text that it has just read. The event that a
    /// program begins to write may arrive after the file was read, and most programs begin by making the file empty.
    pub(super) fn defers_text(
        &mut self,
        path: &Path,
        read: &ReadObservation<'_>,
        now: Instant,
    ) -> bool {
        if self.is_being_written(path) {
            self.unstable.forget(path);
            return true;
        }
        let emptied = matches!(read.text, FileText::Read(source) if source.text.is_empty())
            && read.had_objects;
        let changed = read.after.is_some_and(|after| after != read.before);
        let gone = matches!(read.text, FileText::Gone);
        (gone || changed || emptied) && !self.unstable.is_settled(path, read.after, now)
    }

    /// Stops tracking a file that was loaded or is unchanged.
    pub(super) fn forget(&mut self, path: &Path) {
        self.unstable.forget(path);
    }

    /// Stops tracking all files but these.
    pub(super) fn retain(&mut self, paths: &BTreeSet<PathBuf>) {
        self.unstable.retain(paths);
    }

    /// The files that were deferred until they stay unchanged.
    pub(super) fn deferred(&self) -> BTreeSet<PathBuf> {
        self.unstable.paths()
    }

    /// When to check the first of the [deferred](Self::deferred) files again.
    pub(super) fn recheck_at(&self) -> Option<Instant> {
        self.unstable.due()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_diagnostic::Source;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(10);

    fn of_size(size: u64) -> Fingerprint {
        Fingerprint::example(size, (1_000, 1))
    }

    fn text(text: &str) -> FileText {
        FileText::Read(Arc::new(Source {
            path: "a.yaml".into(),
            text: text.into(),
        }))
    }

    #[test]
    fn a_change_is_deferred_until_an_event_reports_that_it_is_complete() {
        let (mut settling, now, a) = (Settling::default(), Instant::now(), Path::new("a.yaml"));
        let (known, found) = (Some(of_size(1)), Some(of_size(2)));
        settling.record(FileEvent::Opened(a.to_owned()), now);
        assert!(settling.defers(a, known, found, Completeness::Reported, now));
        assert!(settling.defers(a, known, found, Completeness::Unknown, now + LONG));
        assert_eq!(settling.recheck_at(), None, "an event will follow");
        settling.record(FileEvent::Completed(a.to_owned()), now);
        assert!(!settling.defers(a, known, found, Completeness::Reported, now));
    }

    #[test]
    fn a_change_without_events_is_deferred_until_the_file_stays_unchanged() {
        let (mut settling, now, a) = (Settling::default(), Instant::now(), Path::new("a.yaml"));
        let (known, found) = (Some(of_size(1)), Some(of_size(2)));
        assert!(settling.defers(a, known, found, Completeness::Unknown, now));
        assert_eq!(settling.deferred(), [a.to_owned()].into());
        let recheck = settling.recheck_at().expect("a file is deferred");
        assert!(!settling.defers(a, known, found, Completeness::Unknown, recheck));
        settling.forget(a);
        assert_eq!(settling.recheck_at(), None, "the file was loaded");
        assert!(
            !settling.defers(a, found, found, Completeness::Unknown, now),
            "an unchanged file is never deferred"
        );
    }

    #[test]
    fn text_is_deferred_if_the_file_was_changed_emptied_or_removed_while_it_was_read() {
        let (before, changed) = (of_size(1), Some(of_size(2)));
        for (text, after, had_objects, deferred) in [
            (text("a: 1"), Some(before), true, false),
            (text("a: 1"), changed, true, true),
            (text("a: 1"), None, true, false),
            (FileText::Gone, None, true, true),
            (text(""), Some(before), true, true),
            (text(""), Some(before), false, false),
        ] {
            let (mut settling, now) = (Settling::default(), Instant::now());
            let read = ReadObservation {
                before,
                after,
                text: &text,
                had_objects,
            };
            let found = settling.defers_text(Path::new("a.yaml"), &read, now);
            assert_eq!(found, deferred, "{after:?}, objects: {had_objects}");
        }
    }
}
