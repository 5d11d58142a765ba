//! Problems in manifests, with their source locations.
//!
//! In: findings of every stage, from YAML syntax errors to a port that can't be bound. Out: [`Diagnostic`]
//! values, which `check`, the log, `/status` and CI formats render in the same way. A diagnostic is data: this
//! crate never prints one and never returns one as an error.
//!
//! The YAML parser is part of this crate, because a field is located by parsing its document again.

mod clean;
mod code;
mod did_you_mean;
mod excerpt;
mod findings;
mod format;
mod junit;
mod locate;
mod place;
mod render;
mod sarif;
mod secret;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use code::Code;
pub use did_you_mean::{did_you_mean, nearest};
pub use findings::Findings;
pub use format::{github_annotation, sort, summary_line};
pub use junit::junit;
pub use place::{Document, Location, PathStep, Place, Pointer, Source};
pub use render::{Style, render};
pub use sarif::sarif;
pub use secret::has_symmetric_key;

use std::fmt;

/// How severe a problem is. Ordered from the most severe to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Something isn't served as written in the manifest.
    Error,
    /// Everything is served, but probably not as intended, or it will stop working.
    Warning,
    /// Worth knowing, but not a problem.
    Info,
}

impl Severity {
    /// The lower-case name, as used in output and in JSON.
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

/// A related place with a caption, such as "Gateway defined here".
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The place.
    pub place: Place,
    /// The caption shown at the place.
    pub text: String,
}

/// One problem or remark about a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The stable code, which has an explanation.
    pub code: Code,
    /// How severe it is.
    pub severity: Severity,
    /// The problem in one line, without its place.
    pub message: String,
    /// The object with the problem. `None` if no object could be identified.
    pub resource: Option<ResourceId>,
    /// Where the problem is.
    pub place: Place,
    /// Text shown at the caret; often empty.
    pub caption: String,
    /// Related places.
    pub labels: Vec<Label>,
    /// Further facts, such as which version of the object stays in force.
    pub notes: Vec<String>,
    /// What the user can do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Creates a diagnostic with the default severity of its code. A message that is too long is truncated.
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

    /// Sets the object that the diagnostic is about.
    #[must_use]
    pub fn about(mut self, resource: ResourceId) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Sets the text shown at the caret.
    #[must_use]
    pub fn caption(mut self, text: impl Into<String>) -> Self {
        self.caption = text.into();
        self
    }

    /// Adds a related place.
    #[must_use]
    pub fn label(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            place,
            text: text.into(),
        });
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Sets the hint on what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}
