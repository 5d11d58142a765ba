//! Folders become [`Resources`], again and again, at the cost of what has changed.

use super::Resources;
use super::alias::Budget;
use super::findings::Findings;
use super::kind::AnyObject;
use super::node::{Node, item};
use super::object::{self, Outcome};
use super::parse::{self, Tree};
use super::read::{self, Fingerprint, Fingerprints, Text};
use super::split::split;
use crate::diagnostic::{Code, Diagnostic, Document, Place, ResourceId, Severity, Source};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Reads folders of manifests, and keeps of every file what was last good in it.
#[derive(Debug, Default)]
pub struct Loader {
    roots: Vec<PathBuf>,
    /// In the order of their paths.
    files: Vec<(PathBuf, FileState)>,
    seen: Option<Fingerprints>,
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

impl Loader {
    /// For folders or single files. Nothing is read yet.
    pub fn new(roots: impl IntoIterator<Item = PathBuf>) -> Self {
        Loader {
            roots: roots.into_iter().collect(),
            ..Loader::default()
        }
    }

    /// Reads manifests out of a text that is no file; `name` stands for its path. A text that isn't
    /// UTF-8 is a diagnostic like all that is wrong with it.
    pub fn from_text(name: &str, text: impl Into<Vec<u8>>) -> Loaded {
        let path = PathBuf::from(name);
        let state = match read::source(&path, text.into()) {
            Ok(source) => FileState::read(Arc::new(source), None, None),
            Err(refused) => FileState::unread(*refused, None, None),
        };
        let mut loaded = collect([&state]);
        loaded.files = 1;
        loaded.files_read = 1;
        loaded.changed = true;
        loaded
    }

    /// Looks at the folders, reads what has changed, and gives all that is in force.
    pub fn load(&mut self) -> Loaded {
        let scan = read::scan(&self.roots);
        // Both are in the order of paths, so one walk pairs them: comparing paths is what costs here.
        let mut before = std::mem::take(&mut self.files).into_iter().peekable();
        let mut gone = Vec::new();
        let mut read = 0;
        for (path, fingerprint) in &scan.files {
            while let Some(old) = before.next_if(|(old, _)| old < path) {
                gone.push(old);
            }
            let old = before.next_if(|(old, _)| old == path);
            let (path, old) = match old {
                Some((path, old)) => (path, Some(old)),
                None => (path.clone(), None),
            };
            if let Some(state) = FileState::current(&path, *fingerprint, old, &mut read) {
                self.files.push((path, state));
            }
        }
        gone.extend(before);
        // Of a folder that can't be looked at nobody knows what became of its files.
        gone.retain(|(path, _)| scan.problems.keys().any(|folder| path.starts_with(folder)));
        if !gone.is_empty() {
            self.files.append(&mut gone);
            self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        }

        let mut loaded = collect(self.files.iter().map(|(_, state)| state));
        loaded.diagnostics.extend(problems(&scan));
        loaded.files = self.files.len();
        loaded.files_read = read;
        loaded.changed = read > 0 || self.seen.as_ref() != Some(&scan);
        self.seen = Some(scan);
        loaded
    }
}

/// File systems count time in ticks of up to 10 ms (HZ=100). A second write within the tick of the first
/// may leave the fingerprint as it was, so a file that was touched just now is read again next time.
const TICK: Duration = Duration::from_millis(50);

fn nanoseconds(time: SystemTime) -> i128 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
}

/// What is known of a file.
#[derive(Debug, Default)]
struct FileState {
    fingerprint: Option<Fingerprint>,
    /// It was touched so shortly before it was read that the fingerprint doesn't prove anything.
    unsettled: bool,
    /// The text that `documents` come from.
    source: Option<Arc<Source>>,
    documents: Vec<(Document, Outcome)>,
    /// The objects in force.
    objects: Vec<AnyObject>,
    /// Whether `objects` come from a text that could be read to its end.
    whole: bool,
    diagnostics: Vec<Diagnostic>,
}

impl FileState {
    /// The state of one file, read again if it has to be; nothing if it is gone meanwhile.
    fn current(
        path: &Path,
        fingerprint: Fingerprint,
        old: Option<FileState>,
        read: &mut usize,
    ) -> Option<FileState> {
        let same = |old: &FileState| old.fingerprint == Some(fingerprint) && !old.unsettled;
        let old = match old {
            Some(old) if same(&old) => return Some(old),
            old => old,
        };
        // A clock that stands behind the file's counts as just now.
        let settled = SystemTime::now().checked_sub(TICK);
        let mut state = match read::text(path) {
            Text::Gone => return None,
            Text::Read(source) => match old {
                Some(old) if old.has_text(&source) => old,
                old => {
                    *read += 1;
                    FileState::read(source, old, Some(fingerprint))
                }
            },
            Text::Refused(refused) => {
                *read += 1;
                FileState::unread(*refused, old, Some(fingerprint))
            }
        };
        state.fingerprint = Some(fingerprint);
        state.unsettled = settled.is_none_or(|time| fingerprint.touched() > nanoseconds(time));
        Some(state)
    }

    fn has_text(&self, source: &Source) -> bool {
        self.source
            .as_ref()
            .is_some_and(|known| known.text == source.text)
    }

    /// Reads a text; `old` is what was known before.
    fn read(source: Arc<Source>, old: Option<FileState>, fingerprint: Option<Fingerprint>) -> Self {
        let old = old.unwrap_or_default();
        let documents = documents(&source, &old.documents);
        let mut state = FileState {
            fingerprint,
            source: Some(source),
            whole: !documents.iter().any(|(_, outcome)| outcome.broken),
            ..FileState::default()
        };
        for (_, outcome) in &documents {
            state.objects.extend(outcome.objects.iter().cloned());
            state
                .diagnostics
                .extend(outcome.diagnostics.iter().cloned());
        }
        if state.whole {
            let refused = documents.iter().flat_map(|(_, outcome)| &outcome.refused);
            state.keep_refused(refused, &old.objects);
        } else {
            state.keep_all(old);
        }
        state.documents = documents;
        state
    }

    /// For a file that can't be read: what was in it stays.
    fn unread(
        refused: Diagnostic,
        old: Option<FileState>,
        fingerprint: Option<Fingerprint>,
    ) -> Self {
        let mut state = FileState {
            fingerprint,
            diagnostics: vec![refused],
            ..FileState::default()
        };
        state.keep_all(old.unwrap_or_default());
        state
    }

    /// Keeps the last good version of objects that were refused.
    fn keep_refused<'r>(
        &mut self,
        refused: impl Iterator<Item = &'r ResourceId>,
        old: &[AnyObject],
    ) {
        let old: HashMap<ResourceId, &AnyObject> =
            old.iter().map(|object| (object.id(), object)).collect();
        for id in refused {
            let Some(object) = old.get(id) else {
                continue;
            };
            if self.objects.iter().any(|object| object.id() == *id) {
                continue;
            }
            self.objects.push((*object).clone());
            let error = |found: &&mut Diagnostic| {
                found.severity == Severity::Error && found.resource.as_ref() == Some(id)
            };
            if let Some(found) = self.diagnostics.iter_mut().find(error) {
                let note = "its last good version stays in force";
                found.notes.push(note.to_owned());
            }
        }
    }

    /// Keeps everything that was good in a file that can't be read to its end. If it never could, what can
    /// be read now is added.
    fn keep_all(&mut self, old: FileState) {
        if old.objects.is_empty() {
            return;
        }
        let note = "what was last good in this file stays in force";
        let error = |found: &&mut Diagnostic| found.severity == Severity::Error;
        if let Some(found) = self.diagnostics.iter_mut().find(error) {
            found.notes.push(note.to_owned());
        }
        if old.whole {
            self.objects = old.objects;
            self.whole = true;
            return;
        }
        let known: Vec<ResourceId> = self.objects.iter().map(AnyObject::id).collect();
        let missing = old
            .objects
            .into_iter()
            .filter(|object| !known.contains(&object.id()));
        self.objects.extend(missing);
    }
}

/// Reads a text's documents; those that stood in the file before aren't parsed again.
fn documents(source: &Arc<Source>, old: &[(Document, Outcome)]) -> Vec<(Document, Outcome)> {
    let known: HashMap<&str, &(Document, Outcome)> = old
        .iter()
        .filter_map(|entry| Some((entry.0.text()?, entry)))
        .collect();
    let mut budget = Budget::default();
    let read = |chunk: super::split::Chunk| {
        let document = Document {
            source: source.clone(),
            bytes: chunk.bytes,
            line: chunk.line,
            item: None,
        };
        let known = document.text().and_then(|text| known.get(text));
        let outcome = match known {
            Some((from, outcome)) => outcome.moved(from, &document),
            None => object::read(&document, &mut budget),
        };
        (document, outcome)
    };
    split(&source.text).into_iter().map(read).collect()
}

/// Puts the objects of all files together; of duplicates the first one counts.
fn collect<'s>(files: impl IntoIterator<Item = &'s FileState>) -> Loaded {
    let mut loaded = Loaded::default();
    for file in files {
        loaded.diagnostics.extend(file.diagnostics.iter().cloned());
        for object in &file.objects {
            if let Err(first) = object.insert(&mut loaded.resources) {
                loaded.diagnostics.push(duplicate(object, first));
            }
        }
    }
    loaded
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
