//! Renders diagnostics as one line, as JSON, and as annotations of a CI service.

use super::clean::clean;
use super::yaml::sharing_trees;
use super::{Diagnostic, Place, Severity};
use serde::{Serialize, Serializer};
use std::fmt::Write as _;

/// Renders a diagnostic as one line: `file:line:column: error[GF0104]: message`.
pub fn summary_line(diagnostic: &Diagnostic) -> String {
    let (severity, code) = (diagnostic.severity, diagnostic.code);
    let at = SerializedPosition::of(&diagnostic.place);
    let mut line = String::new();
    if let Some(file) = &at.file {
        line.push_str(&clean(file));
        if let (Some(row), Some(column)) = (at.line, at.column) {
            let _ = write!(line, ":{row}:{column}");
        }
        line.push_str(": ");
    }
    let _ = write!(line, "{severity}[{code}]: {}", clean(&diagnostic.message));
    line
}

/// Renders a diagnostic as a workflow command of GitHub Actions, which annotates the line with it:
/// `::error file=gateway.yaml,line=3,col=9,title=GF0104::message`.
pub fn github_annotation(diagnostic: &Diagnostic) -> String {
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let at = SerializedPosition::of(&diagnostic.place);
    let mut properties = Vec::new();
    if let Some(file) = &at.file {
        properties.push(format!("file={}", property(file)));
    }
    if let (Some(line), Some(column)) = (at.line, at.column) {
        properties.push(format!("line={line},col={column}"));
    }
    properties.push(format!("title={}", diagnostic.code));
    let mut text = clean(&diagnostic.message).into_owned();
    for more in diagnostic.notes.iter().chain(&diagnostic.help) {
        text.push('\n');
        text.push_str(&clean(more));
    }
    format!("::{command} {}::{}", properties.join(","), data(&text))
}

/// Escapes a command's text (toolkit `command.ts`, `escapeData`).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a command's property (toolkit `command.ts`, `escapeProperty`).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Sorts diagnostics by file, line and column, then by code and message. Diagnostics without a file come first.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    let key = |diagnostic: &Diagnostic| {
        let SerializedPosition {
            file, line, column, ..
        } = SerializedPosition::of(&diagnostic.place);
        (
            file,
            line,
            column,
            diagnostic.code,
            diagnostic.message.clone(),
        )
    };
    sharing_trees(|| diagnostics.sort_by_cached_key(key));
}

/// The serialized form of a place. Lines and columns count from 1.
#[derive(Serialize)]
pub(super) struct SerializedPosition {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) column: Option<usize>,
    /// The number of characters.
    #[serde(skip)]
    pub(super) width: Option<usize>,
}

impl SerializedPosition {
    pub(super) fn of(place: &Place) -> Self {
        let location = place.locate();
        let text = location.as_ref().and_then(|at| place.text(at));
        SerializedPosition {
            file: place.path().map(|path| path.display().to_string()),
            line: location.as_ref().map(|at| at.line),
            column: location.as_ref().map(|at| at.column),
            width: text.map(|text| text.chars().count()),
        }
    }
}

#[derive(Serialize)]
struct SerializedDiagnostic<'d> {
    code: &'static str,
    severity: &'static str,
    message: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<SerializedResource<'d>>,
    #[serde(flatten)]
    place: SerializedPosition,
    #[serde(skip_serializing_if = "str::is_empty")]
    caption: &'d str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    labels: Vec<SerializedLabel<'d>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'d [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'d str>,
}

#[derive(Serialize)]
struct SerializedResource<'d> {
    kind: &'d str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'d str,
    name: &'d str,
}

#[derive(Serialize)]
struct SerializedLabel<'d> {
    #[serde(flatten)]
    place: SerializedPosition,
    text: &'d str,
}

/// Serializes `code`, `severity`, `message`, `file`, `line`, `column` and the optional fields, but no text of the file.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let labels = self.labels.iter().map(|label| SerializedLabel {
            place: SerializedPosition::of(&label.place),
            text: &label.text,
        });
        let serialized = SerializedDiagnostic {
            code: self.code.as_str(),
            severity: self.severity.as_str(),
            message: &self.message,
            resource: self.resource.as_ref().map(|resource| SerializedResource {
                kind: &resource.kind,
                namespace: &resource.namespace,
                name: &resource.name,
            }),
            place: SerializedPosition::of(&self.place),
            caption: &self.caption,
            labels: labels.collect(),
            notes: &self.notes,
            help: self.help.as_deref(),
        };
        serialized.serialize(serializer)
    }
}
