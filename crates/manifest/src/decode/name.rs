//! Checks `metadata.name` and `metadata.namespace` as an API server does.

use crate::decode::Decoder;
use crate::kind::{Kind, NameRule, Scope};
use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Code, Pointer, ResourceId};

/// The path of an object's name.
pub(crate) fn pointer() -> Pointer {
    Pointer::root().key("metadata").key("name")
}

/// Checks the names in `metadata`.
pub(crate) fn check(kind: Kind, metadata: &Node, decoder: &mut Decoder) {
    check_name(kind.name(), rule(kind), metadata, decoder);
    if kind.scope() == Scope::Namespaced {
        check_namespace(metadata, decoder);
    }
}

/// Checks the names in `metadata` of a namespaced object of another kind.
pub(crate) fn check_namespaced(kind: &str, metadata: &Node, decoder: &mut Decoder) {
    check_name(kind, subdomain, metadata, decoder);
    check_namespace(metadata, decoder);
}

fn check_name(
    kind: &str,
    rule: fn(&str) -> Result<(), String>,
    metadata: &Node,
    decoder: &mut Decoder,
) {
    match metadata.entry("name") {
        Some((key, node)) if node.value != Value::Null => {
            decoder.within_key(key, |decoder| checked(node, rule, decoder));
        }
        _ => missing(kind, metadata, decoder),
    }
}

fn check_namespace(metadata: &Node, decoder: &mut Decoder) {
    if let Some((key, node)) = metadata.entry("namespace")
        && node.value != Value::Null
        && node.as_str() != Some("")
    {
        decoder.within_key(key, |decoder| checked(node, label, decoder));
    }
}

/// Whether a namespaced object of another kind can have these names.
pub(crate) fn is_valid_namespaced(id: &ResourceId) -> bool {
    label(&id.namespace).is_ok() && subdomain(&id.name).is_ok()
}

/// Whether an object can have these names.
pub(crate) fn is_valid(kind: Kind, id: &ResourceId) -> bool {
    let namespace = match kind.scope() {
        Scope::Cluster => true,
        Scope::Namespaced => label(&id.namespace).is_ok(),
    };
    namespace && rule(kind)(&id.name).is_ok()
}

fn rule(kind: Kind) -> fn(&str) -> Result<(), String> {
    match kind.name_rule() {
        NameRule::Subdomain => subdomain,
        NameRule::Label => label,
        NameRule::Service => service_name,
    }
}

fn missing(kind: &str, metadata: &Node, decoder: &mut Decoder) {
    let message = format!("{kind} has no `metadata.name`");
    let span = decoder.span_of(metadata).clone();
    let found = decoder.report(Code::NotAnObject, &span, message);
    if metadata.field("generateName").is_some() {
        found.help = Some("`generateName` requires an API server; write a `name`".to_owned());
    }
}

fn checked(node: &Node, rule: fn(&str) -> Result<(), String>, decoder: &mut Decoder) -> Option<()> {
    // Decoding `metadata` reports a value of the wrong type.
    let text = node.as_str()?;
    if let Err(why) = rule(text) {
        decoder.invalid(node, why);
    }
    Some(())
}

/// An RFC 1123 subdomain: the name of an object of most kinds.
pub(crate) fn subdomain(text: &str) -> Result<(), String> {
    if text.len() > 253 {
        return Err(format!(
            "has {} characters; a name has at most 253",
            text.len()
        ));
    }
    if text.split('.').all(is_label) {
        return Ok(());
    }
    Err(format!(
        "`{text}` isn't a name: lower-case letters, digits, `-` and `.`, with a letter or a digit at both ends of each part"
    ))
}

/// An RFC 1123 label: the name of a namespace.
pub(crate) fn label(text: &str) -> Result<(), String> {
    if text.len() > 63 {
        return Err(format!(
            "has {} characters; a name of this kind has at most 63",
            text.len()
        ));
    }
    if is_label(text) {
        return Ok(());
    }
    Err(format!(
        "`{text}` isn't a name: lower-case letters, digits and `-`, with a letter or a digit at both ends"
    ))
}

/// The key of a label or an annotation: a name of at most 63 characters, optionally after a domain and `/`.
pub(crate) fn label_key(text: &str) -> Result<(), String> {
    let name = text.split_once('/').map_or(text, |(_, name)| name);
    if name.len() <= 63 && is_qualified_name(text) {
        Ok(())
    } else {
        Err(format!(
            "`{text}` isn't the key of a label or an annotation"
        ))
    }
}

/// Whether a text is a name of letters, digits, `-`, `_` and `.`, optionally after a domain and `/`.
pub(crate) fn is_qualified_name(text: &str) -> bool {
    let (domain, name) = match text.split_once('/') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, text),
    };
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    name.bytes().all(inner)
        && edge(name.bytes().next())
        && edge(name.bytes().last())
        && domain.is_none_or(|domain| subdomain(domain).is_ok())
}

/// An RFC 1035 label: the name of a Service, which becomes a DNS name.
fn service_name(text: &str) -> Result<(), String> {
    label(text)?;
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!(
            "`{text}` begins with a digit; a Service's name begins with a letter"
        ));
    }
    Ok(())
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && !text.starts_with('-') && !text.ends_with('-') && text.bytes().all(inner)
}
