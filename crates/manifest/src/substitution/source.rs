//! Reads definitions of variables.
//!
//! In: the text of a file of `--substitute`, or a ConfigMap or Secret of the folders. Out: a [`VariableSource`]. A value
//! that is encrypted isn't used.

use crate::options::is_variable_name;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatefold_diagnostic::yaml::{Key, Node, Value};
use gatefold_diagnostic::{Code, Diagnostic, Document, Findings, Place};

/// Values that SOPS has encrypted begin with this.
const ENCRYPTED: &str = "ENC[";

/// Definitions of variables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VariableSource {
    /// The text.
    pub document: Document,
    /// What defines them.
    pub name: SourceName,
    /// The variables, in the order of the text.
    pub variables: Vec<(String, String)>,
    /// Whether values are encrypted, so that they can't be used.
    pub encrypted: bool,
}

/// What defines variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceName {
    /// A file of `--substitute`.
    File,
    /// A ConfigMap or Secret.
    Object {
        /// The kind.
        kind: String,
        /// The namespace. `None` if the object has none in its file.
        namespace: Option<String>,
        /// The name.
        name: String,
    },
}

/// The text of a scalar. `None` for a list or a mapping.
pub(crate) fn scalar_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Null => Some(String::new()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Sequence(_) | Value::Mapping(_) => None,
    }
}

impl VariableSource {
    /// Reads a ConfigMap or Secret of the folders. `None` for objects of other kinds.
    pub(crate) fn of_object(object: &Node, document: &Document) -> Option<Self> {
        let kind = object.field("kind").and_then(Node::as_str)?;
        if !matches!(kind, "ConfigMap" | "Secret") {
            return None;
        }
        let metadata = object.field("metadata")?;
        let text = |field: &str| metadata.field(field)?.as_str().map(str::to_owned);
        let name = SourceName::Object {
            kind: kind.to_owned(),
            namespace: text("namespace"),
            name: text("name")?,
        };
        let mut source = VariableSource::new(name, document);
        source.read_object(object, kind);
        source.variables.retain(|(name, _)| is_variable_name(name));
        Some(source)
    }

    /// Reads a YAML file of `--substitute`: a ConfigMap, a Secret, or a mapping of names to values.
    pub(crate) fn of_file(root: &Node, document: &Document, findings: &mut Findings) -> Self {
        let mut source = VariableSource::new(SourceName::File, document);
        let kind = root.field("kind").and_then(Node::as_str);
        let is_object = root.field("apiVersion").is_some() && root.field("metadata").is_some();
        match (&root.value, kind) {
            (_, Some(kind @ ("ConfigMap" | "Secret"))) if is_object => {
                source.read_object(root, kind);
            }
            (Value::Mapping(entries), _) if !is_object => source.read_entries(entries, false),
            _ => {
                let message = "variables are a mapping of names to values, a ConfigMap or a Secret";
                let found = report(document, root.span.clone(), message.to_owned());
                findings.push(found);
            }
        }
        source.check(root, findings);
        source
    }

    /// Reads lines of the form `NAME=VALUE`. Empty lines and lines that begin with `#` are skipped.
    pub(crate) fn of_lines(document: &Document, findings: &mut Findings) -> Self {
        let mut source = VariableSource::new(SourceName::File, document);
        let mut start = document.bytes.start;
        for line in document.text().unwrap_or_default().split_inclusive('\n') {
            let span = start..start + line.trim_end().len();
            start += line.len();
            let line = line.trim().trim_start_matches('\u{feff}');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
            let Some((name, value)) = line
                .split_once('=')
                .filter(|(name, _)| is_variable_name(name.trim_end()))
            else {
                let message = "not a line of the form NAME=VALUE".to_owned();
                findings.push(report(document, span, message));
                continue;
            };
            source.add(name.trim_end(), unquoted(value.trim()));
        }
        source.check_encryption(findings);
        source
    }

    fn new(name: SourceName, document: &Document) -> Self {
        VariableSource {
            document: document.clone(),
            name,
            variables: Vec::new(),
            encrypted: false,
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        if value.starts_with(ENCRYPTED) {
            self.encrypted = true;
        } else {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
    }

    fn read_object(&mut self, object: &Node, kind: &str) {
        for (field, is_base64) in [("data", kind == "Secret"), ("stringData", false)] {
            let entries = object.field(field).map(|node| &node.value);
            if let Some(Value::Mapping(entries)) = entries {
                self.read_entries(entries, is_base64);
            }
        }
    }

    fn read_entries(&mut self, entries: &[(Key, Node)], is_base64: bool) {
        for (key, node) in entries {
            let Some(text) = scalar_text(node) else {
                continue;
            };
            if !is_base64 || text.starts_with(ENCRYPTED) {
                self.add(&key.name, &text);
                continue;
            }
            let compact: String = text.split_ascii_whitespace().collect();
            let decoded = STANDARD.decode(compact).ok();
            if let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
                self.add(&key.name, &text);
            }
        }
    }

    /// Reports names that aren't those of variables, and values that are encrypted.
    fn check(&mut self, root: &Node, findings: &mut Findings) {
        let (good, bad): (Vec<_>, Vec<_>) = std::mem::take(&mut self.variables)
            .into_iter()
            .partition(|(name, _)| is_variable_name(name));
        self.variables = good;
        for (name, _) in bad.into_iter().filter(|(name, _)| name != "sops") {
            let message = format!(
                "`{name}` can't be the name of a variable: a letter or `_`, followed by letters, digits and `_`"
            );
            findings.push(report(&self.document, root.span.clone(), message));
        }
        self.check_encryption(findings);
    }

    fn check_encryption(&self, findings: &mut Findings) {
        if self.encrypted {
            let span = self.document.bytes.start..self.document.bytes.start;
            let message = "the values are encrypted, so they can't be used".to_owned();
            let mut found = report(&self.document, span, message);
            found.code = Code::VariablesNotAvailable;
            found.severity = Code::VariablesNotAvailable.severity();
            found.help = Some("give a file with decrypted values".to_owned());
            findings.push(found);
        }
    }
}

fn unquoted(value: &str) -> &str {
    let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

fn report(document: &Document, bytes: std::ops::Range<usize>, message: String) -> Diagnostic {
    let place = Place::Bytes {
        source: document.source.clone(),
        bytes,
    };
    Diagnostic::new(Code::InvalidVariable, place, message)
}
