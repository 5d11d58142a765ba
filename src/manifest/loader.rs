//! Folders become [`Resources`], again and again, at the cost of what has changed.

use super::Resources;
use super::alias::Budget;
use super::busy::Busy;
use super::file::{FileState, Reading};
use super::findings::Findings;
use super::kind::AnyObject;
use super::node::{Node, item};
use super::parse::{self, Tree};
use super::read::{self, Fingerprints};
use crate::diagnostic::{Code, Diagnostic, Document, Place, Severity};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads folders of manifests, and keeps of every file what was last good in it.
#[derive(Debug, Default)]
pub struct Loader {
    roots: Vec<PathBuf>,
    busy: Busy,
    /// Whether the last look left files as they were that seem to be half-written.
    unsteady: bool,
    /// In the order of their paths.
    files: Vec<(PathBuf, FileState)>,
    /// All of the last look but the files.
    seen: Option<Fingerprints>,
    /// What the files held then.
    resources: Resources,
    /// Whether an object stands in two places, so that a file's objects aren't its own affair.
    duplicates: bool,
}

/// What the folders hold.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The objects in force.
    pub resources: Resources,
    /// All that is wrong with the files, in the order of files and documents.
    pub diagnostics: Vec<Diagnostic>,
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
    /// Nothing has changed.
    Same,
    /// Something has, but so short a time ago that it may be half-written.
    Unsteady,
    /// All that is in force now.
    New(Loaded),
}

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
        let state = match read::source(&path, text.into()) {
            Ok(source) => FileState::read(Arc::new(source), None, None),
            Err(refused) => FileState::unread(*refused, None, None),
        };
        let mut loader = Loader {
            files: vec![(path, state)],
            ..Loader::default()
        };
        loader.collect(1, true)
    }

    /// Whether the last look left files as they were that seem to be half-written: there should be another one soon.
    pub fn is_unsteady(&self) -> bool {
        self.unsteady
    }

    /// Looks at the folders, reads what has changed, and gives all that is in force.
    pub fn load(&mut self) -> Loaded {
        let (read, changed) = self.take(read::scan(&self.roots));
        self.collect(read, changed)
    }

    /// The same when anything has changed.
    pub fn update(&mut self) -> Update {
        let scan = read::scan(&self.roots);
        self.update_to(scan)
    }

    /// The same when anything has changed and nobody seems to be writing. A file that is given away half-way by
    /// nothing but its time was last written to at least a tenth of a second ago.
    pub fn update_when_steady(&mut self) -> Update {
        let scan = read::scan(&self.roots);
        let known = |path: &PathBuf| self.state(self.index(path)?)?.fingerprint;
        let mut young = scan.files.iter().filter(|(_, found)| found.is_young());
        let different = |(path, found): (&PathBuf, &_)| {
            known(path).as_ref() != Some(found) && !self.busy.contains(path)
        };
        if young.any(different) {
            return Update::Unsteady;
        }
        self.update_to(scan)
    }

    /// The same for files of which somebody says that they have changed. Nothing else is looked at, unless what is
    /// there now can't be told without: they are new or gone, or links.
    pub fn update_files(&mut self, paths: &BTreeSet<PathBuf>) -> Update {
        let plain = |path: &PathBuf| Some((self.index(path)?, read::plain(path)?));
        let found: Option<Vec<_>> = paths.iter().map(plain).collect();
        let simple = |seen: &Fingerprints| !seen.aliases && seen.problems.is_empty();
        let (Some(found), true) = (found, self.seen.as_ref().is_some_and(simple)) else {
            return self.update();
        };
        let mut reading = self.reading();
        let mut objects = Vec::new();
        for (index, fingerprint) in found {
            let Some((path, state)) = self.files.get_mut(index) else {
                continue;
            };
            let old = std::mem::take(state);
            let before = old.objects.clone();
            let Some(new) = FileState::current(path, fingerprint, Some(old), &mut reading) else {
                self.files.remove(index);
                let scan = read::scan(&self.roots);
                return self.new_from(scan);
            };
            objects.push((before, new.objects.clone()));
            *state = new;
        }
        let Reading { read, unsteady, .. } = reading;
        self.unsteady = unsteady;
        if read == 0 {
            return Update::Same;
        }
        Update::New(match self.replace(objects) {
            Some(resources) => {
                let files = self.files.iter();
                let diagnostics = files.flat_map(|(_, file)| file.diagnostics.iter().cloned());
                self.loaded(resources, diagnostics.collect(), read, true)
            }
            None => self.collect(read, true),
        })
    }

    fn new_from(&mut self, scan: Fingerprints) -> Update {
        let (read, _) = self.take(scan);
        Update::New(self.collect(read, true))
    }

    fn reading(&self) -> Reading {
        Reading {
            busy: self.busy.clone(),
            ..Reading::default()
        }
    }

    fn index(&self, path: &Path) -> Option<usize> {
        let order = |(known, _): &(PathBuf, FileState)| known.as_path().cmp(path);
        self.files.binary_search_by(order).ok()
    }

    fn state(&self, index: usize) -> Option<&FileState> {
        self.files.get(index).map(|(_, state)| state)
    }

    fn update_to(&mut self, scan: Fingerprints) -> Update {
        let same = |((path, state), (found, fingerprint)): (&(PathBuf, FileState), _)| {
            path == found && state.fingerprint.as_ref() == Some(fingerprint) && !state.unsettled
        };
        let files = self.files.len() == scan.files.len();
        if files && self.sees(&scan) && self.files.iter().zip(&scan.files).all(same) {
            return Update::Same;
        }
        match self.take(scan) {
            (_, false) => Update::Same,
            (read, true) => Update::New(self.collect(read, true)),
        }
    }

    /// Whether the last look saw the same, but for the files.
    fn sees(&self, scan: &Fingerprints) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|seen| seen.problems == scan.problems && seen.dangling == scan.dangling)
    }

    /// Reads what a look has found. Gives how many files that were, and whether anything has changed.
    fn take(&mut self, mut scan: Fingerprints) -> (usize, bool) {
        let count = self.files.len();
        // Both are in the order of paths, so one walk pairs them: comparing paths is what costs here.
        let mut before = std::mem::take(&mut self.files).into_iter().peekable();
        let mut gone = Vec::new();
        let mut reading = self.reading();
        for (path, fingerprint) in std::mem::take(&mut scan.files) {
            while let Some(old) = before.next_if(|(old, _)| *old < path) {
                gone.push(old);
            }
            let old = before.next_if(|(old, _)| *old == path);
            if let Some(state) =
                FileState::current(&path, fingerprint, old.map(|it| it.1), &mut reading)
            {
                self.files.push((path, state));
            }
        }
        gone.extend(before);
        // Of a folder that can't be looked at nobody knows what became of its files.
        let unknown = |path: &Path| scan.problems.keys().any(|folder| path.starts_with(folder));
        gone.retain(|(path, _)| self.busy.contains(path) || unknown(path));
        if !gone.is_empty() {
            self.files.append(&mut gone);
            self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        let Reading { read, unsteady, .. } = reading;
        self.unsteady = unsteady;
        // As many as before, and none of them was read: they are the same.
        let changed = read > 0 || self.files.len() != count || !self.sees(&scan);
        self.seen = Some(scan);
        (read, changed)
    }

    /// Puts the objects of all files together; of duplicates the first one counts.
    fn collect(&mut self, read: usize, changed: bool) -> Loaded {
        let mut resources = Resources::default();
        let mut diagnostics = Vec::new();
        self.duplicates = false;
        for (_, file) in &self.files {
            diagnostics.extend(file.diagnostics.iter().cloned());
            for object in &file.objects {
                if let Err(first) = object.insert(&mut resources) {
                    diagnostics.push(duplicate(object, first));
                    self.duplicates = true;
                }
            }
        }
        self.loaded(resources, diagnostics, read, changed)
    }

    /// The resources with the objects of some files replaced; nothing when that concerns other files.
    fn replace(&self, files: Vec<(Vec<AnyObject>, Vec<AnyObject>)>) -> Option<Resources> {
        if self.duplicates {
            return None;
        }
        let mut resources = self.resources.clone();
        let (before, after): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        for object in before.iter().flatten() {
            object.remove(&mut resources);
        }
        for object in after.iter().flatten() {
            object.insert(&mut resources).ok()?;
        }
        Some(resources)
    }

    fn loaded(
        &mut self,
        resources: Resources,
        mut diagnostics: Vec<Diagnostic>,
        files_read: usize,
        changed: bool,
    ) -> Loaded {
        self.resources = resources.clone();
        diagnostics.extend(self.seen.iter().flat_map(problems));
        Loaded {
            resources,
            diagnostics,
            files: self.files.len(),
            files_read,
            changed,
        }
    }
}

fn duplicate(object: &AnyObject, first: Place) -> Diagnostic {
    let name = super::name::pointer();
    let place = Place::Field {
        document: object.document().clone(),
        pointer: name,
    };
    let id = object.id();
    Diagnostic::new(
        Code::DuplicateObject,
        place,
        format!("{id} is defined twice"),
    )
    .about(id)
    .caption("this one doesn't count")
    .label(first, "first defined here")
}

fn problems(scan: &Fingerprints) -> impl Iterator<Item = Diagnostic> {
    let unreadable = scan.problems.iter().map(|(path, why)| {
        read::unreadable(path, why).note("what was last good in it stays in force")
    });
    let dangling = scan.dangling.iter().map(|path| {
        let mut found = read::unreadable(path, "the link leads nowhere");
        found.severity = Severity::Warning;
        found
    });
    unreadable.chain(dangling)
}

/// The tree of an object, parsed again from its text.
pub(crate) fn parse_document(document: &Document) -> Option<Node> {
    let tree = parse::parse(document, &mut Budget::default(), &mut Findings::default());
    let Tree::Node(root) = tree else {
        return None;
    };
    match document.item {
        None => Some(root),
        Some(index) => item(root, index),
    }
}

/// An object as it stands in its file, whatever its fields; nothing has been filled in.
pub fn document_json(document: &Document) -> Option<serde_json::Value> {
    parse_document(document).map(|object| object.to_json())
}
