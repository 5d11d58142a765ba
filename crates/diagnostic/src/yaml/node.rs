//! The tree of a YAML document, with positions.

use std::ops::Range;

/// A range of bytes in the source text.
pub type Span = Range<usize>;

/// A YAML value with its position. Trees exist only while a document is decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The position of the value.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// A value, as Kubernetes interprets YAML.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or an empty value.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer or a float.
    Number(serde_json::Number),
    /// A string.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the file; keys are unique.
    Mapping(Vec<(Key, Node)>),
}

/// The key of a mapping entry, with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The position of the key.
    pub span: Span,
    /// The key.
    pub name: String,
}

/// One item of a `kind: List`.
pub(super) fn item(list: &Node, index: usize) -> Option<&Node> {
    match &list.field("items")?.value {
        Value::Sequence(items) => items.get(index),
        _ => None,
    }
}

impl Node {
    /// The value of a key. `None` if this is no mapping or doesn't have the key.
    pub fn field(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, node)| node)
    }

    /// Like [`field`](Self::field), for a change of the value.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut Node> {
        let Value::Mapping(entries) = &mut self.value else {
            return None;
        };
        let found = entries.iter_mut().find(|(key, _)| key.name == name);
        found.map(|(_, node)| node)
    }

    /// The entry of a key. `None` if this is no mapping or doesn't have the key.
    pub fn entry(&self, name: &str) -> Option<(&Key, &Node)> {
        let Value::Mapping(entries) = &self.value else {
            return None;
        };
        let found = entries.iter().find(|(key, _)| key.name == name);
        found.map(|(key, node)| (key, node))
    }

    /// The string. `None` if the value isn't a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value.clone().into(),
            Value::String(value) => value.clone().into(),
            Value::Sequence(items) => items.iter().map(Node::to_json).collect(),
            Value::Mapping(entries) => entries
                .iter()
                .map(|(key, node)| (key.name.clone(), node.to_json()))
                .collect(),
        }
    }
}

impl Value {
    /// The type of the value in words, for diagnostics.
    pub fn describe(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}
