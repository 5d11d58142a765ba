//! Loads folders repeatedly, at the cost of what has changed.

mod merge;
mod pass;
mod planning;
mod renamed;
mod texts;

use super::file_state::FileState;
use super::file_text;
use super::fingerprint::Fingerprint;
use super::helm_chart;
use super::scan::{self, FolderScan};
use super::settling::{Completeness, SettlingFiles};
use crate::decode::not_a_manifest::PassedOver;
use crate::kustomize::KustomizePlan;
use crate::{LoadOptions, Resources};
use gatefold_diagnostic::Diagnostic;
pub(super) use pass::LoadPass;
use pass::{PassResult, pair};
use renamed::RemovedFiles;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Loads folders of manifests, and keeps the last good content of each file.
#[derive(Debug, Default)]
pub struct Loader {
    roots: Vec<PathBuf>,
    settling: SettlingFiles,
    /// In the order of their paths.
    files: Vec<(PathBuf, FileState)>,
    /// Texts that aren't files, in the order in which they were first set.
    texts: Vec<(PathBuf, FileState)>,
    /// The last scan, without its files. `None` before the first one.
    last_scan: Option<FolderScan>,
    /// The objects of the last load.
    resources: Resources,
    /// Whether an object is defined twice, so that a change of one file may affect the objects of another.
    has_duplicates: bool,
    options: LoadOptions,
    /// What is decided about the files.
    plan: Arc<KustomizePlan>,
    /// Removed files whose last good objects were in force.
    removed: RemovedFiles,
}

/// The content of the folders.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects in force.
    pub resources: Resources,
    /// All problems of the files, in the order of files and documents.
    pub diagnostics: Vec<Diagnostic>,
    /// The documents that aren't objects, in the order of files. `diagnostics` has one entry for all of them.
    pub passed_over: Vec<PassedOver>,
    /// The number of files and texts.
    pub files: usize,
    /// The number of files that were read, because they are new or have changed.
    pub files_read: usize,
    /// Whether anything differs from the previous load.
    pub changed: bool,
}

/// The result of checking the folders for changes.
#[expect(
    clippy::large_enum_variant,
    reason = "it is moved out of the enumeration at once"
)]
#[derive(Debug)]
pub enum Update {
    /// Nothing has changed, or the changed files are not complete yet.
    Same,
    /// Something has changed. This is the complete new content.
    New(Loaded),
}

/// The maximum number of new and removed files that are loaded individually. For more files a scan is cheaper.
const FEW: usize = 100;

impl Loader {
    /// Creates a loader for folders or single files. Reads nothing yet.
    pub fn new(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        Loader {
            roots: roots.into_iter().collect(),
            ..Loader::default()
        }
    }

    /// Sets the options. Call it before the first load.
    #[must_use]
    pub fn with_options(mut self, options: LoadOptions) -> Self {
        self.roots = options.watched_roots(&self.roots);
        let options = options.with_loader_paths(&self.roots);
        self.plan = Arc::new(KustomizePlan::initial(&options, &self.roots));
        self.options = options;
        self
    }

    /// Sets the state that a watcher records events in. Files that are being written keep their known content.
    #[must_use]
    pub fn with_settling_files(mut self, settling: SettlingFiles) -> Self {
        self.settling = settling;
        self
    }

    /// Loads manifests from a text that is not a file; `name` is used as its path. If the text isn't UTF-8, that is
    /// reported as a diagnostic.
    pub fn from_text(name: &str, text: impl Into<Vec<u8>>) -> Loaded {
        Loader::default().load_text(name, text)
    }

    /// Like [`from_text`](Self::from_text), with the options of this loader. It reads the files of `--substitute`.
    pub fn load_text(mut self, name: &str, text: impl Into<Vec<u8>>) -> Loaded {
        if !self.roots.is_empty() {
            self.load();
        }
        let path = PathBuf::from(name);
        let context = self.plan.context(&path).clone();
        let state = match file_text::decode_text(&path, text.into()) {
            Ok(source) => FileState::read(Arc::new(source), None, None, context),
            Err(refused) => FileState::unread(*refused, None, None),
        };
        self.files.push((path, state));
        self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.plan_again();
        self.merge_all(1, true)
    }

    /// Scans the folders, reads the files that have changed, and returns the content. Changed files count as complete.
    pub fn load(&mut self) -> Loaded {
        let result = self.load_scan(scan::scan(&self.roots), Completeness::Reported);
        let result = self.planned(result);
        self.merge(result)
    }

    /// Like [`load`](Self::load), but returns the content only if anything has changed.
    pub fn update(&mut self) -> Update {
        self.update_all(Completeness::Reported)
    }

    /// Loads files that are reported to have changed and to be complete. Other files are not checked, unless the content
    /// of these files can't be determined without a scan, because there are links.
    pub fn update_files(&mut self, paths: &BTreeSet<PathBuf>) -> Update {
        self.update_named(paths, Completeness::Reported)
    }

    /// Loads the files that differ in an earlier [scan](scan::scan). The scan may be outdated, so it is only a hint: the
    /// present files are loaded, once they have been unchanged for a while.
    pub fn update_from_scan(&mut self, scan: &FolderScan) -> Update {
        self.recheck_charts();
        if !self.is_like_last_scan(scan) {
            return self.update_all(Completeness::Unknown);
        }
        let changed = self.changed_files(scan);
        self.settling.lock().retain(&changed);
        if scan.aliases && !changed.is_empty() {
            // A file that exists but isn't in the scan may be known by another name.
            return self.update_all(Completeness::Unknown);
        }
        self.update_named(&changed, Completeness::Unknown)
    }

    /// Checks the files again that were deferred because they may have been incomplete.
    pub fn update_deferred(&mut self) -> Update {
        if self.last_scan.as_ref().is_some_and(|scan| scan.aliases) {
            return self.update_all(Completeness::Unknown);
        }
        let paths = self.settling.lock().deferred();
        self.update_named(&paths, Completeness::Unknown)
    }

    /// When to call [`update_deferred`](Self::update_deferred). `None` if no file was deferred.
    pub fn recheck_at(&self) -> Option<Instant> {
        self.settling.lock().recheck_at()
    }

    /// The paths of the known files, then the names of texts.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let known = self.files.iter().chain(&self.texts);
        known.map(|(path, _)| path.as_path())
    }

    fn update_all(&mut self, completeness: Completeness) -> Update {
        let result = self.load_scan(scan::scan(&self.roots), completeness);
        self.finish(result)
    }

    fn update_named(&mut self, paths: &BTreeSet<PathBuf>, completeness: Completeness) -> Update {
        let mut found = Vec::new();
        for path in paths {
            if completeness == Completeness::Unknown && self.is_unchanged_or_deferred(path) {
                continue;
            }
            match self.find_without_scan(path) {
                Some(fingerprint) => found.push((path, fingerprint)),
                None => return self.update_all(completeness),
            }
        }
        let new_or_removed = found
            .iter()
            .filter(|(path, found)| found.is_none() || self.index(path).is_none());
        if new_or_removed.count() > FEW {
            return self.update_all(completeness);
        }
        let result = self.load_named(found);
        self.finish(result)
    }

    fn finish(&mut self, result: PassResult) -> Update {
        let result = self.planned(result);
        if result.changed {
            Update::New(self.merge(result))
        } else {
            Update::Same
        }
    }

    /// Whether a file keeps its known content, because it hasn't changed or may be incomplete.
    fn is_unchanged_or_deferred(&self, path: &Path) -> bool {
        let found = Fingerprint::of_path(path);
        let state = self.state(path);
        let unchanged = match (state, &found) {
            (Some(state), Some(found)) => state.is_current(found),
            (state, found) => state.is_none() && found.is_none(),
        };
        let known = state.and_then(|state| state.fingerprint);
        let mut settling = self.settling.lock();
        if unchanged {
            settling.forget(path);
            return true;
        }
        settling.defers(path, known, found, Completeness::Unknown, Instant::now())
    }

    /// The present fingerprint of a file, or `Some(None)` if it doesn't exist. Returns `None` if only a scan can tell,
    /// because the file may have other names or be reached by a link.
    fn find_without_scan(&self, path: &Path) -> Option<Option<Fingerprint>> {
        let simple = |scan: &&FolderScan| !scan.aliases && !scan.is_unknown(path);
        let scan = self.last_scan.as_ref().filter(simple)?;
        let found = Fingerprint::of_only_name(path);
        let known = found.is_some() && self.index(path).is_some();
        let new_or_removed = || {
            let certain = found.is_some() || scan::is_gone(path);
            certain && !scan.links && scan::is_reached_without_links(path, &self.roots)
        };
        (known || new_or_removed()).then_some(found)
    }

    /// Requests another read of files that have become templates of a chart, or no longer are, because a `Chart.yaml` appeared or
    /// disappeared.
    fn recheck_charts(&mut self) {
        let files = self.files.iter_mut().filter(|(_, it)| it.may_be_template);
        for (path, state) in files {
            if helm_chart::chart_of(path) != state.chart {
                state.forget_text();
            }
        }
    }

    /// The index of a known file, or where to insert it.
    fn search(&self, path: &Path) -> Result<usize, usize> {
        self.files
            .binary_search_by(|(known, _)| known.as_path().cmp(path))
    }

    fn index(&self, path: &Path) -> Option<usize> {
        self.search(path).ok()
    }

    fn state(&self, path: &Path) -> Option<&FileState> {
        let index = self.index(path)?;
        self.files.get(index).map(|(_, state)| state)
    }

    /// Whether a scan differs from the last one at most in its files.
    fn is_like_last_scan(&self, scan: &FolderScan) -> bool {
        let last = self.last_scan.as_ref();
        last.is_some_and(|last| last.is_equal_apart_from_files(scan))
    }

    /// The files of a scan that differ from what is known of them.
    fn changed_files(&self, scan: &FolderScan) -> BTreeSet<PathBuf> {
        let mut changed = BTreeSet::new();
        let mut missing = |(path, _): &(PathBuf, FileState)| {
            if !scan.is_unknown(path) {
                changed.insert(path.clone());
            }
        };
        let mut known = self.files.iter().peekable();
        let mut others = Vec::new();
        for (path, found) in &scan.files {
            let state = pair(&mut known, path, |it| &it.0, &mut missing);
            if !state.is_some_and(|(_, state)| state.is_current(found)) {
                others.push(path.clone());
            }
        }
        known.for_each(missing);
        changed.extend(others);
        changed
    }
}
