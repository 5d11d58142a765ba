//! Conditions on a request other than its host.
//!
//! In: a match of a rule with its patterns compiled. Out: whether a request satisfies it. Paths are only described here;
//! `path` looks them up.

use super::query;
use super::request::RequestView;
use http::header::{COOKIE, GetAll, ORIGIN};
use http::{HeaderName, HeaderValue, Method};
use regex::{Regex, RegexBuilder};
use std::fmt;
use std::sync::Arc;

/// The memory limit of one compiled pattern, in bytes. `(\w{1,1000}){1000}` exceeds it.
const PATTERN_BYTES: usize = 1 << 20;

/// The conditions of a match, except host and path. All must hold.
#[derive(Debug, Default)]
pub struct Matcher {
    /// The required method, if any.
    pub method: Option<Method>,
    /// Required headers. Each name occurs once.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// Required query parameters. Names are case-sensitive, and each occurs once.
    pub query: Vec<(Box<str>, ValueMatch)>,
}

impl Matcher {
    /// Whether every request matches.
    pub fn is_empty(&self) -> bool {
        self.method.is_none() && self.headers.is_empty() && self.query.is_empty()
    }

    /// Whether a request matches.
    pub fn matches(&self, request: &RequestView<'_>) -> bool {
        self.matches_with(request, |_| true)
    }

    /// Whether the request that a preflight request announces may match: its method is known, its headers other than
    /// `Origin` are not (Fetch standard, section 3.3.2).
    pub(super) fn matches_announced(&self, request: &RequestView<'_>) -> bool {
        self.matches_with(request, |header| header == ORIGIN)
    }

    /// Whether it depends on headers that a preflight request does not have.
    pub(super) fn depends_on_later_headers(&self) -> bool {
        self.headers.iter().any(|(name, _)| name != ORIGIN)
    }

    /// Whether a request matches. Headers that are not `known` count as matching.
    fn matches_with(&self, request: &RequestView<'_>, known: impl Fn(&HeaderName) -> bool) -> bool {
        self.method.as_ref().is_none_or(|it| it == request.method)
            && self.headers.iter().all(|(name, value)| {
                !known(name) || value.matches_header(name, &request.headers.get_all(name))
            })
            && self.query.iter().all(|(name, value)| {
                request
                    .parameter(name)
                    .is_some_and(|it| value.matches_parameter(it))
            })
    }
}

/// Each condition after a space. Empty if there are none.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, " {method}")?;
        }
        for (name, value) in &self.headers {
            write!(f, " header {name}{value}")?;
        }
        for (name, value) in &self.query {
            write!(f, " query {name}{value}")?;
        }
        Ok(())
    }
}

/// A condition on a value.
#[derive(Debug)]
pub enum ValueMatch {
    /// The value is equal to this.
    Exact(Box<str>),
    /// The whole value matches this expression; see [`pattern`].
    Regex(Regex),
}

impl ValueMatch {
    /// Whether a header matches. The values of a repeated header are joined by commas, as in RFC 9110, section 5.2, and in
    /// Envoy (cookies by semicolons: RFC 9113, section 8.2.3). So an unexpected additional value never matches.
    pub(crate) fn matches_header(
        &self,
        name: &HeaderName,
        values: &GetAll<'_, HeaderValue>,
    ) -> bool {
        let separator = if name == COOKIE { "; " } else { "," };
        match self {
            ValueMatch::Exact(expected) => equals_joined(values, separator, expected),
            ValueMatch::Regex(regex) => {
                let mut values_left = values.iter();
                match (values_left.next(), values_left.next()) {
                    (None, _) => false,
                    (Some(only), None) => text(only).is_some_and(|it| regex.is_match(it)),
                    (Some(_), Some(_)) => {
                        let texts: Option<Vec<&str>> = values.iter().map(text).collect();
                        texts.is_some_and(|it| regex.is_match(&it.join(separator)))
                    }
                }
            }
        }
    }

    /// Whether a query parameter matches. `value` is still encoded.
    fn matches_parameter(&self, value: &str) -> bool {
        match self {
            ValueMatch::Exact(expected) => query::equals(value, expected),
            ValueMatch::Regex(regex) => query::decode(value).is_some_and(|it| regex.is_match(&it)),
        }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueMatch::Exact(value) => write!(f, "={value:?}"),
            ValueMatch::Regex(regex) => write!(f, "~{:?}", regex.as_str()),
        }
    }
}

/// Whether there is at least one value and the joined values equal `expected`.
fn equals_joined(values: &GetAll<'_, HeaderValue>, separator: &str, expected: &str) -> bool {
    let mut values = values.iter();
    let Some(first) = values.next() else {
        return false;
    };
    let mut rest = expected.as_bytes().strip_prefix(first.as_bytes());
    for value in values {
        rest = rest
            .and_then(|it| it.strip_prefix(separator.as_bytes()))
            .and_then(|it| it.strip_prefix(value.as_bytes()));
    }
    rest.is_some_and(<[u8]>::is_empty)
}

/// Returns a header's value as text. `None` if it is not UTF-8, which no pattern matches.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// A condition on a path.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// The path is equal to this.
    Exact(Arc<str>),
    /// The path begins with these segments. A final slash is ignored (`PathMatchPathPrefix` of the API).
    Prefix(Arc<str>),
    /// The whole path matches this expression, written by the user. An expression that [`pattern`] rejects never matches.
    Regex(Arc<str>),
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathMatch::Exact(path) => write!(f, "Exact {path}"),
            PathMatch::Prefix(path) => write!(f, "PathPrefix {path}"),
            PathMatch::Regex(pattern) => write!(f, "RegularExpression {pattern:?}"),
        }
    }
}

/// Compiles a user's pattern so that it must match a whole text. The syntax is that of the regex crate, without
/// look-around and back-references, so matching takes linear time.
///
/// # Errors
/// If it is not a regular expression, or its compiled form exceeds one megabyte.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    // First on its own: `a)|(b` is only valid inside the group, where it would escape the anchors.
    let limited = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
    limited(text)?;
    limited(&whole(text))
}

/// Returns a pattern that matches only whole texts.
pub(super) fn whole(text: &str) -> String {
    format!("^(?:{text})$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn takes(value: &ValueMatch, name: &'static str, sent: &[&[u8]]) -> bool {
        let mut headers = HeaderMap::new();
        for value in sent {
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let name = HeaderName::from_static(name);
        value.matches_header(&name, &headers.get_all(&name))
    }

    #[test]
    fn joins_values_of_repeated_header() {
        let one = ValueMatch::Exact("one".into());
        assert!(takes(&one, "version", &[b"one"]));
        assert!(!takes(&one, "version", &[]));
        assert!(!takes(&one, "version", &[b"one", b"two"]));
        assert!(!takes(&one, "version", &[b"two", b"one"]));
        assert!(!takes(&one, "version", &[b"on"]));
        assert!(!takes(&one, "version", &[b"ones"]));
        let both = ValueMatch::Exact("one,two".into());
        assert!(takes(&both, "version", &[b"one", b"two"]));
        assert!(!takes(&both, "version", &[b"one", b"two", b""]));
        let pattern = ValueMatch::Regex(pattern("one,.*").unwrap());
        assert!(takes(&pattern, "version", &[b"one", b"two"]));
        assert!(!takes(&pattern, "version", &[b"one"]));
        assert!(!takes(&pattern, "version", &[]));
    }

    #[test]
    fn joins_cookies_that_http2_splits() {
        let cookie = ValueMatch::Exact("a=1; b=2".into());
        assert!(takes(&cookie, "cookie", &[b"a=1", b"b=2"]));
        assert!(takes(&cookie, "cookie", &[b"a=1; b=2"]));
    }

    #[test]
    fn matches_no_pattern_if_value_is_not_utf8() {
        let any = ValueMatch::Regex(pattern("(?s).*").unwrap());
        assert!(takes(&any, "version", &[b""]));
        assert!(!takes(&any, "version", &[b"\xff"]));
        assert!(!takes(&any, "version", &[b"a", b"\xff"]));
        assert!(!takes(
            &ValueMatch::Exact("a".into()),
            "version",
            &[b"\xff"]
        ));
    }

    #[test]
    fn pattern_matches_whole_text_only() {
        let either = pattern("a|bc").unwrap();
        assert!(either.is_match("a") && either.is_match("bc"));
        assert!(!either.is_match("ac") && !either.is_match("a\n"));
        assert!(
            pattern("a)|(?:b").is_err(),
            "it closes the group that anchors it"
        );
        assert!(pattern("(").is_err());
        assert!(pattern(r"(\w{1,1000}){1000}").is_err(), "too big");
    }
}
