//! What events mean, and how long to wait for the end of a change.

use crate::manifest::is_manifest;
use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// After complete writes only (a rename into place, a close): time for a second file of the same change.
const AFTER_COMPLETE: Duration = Duration::from_millis(3);
/// After anything else: the change may go on.
const AFTER_OTHER: Duration = Duration::from_millis(50);
/// However many events follow one another, the files are looked at after this time.
const AT_MOST: Duration = Duration::from_millis(500);
/// How long a file that is being written is waited for.
const UNTIL_CLOSED: Duration = Duration::from_secs(2);

/// What the callback of `notify` passes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// A manifest was created or written to, and isn't closed yet.
    Open(PathBuf),
    /// A change that is complete; the path is no longer being written.
    Complete(Option<PathBuf>),
    /// Something else that may go on.
    Other,
}

/// What an event means. Our own reading makes events, too: they mean nothing, or the look at the files
/// would wake itself for ever.
pub(super) fn signals(event: notify::Result<notify::Event>) -> Vec<Signal> {
    let Ok(event) = event else {
        return vec![Signal::Other];
    };
    if event.need_rescan() {
        return vec![Signal::Other];
    }
    let each = |signal: fn(Option<PathBuf>) -> Signal| {
        event.paths.iter().cloned().map(Some).map(signal).collect()
    };
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_))
        | EventKind::Remove(_) => each(Signal::Complete),
        EventKind::Access(_) => Vec::new(),
        EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_)) => {
            each(|path| match path {
                Some(path) if is_manifest_file(&path) => Signal::Open(path),
                _ => Signal::Other,
            })
        }
        _ => vec![Signal::Other],
    }
}

/// Whether a manifest is being written: links and editors' files are never closed.
fn is_manifest_file(path: &Path) -> bool {
    is_manifest(path) && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// What has happened since the last look.
#[derive(Debug, Default)]
pub(super) struct Pending {
    last: Option<Instant>,
    /// Files that are being written, and since when.
    open: BTreeMap<PathBuf, Instant>,
    /// Whether there was more than complete changes.
    other: bool,
}

impl Pending {
    pub(super) fn note(&mut self, signal: Signal, now: Instant) {
        self.last = Some(now);
        match signal {
            Signal::Open(path) => {
                self.open.entry(path).or_insert(now);
            }
            Signal::Complete(path) => {
                if let Some(path) = path {
                    self.open.remove(&path);
                }
            }
            Signal::Other => self.other = true,
        }
    }

    /// When to look, if nothing more happens.
    pub(super) fn due(&self, began: Instant) -> Instant {
        if let Some(since) = self.open.values().max() {
            return *since + UNTIL_CLOSED;
        }
        let quiet = if self.other {
            AFTER_OTHER
        } else {
            AFTER_COMPLETE
        };
        (self.last.unwrap_or(began) + quiet).min(began + AT_MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_reading_wakes_nobody() {
        let read = notify::Event::new(EventKind::Access(AccessKind::Close(AccessMode::Read)))
            .add_path("a.yaml".into());
        assert_eq!(signals(Ok(read)), []);
        let open = notify::Event::new(EventKind::Access(AccessKind::Open(AccessMode::Any)));
        assert_eq!(signals(Ok(open)), []);
    }

    #[test]
    fn a_file_that_is_being_written_is_waited_for_but_not_for_ever() {
        let now = Instant::now();
        let mut pending = Pending::default();
        pending.note(Signal::Open("a.yaml".into()), now);
        assert_eq!(pending.due(now), now + UNTIL_CLOSED);
        pending.note(Signal::Complete(Some("a.yaml".into())), now);
        assert_eq!(pending.due(now), now + AFTER_COMPLETE);
        pending.note(Signal::Other, now);
        assert_eq!(pending.due(now), now + AFTER_OTHER);
        let late = now + Duration::from_secs(1);
        pending.note(Signal::Other, late);
        assert_eq!(pending.due(now), now + AT_MOST, "a steady stream ends");
    }
}
