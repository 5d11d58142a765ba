//! Decodes a tree of YAML nodes into typed objects.
//!
//! In: the tree of a document. Out: values of the API types, and every problem of the document in one pass. Never resolves
//! references to other objects.

pub(crate) mod document;
pub(crate) mod document_reader;
pub(crate) mod name;
pub(crate) mod not_a_manifest;
pub(crate) mod object;
pub(crate) mod old_version;
mod scalar;
pub(crate) mod schema;
pub(crate) mod unknown_kind;

use crate::substitution::variables_in;
use gatefold_diagnostic::Findings;
use gatefold_diagnostic::did_you_mean;
use gatefold_diagnostic::yaml::{Key, Node, Span, Value};
use gatefold_diagnostic::{
    Code, Diagnostic, Document, PathStep, Place, Pointer, ResourceId, Severity,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A type that can be decoded from YAML.
pub(crate) trait Decode: Sized {
    /// Decodes the value. `None` means that the problem was reported to `decoder`. Callers continue with the next value, so
    /// that one pass finds every problem.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self>;

    /// The value of an absent field or of `null`. `None` if the field is required.
    fn absent() -> Option<Self> {
        None
    }
}

/// The state of decoding a document: the current position, and the problems so far.
pub(crate) struct Decoder {
    document: Document,
    resource: Option<ResourceId>,
    path: Vec<PathStep>,
    /// The position of the key of each step of `path`. `None` for elements of lists.
    keys: Vec<Option<Span>>,
    findings: Findings,
}

impl Decoder {
    /// Creates a decoder for a document.
    pub fn new(document: Document, resource: Option<ResourceId>) -> Self {
        Decoder {
            document,
            resource,
            path: Vec::new(),
            keys: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// The problems.
    pub(crate) fn into_findings(self) -> Findings {
        self.findings
    }

    /// The document.
    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// Sets the object that the following problems are about.
    pub(crate) fn about(&mut self, resource: ResourceId) {
        self.resource = Some(resource);
    }

    /// The path of the field that is being decoded.
    pub fn pointer(&self) -> Pointer {
        Pointer(self.path.clone())
    }

    /// Decodes a value one step further in.
    pub fn within<T>(
        &mut self,
        step: impl Into<PathStep>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.step(step.into(), None, read)
    }

    /// Decodes the value of a key.
    pub fn within_key<T>(
        &mut self,
        key: &Key,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let step = PathStep::Key(Cow::Owned(key.name.clone()));
        self.step(step, Some(key.span.clone()), read)
    }

    fn step<T>(
        &mut self,
        step: PathStep,
        key: Option<Span>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.path.push(step);
        self.keys.push(key);
        let value = read(self);
        self.path.pop();
        self.keys.pop();
        value
    }

    /// The span to underline for the value that is being decoded. For a list or a mapping that is its key, which is more
    /// helpful than its first line.
    pub(crate) fn span_of<'s>(&'s self, node: &'s Node) -> &'s Span {
        match (&node.value, self.keys.last()) {
            (Value::Sequence(_) | Value::Mapping(_) | Value::Null, Some(Some(key))) => key,
            _ => &node.span,
        }
    }

    /// Decodes a value that isn't essential. If it has errors, it is ignored, and the first error is reported as a warning
    /// with this code.
    pub(crate) fn forgivingly<T>(
        &mut self,
        code: Code,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let before = std::mem::take(&mut self.findings);
        let value = read(self);
        let mut found = std::mem::replace(&mut self.findings, before);
        if !found.has_errors() {
            self.findings.append(found);
            return value;
        }
        let first = found.iter_mut().find(|it| it.severity == Severity::Error);
        if let Some(first) = first {
            let mut warning = first.clone();
            warning.code = code;
            warning.severity = Severity::Warning;
            self.findings.push(warning);
        }
        None
    }

    /// Reports a problem at a position in this document.
    pub fn report(&mut self, code: Code, span: &Span, message: String) -> &mut Diagnostic {
        let place = Place::Bytes {
            source: self.document.source.clone(),
            bytes: span.clone(),
        };
        let mut diagnostic = Diagnostic::new(code, place, message);
        diagnostic.resource = self.resource.clone();
        self.findings.push(diagnostic)
    }

    /// Reports that the value has the wrong type.
    pub fn wrong_type(&mut self, node: &Node, expected: &str) {
        if has_variable(node) {
            self.undefined_variable(node);
            return;
        }
        let message = format!(
            "`{}` must be {expected}, but is {}",
            self.pointer(),
            node.value.describe()
        );
        let span = self.span_of(node).clone();
        self.report(Code::WrongType, &span, message);
    }

    /// Reports that the value isn't allowed, and why.
    pub fn invalid(&mut self, node: &Node, why: impl std::fmt::Display) -> &mut Diagnostic {
        if has_variable(node) {
            return self.undefined_variable(node);
        }
        let message = format!("`{}`: {why}", self.pointer());
        let span = self.span_of(node).clone();
        self.report(Code::InvalidValue, &span, message)
    }

    /// Reports that the value has a variable in place of something that the field allows.
    fn undefined_variable(&mut self, node: &Node) -> &mut Diagnostic {
        let names = variables_in(node.as_str().unwrap_or_default());
        let shown: Vec<String> = names.iter().map(|name| format!("`${{{name}}}`")).collect();
        let (noun, verb) = match shown.len() {
            1 => ("variable", "isn't"),
            _ => ("variables", "aren't"),
        };
        let (pointer, shown) = (self.pointer(), shown.join(" and "));
        let message = format!("`{pointer}` contains the {noun} {shown}, which {verb} defined");
        let values = names
            .iter()
            .map(|name| format!(" --substitute {name}=VALUE"));
        let help = format!("define each variable:{}", values.collect::<String>());
        let span = self.span_of(node).clone();
        let found = self.report(Code::UndefinedVariable, &span, message);
        found.help =
            Some(help.replacen("each variable:", "it with", usize::from(names.len() == 1)));
        found
    }

    /// Reports a field that the mapping can't have; `known` has the names of those that it can have.
    pub fn unknown_field(&mut self, key: &Key, known: &[&str]) {
        let message = format!("unknown field `{}`", self.pointer().key(key.name.clone()));
        let help = did_you_mean(&key.name, known);
        let help = help.unwrap_or_else(|| format!("known fields here: {}", known.join(", ")));
        self.report(Code::UnknownField, &key.span, message).help = Some(help);
    }

    /// Sets the help text of the last problem.
    pub fn suggest(&mut self, help: impl Into<String>) {
        if let Some(last) = self.findings.last_mut() {
            last.help = Some(help.into());
        }
    }

    /// Begins a mapping whose fields are all known. Unknown fields are reported.
    pub fn closed<'n>(&mut self, node: &'n Node) -> Option<Fields<'n>> {
        self.fields(node, false)
    }

    /// Begins a mapping of which only some fields are decoded.
    pub fn open<'n>(&mut self, node: &'n Node) -> Option<Fields<'n>> {
        self.fields(node, true)
    }

    fn fields<'n>(&mut self, node: &'n Node, open: bool) -> Option<Fields<'n>> {
        match &node.value {
            Value::Mapping(_) => Some(Fields {
                node,
                open,
                asked: Vec::new(),
            }),
            _ => {
                self.wrong_type(node, "a mapping");
                None
            }
        }
    }
}

/// Whether a value is a text with a variable.
fn has_variable(node: &Node) -> bool {
    node.as_str()
        .is_some_and(|text| !variables_in(text).is_empty())
}

/// A mapping while its fields are decoded.
pub(crate) struct Fields<'n> {
    node: &'n Node,
    open: bool,
    asked: Vec<&'static str>,
}

impl Fields<'_> {
    /// Decodes a field. An absent field has the value that the type defines, or is reported as missing.
    pub fn read<T: Decode>(&mut self, name: &'static str, decoder: &mut Decoder) -> Option<T> {
        self.read_or(name, T::absent, decoder)
    }

    /// Decodes a field, with a default for an absent field.
    pub fn read_or<T: Decode>(
        &mut self,
        name: &'static str,
        absent: impl FnOnce() -> Option<T>,
        decoder: &mut Decoder,
    ) -> Option<T> {
        match self.node.entry(name) {
            Some((key, node)) if node.value != Value::Null => {
                self.asked.push(name);
                decoder.step(PathStep::Key(name.into()), Some(key.span.clone()), |d| {
                    T::decode(node, d)
                })
            }
            _ => match absent() {
                Some(value) => {
                    self.asked.push(name);
                    Some(value)
                }
                None => {
                    self.missing(name, decoder);
                    None
                }
            },
        }
    }

    /// Reports that a required field is missing.
    pub fn missing(&mut self, name: &'static str, decoder: &mut Decoder) {
        self.asked.push(name);
        let found = self.node.entry(name);
        let parent = decoder.span_of(self.node);
        let span = found.map_or(parent, |(key, _)| &key.span).clone();
        let state = found.map_or("missing", |_| "empty");
        let pointer = decoder.pointer().key(name);
        let message = format!("`{pointer}` is required, but {state}");
        decoder.report(Code::MissingField, &span, message);
    }

    /// Accepts a field without decoding it.
    pub fn skip(&mut self, name: &'static str) {
        self.asked.push(name);
    }

    /// Ends the mapping and reports unknown fields. In an open mapping only fields that differ from a known one in case are
    /// reported.
    pub fn end(&self, decoder: &mut Decoder) {
        let Value::Mapping(entries) = &self.node.value else {
            return;
        };
        for (key, _) in entries {
            if self.asked.contains(&key.name.as_str()) {
                continue;
            }
            if self.open {
                self.check_case(key, decoder);
                continue;
            }
            decoder.unknown_field(key, &self.asked);
        }
    }
}

impl Fields<'_> {
    /// Reports a field that differs from a known one only in case. No two fields of Kubernetes do, so it is a typing error.
    fn check_case(&self, key: &Key, decoder: &mut Decoder) {
        let similar = |known: &&&str| known.eq_ignore_ascii_case(&key.name);
        if let Some(known) = self.asked.iter().find(similar) {
            let pointer = decoder.pointer().key(key.name.clone());
            let message = format!("unknown field `{pointer}`");
            let found = decoder.report(Code::UnknownField, &key.span, message);
            found.help = Some(format!("did you mean `{known}`?"));
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        T::decode(node, decoder).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        T::decode(node, decoder).map(Box::new)
    }
    fn absent() -> Option<Self> {
        T::absent().map(Box::new)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            decoder.wrong_type(node, "a list");
            return None;
        };
        // All elements are decoded before the first failure is returned, so that the problems of each are reported.
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(i, item)| decoder.within(i, |d| T::decode(item, d)))
            .collect();
        let mut read: Vec<T> = read.into_iter().collect::<Option<_>>()?;
        // Collecting makes room for four elements, and most lists have one.
        read.shrink_to_fit();
        Some(read)
    }
    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Mapping(entries) = &node.value else {
            decoder.wrong_type(node, "a mapping");
            return None;
        };
        let read: Vec<Option<(String, T)>> = entries
            .iter()
            .map(|(key, value)| {
                let value = decoder.within_key(key, |d| T::decode(value, d))?;
                Some((key.name.clone(), value))
            })
            .collect();
        read.into_iter().collect()
    }
    fn absent() -> Option<Self> {
        Some(BTreeMap::new())
    }
}
