//! Checks used by `object!` and by the rules of the kinds.

use crate::decode::{Decode, Decoder};
use gatefold_diagnostic::did_you_mean;
use gatefold_diagnostic::yaml::{Node, Span, Value};
use gatefold_diagnostic::{Code, Label, Place};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A value that has a length.
pub(in crate::api) trait Length {
    /// The length and its unit. `None` if the value is absent.
    fn length(&self) -> Option<(usize, &'static str)>;
}

impl<T> Length for Vec<T> {
    fn length(&self) -> Option<(usize, &'static str)> {
        Some((self.len(), "elements"))
    }
}

impl<T> Length for BTreeMap<String, T> {
    fn length(&self) -> Option<(usize, &'static str)> {
        Some((self.len(), "entries"))
    }
}

impl Length for String {
    fn length(&self) -> Option<(usize, &'static str)> {
        Some((self.chars().count(), "characters"))
    }
}

impl<T: Length> Length for Option<T> {
    fn length(&self) -> Option<(usize, &'static str)> {
        self.as_ref().and_then(Length::length)
    }
}

/// Reports a field whose length is out of bounds. A field that is absent and has no default within the bounds is
/// reported as missing.
pub(in crate::api) fn check_length(
    node: &Node,
    field: &'static str,
    value: &impl Length,
    bounds: RangeInclusive<usize>,
    decoder: &mut Decoder,
) {
    let Some((length, unit)) = value.length() else {
        return;
    };
    if bounds.contains(&length) {
        return;
    }
    let pointer = decoder.pointer().key(field);
    let Some((key, _)) = node
        .entry(field)
        .filter(|(_, value)| value.value != Value::Null)
    else {
        let span = decoder.span_of(node).clone();
        let message = format!("`{pointer}` is required, but missing");
        decoder.report(Code::MissingField, &span, message);
        return;
    };
    let must = match (*bounds.start(), *bounds.end()) {
        (least, usize::MAX) => format!("at least {least}"),
        (0, most) => format!("at most {most}"),
        (least, most) => format!("{least} to {most}"),
    };
    let message = format!("`{pointer}` must have {must} {unit}, but has {length}");
    decoder.report(Code::InvalidValue, &key.span, message);
}

/// Applies a rule to the text of a field, or to each text in its list or mapping.
pub(in crate::api) fn check_texts(
    node: &Node,
    field: &'static str,
    rule: fn(&str) -> Result<(), String>,
    decoder: &mut Decoder,
) {
    let Some((key, value)) = node.entry(field) else {
        return;
    };
    decoder.within_key(key, |decoder| {
        texts(value, rule, decoder);
        Some(())
    });
}

fn texts(node: &Node, rule: fn(&str) -> Result<(), String>, decoder: &mut Decoder) {
    match &node.value {
        Value::String(text) => {
            if let Err(why) = rule(text) {
                decoder.invalid(node, why);
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                decoder.within(index, |decoder| {
                    texts(item, rule, decoder);
                    Some(())
                });
            }
        }
        Value::Mapping(entries) => {
            for (key, value) in entries {
                decoder.within_key(key, |decoder| {
                    texts(value, rule, decoder);
                    Some(())
                });
            }
        }
        // Decoding the value reports the wrong type.
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reports a problem with a field of `node`. If the field is absent, the problem is reported at `node`.
pub(in crate::api) fn refuse(node: &Node, field: &'static str, why: &str, decoder: &mut Decoder) {
    let pointer = decoder.pointer().key(field);
    let span = match node.entry(field) {
        Some((key, value)) => value_span(&key.span, value).clone(),
        None => decoder.span_of(node).clone(),
    };
    decoder.report(Code::InvalidValue, &span, format!("`{pointer}`: {why}"));
}

/// Checks a union: `wanted` must be set, and no other of the fields. `with` names what chooses the field, such as
/// `type RequestRedirect`.
pub(in crate::api) fn check_union(
    with: &str,
    wanted: &str,
    fields: &[(&'static str, bool)],
    node: &Node,
    decoder: &mut Decoder,
) {
    for &(field, set) in fields {
        if field == wanted && !set {
            refuse(node, field, &format!("is required with {with}"), decoder);
        }
        if field != wanted && set {
            refuse(node, field, &format!("isn't allowed with {with}"), decoder);
        }
    }
}

/// Reports the elements of a list that have the same key as an earlier one. Elements without a key are not compared.
pub(in crate::api) fn check_unique<K: Ord>(
    node: &Node,
    field: &'static str,
    keys: impl Iterator<Item = Option<K>>,
    what: &str,
    decoder: &mut Decoder,
) {
    let Some(Value::Sequence(items)) = node.field(field).map(|list| &list.value) else {
        return;
    };
    let mut seen: BTreeMap<K, &Span> = BTreeMap::new();
    for (index, (item, key)) in items.iter().zip(keys).enumerate() {
        let Some(key) = key else {
            continue;
        };
        if let Some(first) = seen.get(&key) {
            let pointer = decoder.pointer().key(field).index(index);
            report_repeated(&format!("`{pointer}`: {what}"), &item.span, first, decoder);
        } else {
            seen.insert(key, &item.span);
        }
    }
}

fn report_repeated(message: &str, second: &Span, first: &Span, decoder: &mut Decoder) {
    let place = Place::Bytes {
        source: decoder.document().source.clone(),
        bytes: first.clone(),
    };
    let found = decoder.report(Code::InvalidValue, second, message.to_owned());
    found.labels.push(Label {
        place,
        text: "the first one".to_owned(),
    });
}

fn value_span<'n>(key: &'n Span, value: &'n Node) -> &'n Span {
    match value.value {
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => key,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => &value.span,
    }
}

/// Decodes a string as one of the values of a `choice!`.
pub(in crate::api) fn read_choice<T: Copy>(
    node: &Node,
    all: &[T],
    text: fn(T) -> &'static str,
    decoder: &mut Decoder,
) -> Option<T> {
    let word = String::decode(node, decoder)?;
    if let Some(found) = all.iter().find(|value| text(**value) == word) {
        return Some(*found);
    }
    let known: Vec<&str> = all.iter().map(|value| text(*value)).collect();
    let why = match known.as_slice() {
        [only] => format!("`{word}` isn't `{only}`"),
        _ => format!("`{word}` isn't one of {}", known.join(", ")),
    };
    let found = decoder.invalid(node, why);
    found.help = found.help.take().or(did_you_mean(&word, &known));
    None
}
