//! Changes to headers, as Envoy Gateway extends the Gateway API's.

use crate::filter::header_modifier::{HeaderAction, HeaderModifier, Headers, refusal};
use crate::text_pattern::TextPattern;
use http::header::{HeaderName, HeaderValue};
use std::fmt;

/// Changes to the headers of a message, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderChange {
    /// Headers to overwrite, append and remove.
    pub modifier: HeaderModifier,
    /// Headers to add if they are absent, after those that are overwritten and appended.
    pub add_if_absent: Vec<(HeaderName, HeaderValue)>,
    /// Headers to remove by their names, which are in lower case, except for those that can't be removed by name either, such as `Content-Length`.
    pub remove_matching: Vec<TextPattern>,
}

impl HeaderChange {
    /// Changes headers.
    pub fn apply(&self, headers: &mut impl Headers) {
        self.modifier.apply(headers);
        for (name, value) in &self.add_if_absent {
            if !headers.fields().contains_key(name) {
                headers.append(name, value);
            }
        }
        if self.remove_matching.is_empty() {
            return;
        }
        let is_match = |name: &&HeaderName| {
            let mut patterns = self.remove_matching.iter();
            patterns.any(|it| it.matches(name.as_str()))
                && refusal(name, HeaderAction::Remove).is_none()
        };
        let names: Vec<HeaderName> = headers.fields().keys().filter(is_match).cloned().collect();
        names.iter().for_each(|name| headers.remove(name));
    }
}

impl HeaderChange {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == HeaderChange::default()
    }

    /// Returns the names of the headers that it sets or adds.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let HeaderModifier { set, add, .. } = &self.modifier;
        let headers = set.iter().chain(add).chain(&self.add_if_absent);
        headers.map(|(name, _)| name)
    }
}

/// Each action in brackets. Empty if there are none.
impl fmt::Display for HeaderChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.modifier)?;
        for (name, value) in &self.add_if_absent {
            write!(f, " default [{name}: {}]", value.as_bytes().escape_ascii())?;
        }
        let mut patterns = self.remove_matching.iter();
        patterns.try_for_each(|it| write!(f, " remove [{it}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use regex::Regex;

    #[test]
    fn adds_only_what_is_absent_and_removes_what_matches() {
        let mut headers = HeaderMap::new();
        for name in ["x-a", "x-debug-1", "a-internal", "x-b"] {
            headers.insert(name, HeaderValue::from_static("old"));
        }
        let header = |name: &'static str| {
            let value = HeaderValue::from_static("new");
            (HeaderName::from_static(name), value)
        };
        let change = HeaderChange {
            modifier: HeaderModifier {
                set: vec![header("x-set")],
                ..HeaderModifier::default()
            },
            add_if_absent: vec![header("x-a"), header("x-set"), header("x-new")],
            remove_matching: vec![
                TextPattern::Prefix("x-debug".to_owned()),
                TextPattern::Suffix("-internal".to_owned()),
                TextPattern::Expression(Regex::new("^(?:x-[bc])$").expect("an expression")),
                TextPattern::Exact("x-absent".to_owned()),
            ],
        };
        change.apply(&mut headers);
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("a text")))
            .collect();
        left.sort();
        assert_eq!(left, ["x-a: old", "x-new: new", "x-set: new"]);
    }

    /// Without its `Content-Length`, the body of a request would be read as the next request.
    #[test]
    fn a_pattern_never_removes_what_frames_a_message() {
        let mut headers = HeaderMap::new();
        let framing = ["connection", "content-length", "host", "transfer-encoding"];
        for name in framing.into_iter().chain(["x-other"]) {
            headers.insert(name, HeaderValue::from_static("old"));
        }
        let change = HeaderChange {
            remove_matching: vec![TextPattern::Prefix(String::new())],
            ..HeaderChange::default()
        };
        change.apply(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, framing);
    }
}
