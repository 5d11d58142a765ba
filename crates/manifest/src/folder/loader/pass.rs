//! One pass of the loader: reads the changed files, and keeps the known content of those that may be incomplete.

use super::{FEW, Loader};
use crate::folder::file_state::FileState;
use crate::folder::file_text::FileText;
use crate::folder::fingerprint::Fingerprint;
use crate::folder::scan::FolderScan;
use crate::folder::settling::{Completeness, ReadObservation, SettlingFiles};
use crate::kind::AnyObject;
use crate::kustomize::{DecodeContext, Fact, FileRole, KustomizePlan};
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The state of one pass.
#[derive(Debug)]
pub(in crate::folder) struct LoadPass<'l> {
    settling: &'l SettlingFiles,
    plan: &'l KustomizePlan,
    completeness: Completeness,
    /// The number of files that were read, because they are new or have changed.
    pub(in crate::folder) files_read: usize,
    /// The files that were deferred until they stay unchanged.
    deferred: BTreeSet<PathBuf>,
}

/// The objects of a changed file, before and after.
pub(super) type ReplacedObjects = (Vec<AnyObject>, Vec<AnyObject>);

/// What a pass has changed.
pub(super) struct PassResult {
    pub(super) replaced: Vec<ReplacedObjects>,
    pub(super) files_read: usize,
    /// Whether anything differs from the pass before.
    pub(super) changed: bool,
    /// Whether there are other files than before, or files say something else about other files.
    pub(super) layout_changed: bool,
    /// Whether files were decoded again because of other files. Their objects aren't in `replaced`.
    pub(super) decoded_again: bool,
}

impl<'l> LoadPass<'l> {
    pub(in crate::folder) fn new(
        settling: &'l SettlingFiles,
        plan: &'l KustomizePlan,
        completeness: Completeness,
    ) -> Self {
        LoadPass {
            settling,
            plan,
            completeness,
            files_read: 0,
            deferred: BTreeSet::new(),
        }
    }

    /// What is decided about a file, as far as it is known before all files are read.
    pub(in crate::folder) fn context(&self, path: &Path) -> &'l DecodeContext {
        self.plan.context(path)
    }

    /// Whether a file is being written, or was removed a moment ago and may be put back.
    pub(in crate::folder) fn is_being_written(&self, path: &Path) -> bool {
        self.settling.lock().is_being_written(path)
    }

    /// Whether a changed file keeps its known content, because it may be incomplete. `found` is its present fingerprint.
    fn defers(&mut self, path: &Path, found: Option<Fingerprint>, old: Option<&FileState>) -> bool {
        let known = old.and_then(|old| old.fingerprint);
        let mut settling = self.settling.lock();
        let deferred = settling.defers(path, known, found, self.completeness, Instant::now());
        drop(settling);
        self.note(path, deferred)
    }

    /// Whether a file keeps its known content instead of the text that was just read.
    pub(in crate::folder) fn defers_text(
        &mut self,
        path: &Path,
        before: Fingerprint,
        text: &FileText,
        old: &FileState,
    ) -> bool {
        let observation = ReadObservation {
            before,
            after: Fingerprint::of_path(path),
            text,
            had_objects: !old.objects.is_empty(),
        };
        let mut settling = self.settling.lock();
        let deferred = settling.defers_text(path, &observation, Instant::now());
        drop(settling);
        self.note(path, deferred)
    }

    fn note(&mut self, path: &Path, deferred: bool) -> bool {
        if deferred {
            self.deferred.insert(path.to_owned());
        }
        deferred
    }

    /// Ends the check of one file. Unless it was deferred, it isn't tracked any more.
    fn end_file(&mut self, path: &Path) {
        if !self.deferred.contains(path) {
            self.settling.lock().forget(path);
        }
    }

    /// Ends a pass over all files and returns how many were read.
    pub(in crate::folder) fn end(self) -> usize {
        self.settling.lock().retain(&self.deferred);
        self.files_read
    }
}

impl Loader {
    /// Loads files whose present fingerprints are known.
    pub(super) fn load_named(&mut self, found: Vec<(&PathBuf, Option<Fingerprint>)>) -> PassResult {
        let settling = self.settling.clone();
        let plan = self.plan.clone();
        let mut pass = LoadPass::new(&settling, &plan, Completeness::Reported);
        let mut layout_changed = false;
        let (mut replaced, mut removed) = (Vec::new(), Vec::new());
        for (path, fingerprint) in found {
            let index = self.search(path);
            let slot = index.ok().and_then(|index| self.files.get_mut(index));
            let old = slot.map(|(_, state)| std::mem::take(state));
            let before = objects(old.as_ref());
            let layout = FileLayout::of(old.as_ref());
            let files_read = pass.files_read;
            let state = match fingerprint {
                Some(fingerprint) => FileState::current(path, fingerprint, old, &mut pass),
                None if pass.is_being_written(path) => old,
                None => {
                    removed.extend(old);
                    None
                }
            };
            if pass.files_read > files_read || (index.is_ok() && state.is_none()) {
                replaced.push((before, objects(state.as_ref())));
                layout_changed |= layout.differs(state.as_ref());
            }
            // The index is valid: no file was inserted or removed since the search.
            match (index, state) {
                (Ok(index), Some(state)) => self.files[index].1 = state,
                (Ok(index), None) => drop(self.files.remove(index)),
                (Err(index), Some(state)) => {
                    if self.files.len() == self.files.capacity() {
                        self.files.reserve_exact(FEW);
                    }
                    self.files.insert(index, (path.clone(), state));
                }
                (Err(_), None) => {}
            }
            pass.end_file(path);
        }
        replaced.extend(self.removed.hand_over(removed, &mut self.files));
        PassResult {
            files_read: pass.files_read,
            changed: !replaced.is_empty(),
            replaced,
            layout_changed,
            decoded_again: false,
        }
    }

    /// Loads the files that a scan has found.
    pub(super) fn load_scan(
        &mut self,
        mut scan: FolderScan,
        completeness: Completeness,
    ) -> PassResult {
        self.plan_ahead(&scan.files);
        let settling = self.settling.clone();
        let plan = self.plan.clone();
        let mut pass = LoadPass::new(&settling, &plan, completeness);
        let mut replaced = Vec::new();
        let found = std::mem::take(&mut scan.files);
        let (missing, mut layout_changed) = self.load_found(found, &mut pass, &mut replaced);
        let removed = self.drop_missing(missing, &scan, &mut pass, &mut replaced);
        layout_changed |= !removed.is_empty();
        let files_read = pass.end();
        replaced.extend(self.removed.hand_over(removed, &mut self.files));
        let changed = !replaced.is_empty() || !self.is_like_last_scan(&scan);
        self.last_scan = Some(scan);
        PassResult {
            replaced,
            files_read,
            changed,
            layout_changed,
            decoded_again: false,
        }
    }

    /// Loads the files of a scan. Returns the known files that the scan hasn't found, and whether the layout has changed.
    fn load_found(
        &mut self,
        found: Vec<(PathBuf, Fingerprint)>,
        pass: &mut LoadPass<'_>,
        replaced: &mut Vec<ReplacedObjects>,
    ) -> (Vec<(PathBuf, FileState)>, bool) {
        let mut layout_changed = false;
        // Both lists are in the order of paths, so one walk pairs them. Comparing paths is the main cost here.
        let mut known = std::mem::take(&mut self.files).into_iter().peekable();
        let mut missing = Vec::new();
        for (path, fingerprint) in found {
            let old = pair(&mut known, &path, |it| &it.0, |it| missing.push(it));
            let old = old.map(|(_, state)| state);
            let state = match old {
                Some(old) if old.is_current(&fingerprint) => Some(old),
                old if pass.defers(&path, Some(fingerprint), old.as_ref()) => old,
                old => {
                    let files_read = pass.files_read;
                    let (before, known) = (objects(old.as_ref()), old.is_some());
                    let layout = FileLayout::of(old.as_ref());
                    let state = FileState::current(&path, fingerprint, old, pass);
                    if pass.files_read > files_read || (known && state.is_none()) {
                        replaced.push((before, objects(state.as_ref())));
                        layout_changed |= layout.differs(state.as_ref());
                    }
                    state
                }
            };
            self.files.extend(state.map(|state| (path, state)));
        }
        missing.extend(known);
        self.files.shrink_to_fit();
        (missing, layout_changed)
    }

    /// Drops missing files and returns their states. Files that may come back are kept.
    fn drop_missing(
        &mut self,
        missing: Vec<(PathBuf, FileState)>,
        scan: &FolderScan,
        pass: &mut LoadPass<'_>,
        replaced: &mut Vec<ReplacedObjects>,
    ) -> Vec<FileState> {
        let count = self.files.len();
        let mut removed = Vec::new();
        for (path, state) in missing {
            if scan.is_unknown(&path) || pass.defers(&path, None, Some(&state)) {
                self.files.push((path, state));
            } else {
                replaced.push((state.objects.clone(), Vec::new()));
                removed.push(state);
            }
        }
        if self.files.len() > count {
            self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        removed
    }
}

/// The inputs of the plan that come from one file.
#[derive(Debug)]
struct FileLayout {
    exists: bool,
    has_objects: bool,
    facts: Vec<Fact>,
}

impl FileLayout {
    fn of(state: Option<&FileState>) -> Self {
        FileLayout {
            exists: state.is_some(),
            has_objects: state.is_some_and(|it| !it.objects.is_empty()),
            facts: state.map_or_else(Vec::new, |state| state.facts.clone()),
        }
    }

    /// Whether it differs from that of a state of the file. The text of a patch counts as well.
    fn differs(&self, state: Option<&FileState>) -> bool {
        let facts = state.map_or(&[][..], |state| &state.facts);
        let is_input = state.is_some_and(|it| it.context.role() == FileRole::NotObjects);
        let has_objects = state.is_some_and(|it| !it.objects.is_empty());
        let exists = (self.exists, self.has_objects) != (state.is_some(), has_objects);
        exists || self.facts != facts || is_input
    }
}

fn objects(state: Option<&FileState>) -> Vec<AnyObject> {
    state.map_or_else(Vec::new, |state| state.objects.clone())
}

/// Takes the item with this path from items that are in the order of paths. Items before it are passed to `left_over`.
pub(super) fn pair<T>(
    items: &mut Peekable<impl Iterator<Item = T>>,
    path: &Path,
    path_of: impl Fn(&T) -> &PathBuf,
    mut left_over: impl FnMut(T),
) -> Option<T> {
    // Nearly always the next item has this path. Comparing for equality is cheaper than comparing the order.
    let is_same = |item: &T| path_of(item).as_os_str() == path.as_os_str();
    loop {
        if let Some(same) = items.next_if(is_same) {
            return Some(same);
        }
        left_over(items.next_if(|item| path_of(item).as_path() < path)?);
    }
}
