//! What one look reads, and what it leaves alone.

use super::busy::Busy;
use super::doubt::Doubts;
use super::file_state::FileState;
use super::scan::{self, Fingerprint, Fingerprints, Text};
use crate::kind::AnyObject;
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Whether those who wrote what a look finds are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    /// Somebody says so.
    Done,
    /// Nobody says anything.
    Unknown,
}

/// What one look reads.
#[derive(Debug)]
pub(super) struct Reading<'l> {
    busy: &'l Busy,
    doubts: &'l mut Doubts,
    writers: Writers,
    /// How many files were read, because they are new or have changed.
    pub(super) read: usize,
    /// Those that are left as they were, because they seem to be half-written.
    doubtful: BTreeSet<PathBuf>,
}

impl<'l> Reading<'l> {
    pub(super) fn new(busy: &'l Busy, doubts: &'l mut Doubts, writers: Writers) -> Self {
        Reading {
            busy,
            doubts,
            writers,
            read: 0,
            doubtful: BTreeSet::new(),
        }
    }

    /// Whether somebody is writing it right now, or about to put it back.
    pub(super) fn is_busy(&self, path: &Path) -> bool {
        self.busy.contains(path)
    }

    /// Whether a file that isn't as it is known is left so; `found` is what is there now.
    pub(super) fn spares(
        &mut self,
        path: &Path,
        found: Option<Fingerprint>,
        old: Option<&FileState>,
    ) -> bool {
        let differs = old.is_none_or(|old| old.fingerprint != found);
        self.is_busy(path)
            || (self.writers == Writers::Unknown && differs && self.doubts(path, found))
    }

    /// Whether a file, as it is now, has to be looked at again before it counts.
    fn doubts(&mut self, path: &Path, found: Option<Fingerprint>) -> bool {
        let doubtful = !self.doubts.is_settled(path, found, Instant::now());
        if doubtful {
            self.doubtful.insert(path.to_owned());
        }
        doubtful
    }

    /// Whether a text isn't what its writer means. Events come too late to tell of somebody who begins to write
    /// just when a file is read; most begin by making it empty.
    pub(super) fn is_half_written(
        &mut self,
        path: &Path,
        fingerprint: Fingerprint,
        text: &Text,
        old: &FileState,
    ) -> bool {
        if self.is_busy(path) {
            return true;
        }
        let emptied = matches!(text, Text::Read(source) if source.text.is_empty());
        let now = scan::fingerprint(path);
        let changes = now.is_some_and(|now| now != fingerprint);
        let gone = matches!(text, Text::Gone);
        (gone || changes || (emptied && !old.objects.is_empty())) && self.doubts(path, now)
    }

    /// A file has been looked at.
    pub(super) fn end_of(&mut self, path: &Path) {
        if !self.doubtful.contains(path) {
            self.doubts.forget(path);
        }
    }

    /// All files have been looked at. Gives how many were read.
    pub(super) fn end(self) -> usize {
        self.doubts.retain(&self.doubtful);
        self.read
    }
}

/// The objects of a file that has changed, before and after.
pub(super) type Replaced = (Vec<AnyObject>, Vec<AnyObject>);

/// What a look has changed.
pub(super) struct Taken {
    pub(super) replaced: Vec<Replaced>,
    /// How many files were read.
    pub(super) read: usize,
    /// Whether anything differs from the look before.
    pub(super) changed: bool,
}

/// Of a folder that can't be looked at nobody knows what became of its files.
pub(super) fn is_unknown(path: &Path, scan: &Fingerprints) -> bool {
    let mut folders = path.ancestors();
    folders.any(|folder| scan.problems.contains_key(folder))
}

/// The item of this path, of items that are in the order of paths; those before it are left over.
pub(super) fn pair<T>(
    items: &mut Peekable<impl Iterator<Item = T>>,
    path: &Path,
    path_of: impl Fn(&T) -> &PathBuf,
    mut left_over: impl FnMut(T),
) -> Option<T> {
    // Nearly all paths are the next item's, which costs less to see than which one comes first.
    let is_same = |item: &T| path_of(item).as_os_str() == path.as_os_str();
    loop {
        if let Some(same) = items.next_if(is_same) {
            return Some(same);
        }
        left_over(items.next_if(|item| path_of(item).as_path() < path)?);
    }
}
