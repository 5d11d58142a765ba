//! Headers by which clients are recognised that must not be redirected (API: `denyRedirect`).

use http::{HeaderMap, HeaderName};
use regex::bytes::Regex;
use std::fmt;

/// A header with a certain value.
#[derive(Clone, Debug)]
pub struct HeaderMatch {
    /// The name.
    pub name: HeaderName,
    /// The pattern of its value.
    pub pattern: ValuePattern,
}

/// The pattern of a value. Several values of a header are joined with commas, as in Envoy.
#[derive(Clone, Debug)]
pub enum ValuePattern {
    /// The whole value.
    Exact(Box<str>),
    /// The beginning.
    Prefix(Box<str>),
    /// The end.
    Suffix(Box<str>),
    /// An expression that matches the whole value.
    Expression(Regex),
}

impl HeaderMatch {
    /// Whether a request has the header with such a value.
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let values: Vec<&[u8]> = headers
            .get_all(&self.name)
            .iter()
            .map(|value| value.as_bytes())
            .collect();
        match values.as_slice() {
            [] => false,
            [only] => self.pattern.matches(only),
            several => self.pattern.matches(&several.join(&b',')),
        }
    }
}

impl ValuePattern {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            ValuePattern::Exact(text) => value == text.as_bytes(),
            ValuePattern::Prefix(text) => value.starts_with(text.as_bytes()),
            ValuePattern::Suffix(text) => value.ends_with(text.as_bytes()),
            ValuePattern::Expression(expression) => expression.is_match(value),
        }
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.pattern {
            ValuePattern::Exact(text) => write!(f, "{name}: {text}"),
            ValuePattern::Prefix(text) => write!(f, "{name}: {text}*"),
            ValuePattern::Suffix(text) => write!(f, "{name}: *{text}"),
            ValuePattern::Expression(expression) => write!(f, "{name}: /{expression}/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn values_are_compared_as_a_whole_and_joined_by_commas() {
        let mut headers = HeaderMap::new();
        for value in ["application/json", "text/html"] {
            headers.append("accept", HeaderValue::from_static(value));
        }
        let expression = Regex::new("^(?:.*json.*)$").expect("an expression");
        for (pattern, expected) in [
            (ValuePattern::Exact("application/json".into()), false),
            (
                ValuePattern::Exact("application/json,text/html".into()),
                true,
            ),
            (ValuePattern::Prefix("application/json".into()), true),
            (ValuePattern::Suffix("html".into()), true),
            (ValuePattern::Suffix("json".into()), false),
            (ValuePattern::Expression(expression), true),
        ] {
            let name = HeaderName::from_static("accept");
            let it = HeaderMatch { name, pattern };
            assert_eq!(it.matches(&headers), expected, "{it}");
            assert!(!it.matches(&HeaderMap::new()), "{it}");
        }
    }
}
