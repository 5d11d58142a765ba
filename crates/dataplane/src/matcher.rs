use super::query;
use super::request::RequestView;
use http::header::{COOKIE, GetAll, ORIGIN};
use http::{HeaderName, HeaderValue, Method};
use regex::{Regex, RegexBuilder};
use std::fmt;
use std::sync::Arc;

/// The memory that one compiled pattern may take; what a careless `(\w{1,1000}){1000}` runs into.
const PATTERN_BYTES: usize = 1 << 20;

/// What a request must look like besides its host and path.
#[derive(Debug, Default)]
pub struct Matcher {
    /// The method, if it matters.
    pub method: Option<Method>,
    /// Headers, which must all match; each name once.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// Query parameters, which must all match; names are compared letter by letter, each stands once.
    pub query: Vec<(Box<str>, ValueMatch)>,
}

impl Matcher {
    /// Whether every request matches.
    pub fn is_empty(&self) -> bool {
        self.method.is_none() && self.headers.is_empty() && self.query.is_empty()
    }

    /// Whether a request matches.
    pub fn takes(&self, request: &RequestView<'_>) -> bool {
        self.takes_with(request, |_| true)
    }

    /// Whether a request may match that a preflight request announces: with its method, and with headers that it
    /// alone will have. Its `Origin` is that of the preflight request (Fetch standard, section 3.3.2).
    pub fn takes_announced(&self, request: &RequestView<'_>) -> bool {
        self.takes_with(request, |header| header == ORIGIN)
    }

    /// Whether it depends on headers that a preflight request doesn't have.
    pub fn depends_on_later_headers(&self) -> bool {
        self.headers.iter().any(|(name, _)| name != ORIGIN)
    }

    /// Whether a request matches, as far as its headers are `known`.
    fn takes_with(&self, request: &RequestView<'_>, known: impl Fn(&HeaderName) -> bool) -> bool {
        self.method.as_ref().is_none_or(|it| it == request.method)
            && self.headers.iter().all(|(name, value)| {
                !known(name) || value.takes_header(name, &request.headers.get_all(name))
            })
            && self.query.iter().all(|(name, value)| {
                request
                    .parameter(name)
                    .is_some_and(|it| value.takes_parameter(it))
            })
    }
}

/// Each condition after a space, nothing for none.
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

/// What a value must look like.
#[derive(Debug)]
pub enum ValueMatch {
    /// Equal.
    Exact(Box<str>),
    /// Matched as a whole, see [`pattern`].
    Regex(Regex),
}

impl ValueMatch {
    /// Whether a header matches. One that is sent several times counts as one with all values joined by
    /// commas, as RFC 9110, section 5.2, defines it and Envoy does it (cookies by semicolon, RFC 9113, section
    /// 8.2.3): a value slipped in beside the expected one doesn't match.
    fn takes_header(&self, name: &HeaderName, values: &GetAll<'_, HeaderValue>) -> bool {
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

    /// Whether the value of a query parameter, still encoded, matches.
    fn takes_parameter(&self, value: &str) -> bool {
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

/// Whether there are values that, joined, are the expected text.
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

/// A header's value as text; nothing when it isn't UTF-8, which no pattern matches.
fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

/// What a path must look like.
#[derive(Clone, Debug)]
pub enum PathMatch {
    /// Equal.
    Exact(Arc<str>),
    /// By whole segments; a final slash is ignored (`PathMatchPathPrefix` of the API).
    Prefix(Arc<str>),
    /// Matched as a whole by a pattern as the user wrote it; one that [`pattern`] refuses never matches.
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

/// Compiles a user's pattern so that it must match all of a text. The syntax is the regex crate's: time is
/// linear in the text, so there are no look-arounds and no back-references.
///
/// # Errors
/// When it isn't a regular expression, or takes more than a megabyte compiled.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    // Alone first: `a)|(b` would be a pattern once it stands in the group, and an unanchored one.
    let limited = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
    limited(text)?;
    limited(&whole(text))
}

/// The pattern that matches what `text` matches, but only as a whole.
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
        value.takes_header(&name, &headers.get_all(&name))
    }

    #[test]
    fn a_repeated_header_counts_as_one_with_its_values_joined() {
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
    fn cookies_that_http_2_splits_match_as_one() {
        let cookie = ValueMatch::Exact("a=1; b=2".into());
        assert!(takes(&cookie, "cookie", &[b"a=1", b"b=2"]));
        assert!(takes(&cookie, "cookie", &[b"a=1; b=2"]));
    }

    #[test]
    fn a_value_that_is_not_utf_8_matches_no_pattern() {
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
    fn a_pattern_must_match_as_a_whole_whatever_it_says() {
        let either = pattern("a|bc").unwrap();
        assert!(either.is_match("a") && either.is_match("bc"));
        assert!(!either.is_match("ac") && !either.is_match("a\n"));
        assert!(
            pattern("a)|(?:b").is_err(),
            "closes the group that anchors it"
        );
        assert!(pattern("(").is_err());
        assert!(pattern(r"(\w{1,1000}){1000}").is_err(), "too big");
    }
}
