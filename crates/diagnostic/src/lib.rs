//! What is wrong with a manifest, and where.
//!
//! In: findings of every stage, from YAML syntax to a port that can't be bound. Out: [`Diagnostic`]
//! values, which `check`, the log, `/status` and CI formats render alike. A diagnostic is data; it
//! is never printed here, and never raised as an error.

mod clean;
mod code;
mod did_you_mean;
mod excerpt;
mod findings;
mod format;
mod locate;
mod place;
mod render;
mod secret;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use code::Code;
pub use did_you_mean::{did_you_mean, nearest};
pub use findings::Findings;
pub use format::{github_annotation, sort, summary_line};
pub use place::{Document, Location, Place, Pointer, Source, Step};
pub use render::{Style, render};

use std::fmt;

/// How bad it is. Ordered: the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something isn't served as written.
    Error,
    /// Served, but probably not what was meant, or not for long.
    Warning,
    /// Worth knowing; nothing is wrong.
    Info,
}

impl Severity {
    /// The lower-case name, as it stands in output and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The object a diagnostic is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The kind, as in the manifest: `HTTPRoute`.
    pub kind: String,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// The name; empty when the manifest gives none.
    pub name: String,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// A second place that belongs to the story: "Gateway defined here".
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is to be seen there.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The stable code; it has an explanation.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line, without the place.
    pub message: String,
    /// The object it is about, where there is one.
    pub resource: Option<ResourceId>,
    /// Where it is.
    pub place: Place,
    /// Words at the caret; often empty.
    pub caption: String,
    /// Further places.
    pub labels: Vec<Label>,
    /// What else is to be known: which version of the object stays in force.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A diagnostic with the code's own severity. A message that quotes too much is cut.
    pub fn new(code: Code, place: Place, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: code.severity(),
            message: clean::cut(&message.into()).into_owned(),
            resource: None,
            place,
            caption: String::new(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// Names the object it is about.
    #[must_use]
    pub fn about(mut self, resource: ResourceId) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Adds words at the caret.
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn label(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            place,
            text: text.into(),
        });
        self
    }

    /// Adds what else is to be known.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}
