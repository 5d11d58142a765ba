//! Folders become [`Resources`], again and again, at the cost of what has changed.

use super::busy::Busy;
use super::doubt::Doubts;
use super::file_state::FileState;
use super::load_pass::{Reading, Taken, Writers, is_unknown, pair};
use super::renamed::Departed;
use super::scan::{self, Fingerprint, Fingerprints};
use crate::Resources;
use crate::kind::AnyObject;
use gatefold_diagnostic::{Diagnostic, ResourceId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Reads folders of manifests, and keeps of every file what was last good in it.
#[derive(Debug, Default)]
pub struct Loader {
    roots: Vec<PathBuf>,
    busy: Busy,
    /// Files that were left as they were, because they seem to be half-written.
    doubts: Doubts,
    /// In the order of their paths.
    pub(super) files: Vec<(PathBuf, FileState)>,
    /// All of the last look but the files.
    pub(super) seen: Option<Fingerprints>,
    /// What the files held then.
    pub(super) resources: Resources,
    /// Whether an object stands in two places, so that a file's objects aren't its own affair.
    pub(super) duplicates: bool,
    /// Files that are gone and kept something.
    departed: Departed,
}

/// What the folders hold.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects in force.
    pub resources: Resources,
    /// All that is wrong with the files, in the order of files and documents.
    pub diagnostics: Vec<Diagnostic>,
    /// Objects that have errors and no last good version, as far as their names can be read.
    pub refused: Vec<ResourceId>,
    /// How many files there are.
    pub files: usize,
    /// How many files were read, because they are new or have changed.
    pub files_read: usize,
    /// Whether anything differs from the load before: else all of this is the same.
    pub changed: bool,
}

/// How the folders compare with the last look at them.
#[derive(Debug)]
pub enum Update {
    /// Nothing has changed, as far as anybody can tell yet.
    Same,
    /// All that is in force now.
    New(Loaded),
}

/// How many new and gone files are taken one by one. Of more than these a look at everything costs less.
const FEW: usize = 100;

impl Loader {
    /// For folders or single files. Nothing is read yet.
    pub fn new(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        Loader {
            roots: roots.into_iter().collect(),
            ..Loader::default()
        }
    }

    /// Leaves alone what is half-written.
    #[must_use]
    pub fn sparing(mut self, busy: Busy) -> Self {
        self.busy = busy;
        self
    }

    /// Reads manifests out of a text that is no file; `name` stands for its path. A text that isn't
    /// UTF-8 is a diagnostic like all that is wrong with it.
    pub fn from_text(name: &str, text: impl Into<Vec<u8>>) -> Loaded {
        let path = PathBuf::from(name);
        let state = match scan::source(&path, text.into()) {
            Ok(source) => FileState::read(Arc::new(source), None, None),
            Err(refused) => FileState::unread(*refused, None, None),
        };
        let mut loader = Loader {
            files: vec![(path, state)],
            ..Loader::default()
        };
        loader.collect(1, true)
    }

    /// Looks at the folders, reads what has changed, and gives all that is in force.
    pub fn load(&mut self) -> Loaded {
        let taken = self.take(scan::scan(&self.roots), Writers::Done);
        self.gather(taken)
    }

    /// The same when anything has changed. Whoever wrote it is done.
    pub fn update(&mut self) -> Update {
        self.look(Writers::Done)
    }

    /// The same for files of which somebody says that they have changed, and that their writers are done. Nothing
    /// else is looked at, unless what is there now can't be told without: where there are links.
    pub fn update_files(&mut self, paths: &BTreeSet<PathBuf>) -> Update {
        self.update_named(paths, Writers::Done)
    }

    /// The same by what somebody has [seen](scan::scan), some time ago. It says no more than where to look: what is
    /// there now counts, and it counts when it has been left alone for a while.
    pub fn update_seen(&mut self, scan: &Fingerprints) -> Update {
        if !self.sees(scan) {
            return self.look(Writers::Unknown);
        }
        let differing = self.differing(scan);
        self.doubts.retain(&differing);
        if scan.aliases && !differing.is_empty() {
            // Of a file that isn't in it although it is there another name counts.
            return self.look(Writers::Unknown);
        }
        self.update_named(&differing, Writers::Unknown)
    }

    /// The same for the files that were left as they were.
    pub fn update_doubtful(&mut self) -> Update {
        if self.seen.as_ref().is_some_and(|seen| seen.aliases) {
            return self.look(Writers::Unknown);
        }
        let paths = self.doubts.paths();
        self.update_named(&paths, Writers::Unknown)
    }

    /// When to look at files again that were left as they were, because they seemed to be half-written.
    pub fn look_again(&self) -> Option<Instant> {
        self.doubts.due()
    }

    fn look(&mut self, writers: Writers) -> Update {
        let taken = self.take(scan::scan(&self.roots), writers);
        match taken.changed {
            true => Update::New(self.gather(taken)),
            false => Update::Same,
        }
    }

    fn update_named(&mut self, paths: &BTreeSet<PathBuf>, writers: Writers) -> Update {
        let mut found = Vec::new();
        for path in paths {
            if writers == Writers::Unknown && self.spares(path) {
                continue;
            }
            match self.found(path) {
                Some(fingerprint) => found.push((path, fingerprint)),
                None => return self.look(writers),
            }
        }
        let others = found
            .iter()
            .filter(|(path, found)| found.is_none() || self.index(path).is_none());
        if others.count() > FEW {
            return self.look(writers);
        }
        let taken = self.take_named(found);
        match taken.changed {
            true => Update::New(self.gather(taken)),
            false => Update::Same,
        }
    }

    /// Whether a file is left as it was: nothing differs, or it seems to be half-written.
    fn spares(&mut self, path: &Path) -> bool {
        let found = scan::fingerprint(path);
        let state = self.index(path).and_then(|index| self.state(index));
        let same = match (state, &found) {
            (Some(state), Some(found)) => state.is_current(found),
            (state, found) => state.is_none() && found.is_none(),
        };
        let must_be_read = state.is_some_and(|state| state.fingerprint == found);
        if same || self.busy.contains(path) {
            self.doubts.forget(path);
            return true;
        }
        !must_be_read && !self.doubts.is_settled(path, found, Instant::now())
    }

    /// What is there now of a file, if anything, when that can be told without a look at everything: it has no other
    /// name, and no link leads to it.
    fn found(&self, path: &Path) -> Option<Option<Fingerprint>> {
        let simple = |seen: &&Fingerprints| !seen.aliases && !is_unknown(path, seen);
        let seen = self.seen.as_ref().filter(simple)?;
        let found = scan::plain(path);
        let known = found.is_some() && self.index(path).is_some();
        let gone_or_new = || {
            let clear = found.is_some() || scan::is_gone(path);
            clear && !seen.links && scan::is_direct(path, &self.roots)
        };
        (known || gone_or_new()).then_some(found)
    }

    fn index(&self, path: &Path) -> Option<usize> {
        let order = |(known, _): &(PathBuf, FileState)| known.as_path().cmp(path);
        self.files.binary_search_by(order).ok()
    }

    fn state(&self, index: usize) -> Option<&FileState> {
        self.files.get(index).map(|(_, state)| state)
    }

    /// Whether the last look saw the same, but for the files.
    fn sees(&self, scan: &Fingerprints) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|seen| {
            seen.problems == scan.problems
                && seen.dangling == scan.dangling
                && (seen.links, seen.aliases) == (scan.links, scan.aliases)
        })
    }

    /// The files that aren't as they are known.
    fn differing(&self, scan: &Fingerprints) -> BTreeSet<PathBuf> {
        let mut differing = BTreeSet::new();
        let mut gone = |(path, _): &(PathBuf, FileState)| {
            if !is_unknown(path, scan) {
                differing.insert(path.clone());
            }
        };
        let mut known = self.files.iter().peekable();
        let mut others = Vec::new();
        for (path, found) in &scan.files {
            let state = pair(&mut known, path, |it| &it.0, &mut gone);
            if !state.is_some_and(|(_, state)| state.is_current(found)) {
                others.push(path.clone());
            }
        }
        known.for_each(gone);
        differing.extend(others);
        differing
    }

    /// Reads files of which is known what is there now.
    fn take_named(&mut self, found: Vec<(&PathBuf, Option<Fingerprint>)>) -> Taken {
        let mut reading = Reading::new(&self.busy, &mut self.doubts, Writers::Done);
        let mut replaced = Vec::new();
        let mut gone = Vec::new();
        for (path, fingerprint) in found {
            let index = self.files.binary_search_by(|(known, _)| known.cmp(path));
            let slot = index.ok().and_then(|index| self.files.get_mut(index));
            let old = slot.map(|(_, state)| std::mem::take(state));
            let before = objects(old.as_ref());
            let read = reading.read;
            let state = match fingerprint {
                Some(fingerprint) => FileState::current(path, fingerprint, old, &mut reading),
                None if reading.is_busy(path) => old,
                None => {
                    gone.extend(old);
                    None
                }
            };
            if reading.read > read || (index.is_ok() && state.is_none()) {
                replaced.push((before, objects(state.as_ref())));
            }
            // The index is the search's, and nothing came or went since.
            match (index, state) {
                (Ok(index), Some(state)) => self.files[index].1 = state,
                (Ok(index), None) => drop(self.files.remove(index)),
                (Err(index), Some(state)) => self.files.insert(index, (path.clone(), state)),
                (Err(_), None) => {}
            }
            reading.end_of(path);
        }
        let read = reading.read;
        replaced.extend(self.departed.hand_over(gone, &mut self.files));
        Taken {
            read,
            changed: !replaced.is_empty(),
            replaced,
        }
    }

    /// Reads what a look has found.
    fn take(&mut self, mut scan: Fingerprints, writers: Writers) -> Taken {
        // Both are in the order of paths, so one walk pairs them: comparing paths is what costs here.
        let mut before = std::mem::take(&mut self.files).into_iter().peekable();
        let (mut gone, mut replaced) = (Vec::new(), Vec::new());
        let mut reading = Reading::new(&self.busy, &mut self.doubts, writers);
        for (path, fingerprint) in std::mem::take(&mut scan.files) {
            let old = pair(&mut before, &path, |it| &it.0, |it| gone.push(it));
            let old = old.map(|(_, state)| state);
            let state = match old {
                Some(old) if old.is_current(&fingerprint) => Some(old),
                old if reading.spares(&path, Some(fingerprint), old.as_ref()) => old,
                old => {
                    let read = reading.read;
                    let (before, known) = (objects(old.as_ref()), old.is_some());
                    let state = FileState::current(&path, fingerprint, old, &mut reading);
                    if reading.read > read || (known && state.is_none()) {
                        replaced.push((before, objects(state.as_ref())));
                    }
                    state
                }
            };
            self.files.extend(state.map(|state| (path, state)));
        }
        gone.extend(before);
        let count = self.files.len();
        let mut departed = Vec::new();
        for (path, state) in gone {
            if is_unknown(&path, &scan) || reading.spares(&path, None, Some(&state)) {
                self.files.push((path, state));
            } else {
                replaced.push((state.objects.clone(), Vec::new()));
                departed.push(state);
            }
        }
        if self.files.len() > count {
            self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        let read = reading.end();
        replaced.extend(self.departed.hand_over(departed, &mut self.files));
        let changed = !replaced.is_empty() || !self.sees(&scan);
        self.seen = Some(scan);
        Taken {
            replaced,
            read,
            changed,
        }
    }
}

fn objects(state: Option<&FileState>) -> Vec<AnyObject> {
    state.map_or_else(Vec::new, |state| state.objects.clone())
}
