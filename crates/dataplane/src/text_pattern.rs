//! Patterns for texts (API: `StringMatch` of Envoy Gateway).

use regex::Regex;
use std::fmt;

/// A pattern for texts.
#[derive(Clone, Debug)]
pub enum TextPattern {
    /// A whole text.
    Exact(String),
    /// The beginning of a text.
    Prefix(String),
    /// The end of a text.
    Suffix(String),
    /// An expression that matches a whole text.
    Expression(Regex),
}

impl TextPattern {
    /// Whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            TextPattern::Exact(whole) => text == whole,
            TextPattern::Prefix(beginning) => text.starts_with(beginning),
            TextPattern::Suffix(end) => text.ends_with(end),
            TextPattern::Expression(expression) => expression.is_match(text),
        }
    }
}

/// Two patterns are equal if they are of the same kind and have the same text.
impl PartialEq for TextPattern {
    fn eq(&self, other: &Self) -> bool {
        use TextPattern::{Exact, Expression, Prefix, Suffix};
        match (self, other) {
            (Exact(one), Exact(other))
            | (Prefix(one), Prefix(other))
            | (Suffix(one), Suffix(other)) => one == other,
            (Expression(one), Expression(other)) => one.as_str() == other.as_str(),
            (Exact(_) | Prefix(_) | Suffix(_) | Expression(_), _) => false,
        }
    }
}

impl Eq for TextPattern {}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextPattern::Exact(text) => f.write_str(text),
            TextPattern::Prefix(text) => write!(f, "{text}*"),
            TextPattern::Suffix(text) => write!(f, "*{text}"),
            TextPattern::Expression(expression) => write!(f, "/{expression}/"),
        }
    }
}
