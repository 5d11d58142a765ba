//! From a tree of YAML nodes to a typed object, with every problem of the document in one pass.

pub(crate) mod document;
pub(crate) mod name;
pub(crate) mod object;
pub(crate) mod old_version;
pub(crate) mod outcome;
mod scalar;
pub(crate) mod schema;
pub(crate) mod unknown_kind;

use gatefold_diagnostic::Findings;
use gatefold_diagnostic::did_you_mean;
use gatefold_diagnostic::yaml::{Key, Node, Span, Value};
use gatefold_diagnostic::{Code, Diagnostic, Document, Place, Pointer, ResourceId, Severity, Step};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A type that can be read from YAML.
pub trait Decode: Sized {
    /// Reads the value. `None` means that the problem is already noted in `decoder`; callers go on with
    /// what stands beside it, so that one pass finds every problem.
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self>;

    /// What an absent field or `null` means; `None` for a field that must be there.
    fn absent() -> Option<Self> {
        None
    }
}

/// What is the same for a whole document: where it stands, and what was found in it.
pub struct Decoder {
    document: Document,
    resource: Option<ResourceId>,
    path: Vec<Step>,
    /// Where the key of each step of `path` stands; elements of lists have none.
    keys: Vec<Option<Span>>,
    findings: Findings,
}

impl Decoder {
    /// Begins with a document.
    pub fn new(document: Document, resource: Option<ResourceId>) -> Self {
        Decoder {
            document,
            resource,
            path: Vec::new(),
            keys: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// What was found.
    pub(crate) fn into_findings(self) -> Findings {
        self.findings
    }

    /// The document.
    pub(crate) fn document(&self) -> &Document {
        &self.document
    }

    /// Names the object, once its name is read.
    pub(crate) fn about(&mut self, resource: ResourceId) {
        self.resource = Some(resource);
    }

    /// The field that is being read.
    pub fn pointer(&self) -> Pointer {
        Pointer(self.path.clone())
    }

    /// Reads what is one step further in.
    pub fn within<T>(
        &mut self,
        step: impl Into<Step>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.step(step.into(), None, read)
    }

    /// Reads the value of a key.
    pub fn within_key<T>(
        &mut self,
        key: &Key,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let step = Step::Key(Cow::Owned(key.name.clone()));
        self.step(step, Some(key.span.clone()), read)
    }

    fn step<T>(
        &mut self,
        step: Step,
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

    /// What to underline of the value that is being read: a list's or a mapping's key says more than its
    /// first line.
    pub(crate) fn span_of<'s>(&'s self, node: &'s Node) -> &'s Span {
        match (&node.value, self.keys.last()) {
            (Value::Sequence(_) | Value::Mapping(_) | Value::Null, Some(Some(key))) => key,
            _ => &node.span,
        }
    }

    /// Reads what the object can do without. Errors don't count against the object: the value is passed over, and
    /// the first error is reported as a warning with this code.
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

    /// Notes a problem at a place of this document.
    pub fn report(&mut self, code: Code, span: &Span, message: String) -> &mut Diagnostic {
        let place = Place::Bytes {
            source: self.document.source.clone(),
            bytes: span.clone(),
        };
        let mut diagnostic = Diagnostic::new(code, place, message);
        diagnostic.resource = self.resource.clone();
        self.findings.push(diagnostic)
    }

    /// Notes that the value has the wrong type.
    pub fn wrong_type(&mut self, node: &Node, expected: &str) {
        let message = format!(
            "`{}` must be {expected}, but is {}",
            self.pointer(),
            node.value.describe()
        );
        let span = self.span_of(node).clone();
        self.report(Code::WrongType, &span, message);
    }

    /// Notes that the value isn't allowed, and why.
    pub fn invalid(&mut self, node: &Node, why: impl std::fmt::Display) -> &mut Diagnostic {
        let message = format!("`{}`: {why}", self.pointer());
        let span = self.span_of(node).clone();
        self.report(Code::InvalidValue, &span, message)
    }

    /// Adds a hint to the last problem.
    pub fn suggest(&mut self, help: impl Into<String>) {
        if let Some(last) = self.findings.last_mut() {
            last.help = Some(help.into());
        }
    }

    /// Opens a mapping whose fields are all known: any other is a problem.
    pub fn closed<'n>(&mut self, node: &'n Node) -> Option<Fields<'n>> {
        self.fields(node, false)
    }

    /// Opens a mapping of which only some fields are of interest.
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

/// A mapping while its fields are read.
pub struct Fields<'n> {
    node: &'n Node,
    open: bool,
    asked: Vec<&'static str>,
}

impl Fields<'_> {
    /// Reads one field; an absent one is what the type says, or a problem.
    pub fn read<T: Decode>(&mut self, name: &'static str, decoder: &mut Decoder) -> Option<T> {
        self.read_or(name, T::absent, decoder)
    }

    /// Reads one field, with a default for when it isn't there.
    pub fn read_or<T: Decode>(
        &mut self,
        name: &'static str,
        absent: impl FnOnce() -> Option<T>,
        decoder: &mut Decoder,
    ) -> Option<T> {
        match self.node.entry(name) {
            Some((key, node)) if node.value != Value::Null => {
                self.asked.push(name);
                decoder.step(Step::Key(name.into()), Some(key.span.clone()), |d| {
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

    /// Notes that a required field is missing.
    pub fn missing(&mut self, name: &'static str, decoder: &mut Decoder) {
        self.asked.push(name);
        let found = self.node.entry(name);
        let parent = decoder.span_of(self.node);
        let span = found.map_or(parent, |(key, _)| &key.span).clone();
        let state = found.map_or("isn't there", |_| "is empty");
        let pointer = decoder.pointer().key(name);
        let message = format!("`{pointer}` is required, but {state}");
        decoder.report(Code::MissingField, &span, message);
    }

    /// Passes over a field that may be there and isn't read.
    pub fn skip(&mut self, name: &'static str) {
        self.asked.push(name);
    }

    /// Ends the mapping: what wasn't asked for isn't a field of this type. In an open one only a field
    /// that differs from a known one in case or by a slip is mentioned.
    pub fn end(self, decoder: &mut Decoder) {
        let Value::Mapping(entries) = &self.node.value else {
            return;
        };
        for (key, _) in entries {
            if self.asked.contains(&key.name.as_str()) {
                continue;
            }
            if self.open {
                self.suspect(key, decoder);
                continue;
            }
            let pointer = decoder.pointer().key(key.name.clone());
            let help = did_you_mean(&key.name, &self.asked);
            let fields = self.asked.join(", ");
            decoder
                .report(
                    Code::UnknownField,
                    &key.span,
                    format!("unknown field `{pointer}`"),
                )
                .help = Some(help.unwrap_or_else(|| format!("known fields here: {fields}")));
        }
    }
}

impl Fields<'_> {
    /// No field of Kubernetes differs from another one in case only, so such a one is a slip.
    fn suspect(&self, key: &Key, decoder: &mut Decoder) {
        let slip = |known: &&&str| known.eq_ignore_ascii_case(&key.name);
        if let Some(known) = self.asked.iter().find(slip) {
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

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Sequence(items) = &node.value else {
            decoder.wrong_type(node, "a list");
            return None;
        };
        // All elements are read before any is missed, so that each one's problems are found.
        let read: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(i, item)| decoder.within(i, |d| T::decode(item, d)))
            .collect();
        read.into_iter().collect()
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
