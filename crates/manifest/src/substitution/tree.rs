//! Substitutes the variables of one object.
//!
//! In: the tree of the object. Out: the tree with the values, at the positions of the expressions. Flux substitutes the text
//! of the object after kustomize has written it without unneeded quotes, so a value that looks like a number becomes one.

use super::Variables;
use super::expression::{self, MalformedExpression};
use crate::api::GATEWAY_GROUP;
use crate::kind::{Kind, split_api_version};
use gatefold_diagnostic::yaml::{self, AliasBudget, Node, Span, Tree, Value};
use gatefold_diagnostic::{Code, Diagnostic, Document, Findings, Place, Severity, Source};
use std::sync::Arc;

/// The label or annotation with which an object opts out.
const OPT_OUT: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// Substitutes variables in the objects of a document.
pub(crate) struct TreeSubstitution<'v> {
    variables: &'v Variables,
    stand_ins: bool,
    document: &'v Document,
}

/// Where a value is in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    /// Whether the value is a hostname of a kind of the Gateway API.
    is_hostname: bool,
    /// Whether problems are reported: the value is in a field that is read.
    is_read: bool,
}

impl<'v> TreeSubstitution<'v> {
    pub(crate) fn new(variables: &'v Variables, stand_ins: bool, document: &'v Document) -> Self {
        TreeSubstitution {
            variables,
            stand_ins,
            document,
        }
    }

    /// Substitutes the variables of an object.
    pub(crate) fn apply(&self, object: &mut Node, findings: &mut Findings) {
        if opts_out(object) {
            return;
        }
        let version = object.field("apiVersion").and_then(Node::as_str);
        let (group, _) = split_api_version(version.unwrap_or_default());
        let is_gateway_api = group == GATEWAY_GROUP;
        let kind = Kind::of_node(object);
        let is_read = kind.is_some_and(|kind| !matches!(kind, Kind::ConfigMap | Kind::Secret));
        let Value::Mapping(entries) = &mut object.value else {
            return;
        };
        for (key, node) in entries {
            let position = Position {
                is_hostname: false,
                is_read: is_read && key.name == "spec",
            };
            self.node(
                node,
                position,
                is_gateway_api && key.name == "spec",
                findings,
            );
        }
    }

    fn node(&self, node: &mut Node, position: Position, gateway: bool, findings: &mut Findings) {
        let span = node.span.clone();
        match &mut node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => {
                if text.contains('$')
                    && let Some(value) = self.text(text, &span, position, findings)
                {
                    node.value = value;
                }
            }
            Value::Sequence(items) => {
                for item in items {
                    self.node(item, position, gateway, findings);
                }
            }
            Value::Mapping(entries) => {
                for (key, node) in entries {
                    if key.name.contains('$')
                        && let Some(value) = self.text(&key.name, &key.span, position, findings)
                        && let Value::String(name) = value
                    {
                        key.name = name;
                    }
                    let is_hostname = matches!(&*key.name, "hostname" | "hostnames");
                    let position = Position {
                        is_hostname: gateway && is_hostname,
                        ..position
                    };
                    self.node(node, position, gateway, findings);
                }
            }
        }
    }

    /// The value of a text with variables. `None` if it stays.
    fn text(
        &self,
        text: &str,
        span: &Span,
        position: Position,
        findings: &mut Findings,
    ) -> Option<Value> {
        let value = |name: &str| self.variables.value(name);
        let mut missing = |name: &str, is_last: bool| {
            if !(self.stand_ins && position.is_hostname) {
                return None;
            }
            let stand_in = stand_in(name, is_last)?;
            findings.push(self.stand_in_used(span, name, &stand_in));
            Some(stand_in)
        };
        match expression::evaluate(text, &value, &mut missing) {
            Ok(evaluated) => {
                if let Some(name) = evaluated.undefined.first() {
                    if position.is_read {
                        findings.push(self.undefined(span, name));
                    }
                    return Some(Value::String(evaluated.text));
                }
                Some(typed(text, evaluated.text, span))
            }
            Err(malformed) => {
                if position.is_read {
                    findings.push(self.malformed(span, &malformed));
                }
                None
            }
        }
    }

    fn place(&self, span: &Span) -> Place {
        Place::Bytes {
            source: self.document.source.clone(),
            bytes: span.clone(),
        }
    }

    fn stand_in_used(&self, span: &Span, name: &str, stand_in: &str) -> Diagnostic {
        let message = format!("`${{{name}}}` isn't defined; `{stand_in}` stands in for it");
        Diagnostic::new(Code::StandInVariable, self.place(span), message)
            .help(format!("define it with --substitute {name}=VALUE"))
    }

    /// If the field doesn't allow the text, the decoder reports an error for it as well.
    fn undefined(&self, span: &Span, name: &str) -> Diagnostic {
        let message = format!("the variable `${{{name}}}` isn't defined");
        let mut found = Diagnostic::new(Code::UndefinedVariable, self.place(span), message)
            .note("Flux would make it empty; here it stays as it is written")
            .help(format!("define it with --substitute {name}=VALUE"));
        found.severity = Severity::Warning;
        found
    }

    fn malformed(&self, span: &Span, malformed: &MalformedExpression) -> Diagnostic {
        let source = &malformed.source;
        let message = format!("`{source}` isn't a variable, so Flux would refuse this object");
        Diagnostic::new(Code::InvalidVariable, self.place(span), message).help(format!(
            "write `${source}` for these characters, or turn the substitution off with the annotation `{OPT_OUT}: disabled`"
        ))
    }
}

/// Whether the object has the label or the annotation that turns the substitution off.
fn opts_out(object: &Node) -> bool {
    let metadata = object.field("metadata");
    ["labels", "annotations"].iter().any(|field| {
        let value = metadata.and_then(|metadata| metadata.field(field)?.field(OPT_OUT));
        value.and_then(Node::as_str) == Some("disabled")
    })
}

/// A name for testing in place of a variable. `None` if the name of the variable has no letter or digit.
fn stand_in(name: &str, is_last: bool) -> Option<String> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let name = name.trim_matches('-');
    let suffix = if is_last { ".test" } else { "" };
    (!name.is_empty()).then(|| format!("{name}{suffix}"))
}

/// The value that a text has after the substitution, as Flux types it.
fn typed(before: &str, after: String, span: &Span) -> Value {
    if !is_written_plain(before) {
        return Value::String(after);
    }
    let trimmed = after.trim();
    if !trimmed.starts_with(['[', '{', '"', '\'']) {
        return yaml::plain_value(trimmed);
    }
    let source = Arc::new(Source {
        path: std::path::PathBuf::new(),
        text: trimmed.into(),
    });
    let document = Document {
        bytes: 0..source.text.len(),
        source,
        line: 1,
        item: None,
    };
    let mut findings = Findings::default();
    match yaml::parse(&document, &mut AliasBudget::default(), &mut findings) {
        Tree::Node(mut node) if !findings.has_errors() => {
            place_at(&mut node, span);
            node.value
        }
        _ => Value::String(after),
    }
}

/// Whether kustomize writes a text without quotes.
fn is_written_plain(text: &str) -> bool {
    let first = text.chars().next().unwrap_or(' ');
    let is_indicator = "-?:,[]{}#&*!|>'\"%@` ".contains(first);
    !is_indicator
        && !text.ends_with([' ', ':'])
        && !["\n", "\t", ": ", " #"]
            .iter()
            .any(|part| text.contains(part))
}

/// Gives all parts of a value the position of the text that it comes from.
fn place_at(node: &mut Node, span: &Span) {
    node.span = span.clone();
    match &mut node.value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::Sequence(items) => items.iter_mut().for_each(|item| place_at(item, span)),
        Value::Mapping(entries) => {
            for (key, item) in entries {
                key.span = span.clone();
                place_at(item, span);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_types_that_flux_gives_them() {
        let value = |before: &str, after: &str| {
            let value = typed(before, after.to_owned(), &(0..1));
            Node { span: 0..1, value }.to_json().to_string()
        };
        for (before, after, json) in [
            ("${PORT}", "8080", "8080"),
            ("${ON}", "true", "true"),
            ("${HOST}", "a.example.com", "\"a.example.com\""),
            ("*.${N}", "*.5", "\"*.5\""),
            ("${Q}5${Q}", "\"5\"", "\"5\""),
            ("${HOSTS}", "[a, b]", "[\"a\",\"b\"]"),
            ("${EMPTY}", "", "null"),
            ("${X}", "[broken", "\"[broken\""),
        ] {
            assert_eq!(value(before, after), json, "{before} {after}");
        }
    }

    #[test]
    fn stand_ins_are_names_for_testing() {
        let name = |name, is_last| stand_in(name, is_last);
        assert_eq!(
            name("SECRET_DOMAIN", true).as_deref(),
            Some("secret-domain.test")
        );
        assert_eq!(name("_APP", false).as_deref(), Some("app"));
        assert_eq!(name("__", true), None);
    }
}
