use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A file as it was read. Objects and diagnostics share it; the parsed tree isn't kept, a document
/// is parsed again when a place in it is wanted.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as it is shown: relative to the folder's parent as the user named it.
    pub path: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
}

/// One object's text: a YAML document of a file, or an item of a `List` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file.
    pub source: Arc<Source>,
    /// The document's bytes in the file.
    pub bytes: Range<usize>,
    /// The line the document begins on, from 1.
    pub line: usize,
    /// Which item of a `kind: List`, from 0.
    pub item: Option<usize>,
}

impl Document {
    /// Its text.
    pub fn text(&self) -> Option<&str> {
        self.source.text.get(self.bytes.clone())
    }
}

/// One step of a [`Pointer`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// A field of a mapping.
    Key(Cow<'static, str>),
    /// An element of a sequence, from 0.
    Index(usize),
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Step::Index(index)
    }
}

impl From<&'static str> for Step {
    fn from(key: &'static str) -> Self {
        Step::Key(key.into())
    }
}

/// A field's path in an object, as kubectl writes it: `spec.rules[0].backendRefs[1].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(pub Vec<Step>);

impl Pointer {
    /// The object itself.
    pub fn root() -> Self {
        Pointer(Vec::new())
    }

    /// The path that begins with `spec`.
    pub fn spec() -> Self {
        Pointer::root().key("spec")
    }

    /// This path and one field more.
    #[must_use]
    pub fn key(&self, name: impl Into<Cow<'static, str>>) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(name.into()));
        Pointer(steps)
    }

    /// This path and one element more.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Pointer(steps)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if key.contains('.') || key.contains('/') => {
                    write!(f, "[{key:?}]")?;
                }
                Step::Key(key) if i == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Where something is.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Nowhere in a file: the command line, the operating system.
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
    /// Follows the text of a document to where it stands now.
    pub fn shift(&mut self, from: &Document, to: &Document) {
        if let Place::Bytes { source, bytes } = self {
            *source = to.source.clone();
            let shifted =
                |offset: usize| (offset + to.bytes.start).saturating_sub(from.bytes.start);
            *bytes = shifted(bytes.start)..shifted(bytes.end);
        }
    }
}

/// A place made readable.
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
