//! Places in manifests: files, documents, fields and byte ranges.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// The text of a file as it was read. Objects and diagnostics share it. The parsed tree isn't kept: a document is
/// parsed again to locate a field in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as displayed: it begins with the folder as the user wrote it.
    pub path: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
}

/// The text of one object: a YAML document of a file, or an item of a `List` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file.
    pub source: Arc<Source>,
    /// The document's bytes in the file.
    pub bytes: Range<usize>,
    /// The line the document begins on, from 1.
    pub line: usize,
    /// The index in a `kind: List`, from 0. `None` if the document is the object itself.
    pub item: Option<usize>,
}

impl Document {
    /// The text.
    pub fn text(&self) -> Option<&str> {
        self.source.text.get(self.bytes.clone())
    }

    /// The same object, after its YAML document has moved to `to`, which has the same text.
    #[must_use]
    pub fn moved(&self, to: &Document) -> Document {
        Document {
            item: self.item,
            ..to.clone()
        }
    }
}

/// One step of a [`Pointer`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStep {
    /// A field of a mapping.
    Key(Cow<'static, str>),
    /// An element of a sequence, counted from 0.
    Index(usize),
}

impl From<usize> for PathStep {
    fn from(index: usize) -> Self {
        PathStep::Index(index)
    }
}

impl From<&'static str> for PathStep {
    fn from(key: &'static str) -> Self {
        PathStep::Key(key.into())
    }
}

/// A field's path in an object, as kubectl writes it: `spec.rules[0].backendRefs[1].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(pub Vec<PathStep>);

impl Pointer {
    /// The object itself.
    pub fn root() -> Self {
        Pointer(Vec::new())
    }

    /// The path of `spec`.
    pub fn spec() -> Self {
        Pointer::root().key("spec")
    }

    /// The path of a field in this one.
    #[must_use]
    pub fn key(&self, name: impl Into<Cow<'static, str>>) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Key(name.into()));
        Pointer(steps)
    }

    /// The path of an element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(PathStep::Index(index));
        Pointer(steps)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Key(key) if key.contains('.') || key.contains('/') => {
                    write!(f, "[{key:?}]")?;
                }
                PathStep::Key(key) if i == 0 => f.write_str(key)?,
                PathStep::Key(key) => write!(f, ".{key}")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Where the subject of a diagnostic is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In no file: the command line, the operating system.
    Nowhere,
    /// A file as a whole: unreadable, too large, not UTF-8.
    File(PathBuf),
    /// A range of bytes in a file, known from parsing.
    Bytes {
        /// The file.
        source: Arc<Source>,
        /// The bytes.
        bytes: Range<usize>,
    },
    /// A field of an object, found by parsing its document again.
    Field {
        /// The object's text.
        document: Document,
        /// The field.
        pointer: Pointer,
    },
}

impl Place {
    /// Moves the place along with a document whose text is unchanged but has moved within its file.
    pub fn shift(&mut self, from: &Document, to: &Document) {
        if let Place::Bytes { source, bytes } = self {
            *source = to.source.clone();
            let shifted =
                |offset: usize| (offset + to.bytes.start).saturating_sub(from.bytes.start);
            *bytes = shifted(bytes.start)..shifted(bytes.end);
        }
    }
}

/// A place as line and column.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The bytes in the file's text.
    pub bytes: Range<usize>,
}
