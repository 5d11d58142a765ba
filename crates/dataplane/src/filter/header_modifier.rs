//! The `RequestHeaderModifier` and `ResponseHeaderModifier` filters.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use std::fmt;

/// `RequestHeaderModifier` and `ResponseHeaderModifier`: `set` is applied first, then `add`, then `remove` (API:
/// `HTTPHeaderFilter`). The API allows one action per name, so the order only matters for manifests that violate this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderModifier {
    /// Headers to overwrite, or to add if they are absent.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Headers to append, each as a separate line. Several lines are equivalent to a list separated by commas (RFC 9110,
    /// section 5.2), except for `Set-Cookie`, which must be separate lines, and `Cookie`, which must be one line.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Headers to remove.
    pub remove: Vec<HeaderName>,
}

impl HeaderModifier {
    /// Modifies headers.
    pub fn apply(&self, headers: &mut impl Headers) {
        for (name, value) in &self.set {
            headers.set(name, value);
        }
        for (name, value) in &self.add {
            if name == COOKIE {
                add_cookie(headers, value);
            } else {
                headers.append(name, value);
            }
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

/// A request has one `Cookie` field (RFC 6265, section 5.4; RFC 9113, section 8.2.3 for HTTP/1).
fn add_cookie(headers: &mut impl Headers, value: &HeaderValue) {
    let before = headers.fields().get_all(COOKIE).iter();
    if let Some(joined) = joined_cookies(before.chain([value])) {
        headers.set(&COOKIE, &joined);
    }
}

/// Joins the values of several `Cookie` fields into one. `None` if there are none.
pub fn joined_cookies<'v>(values: impl Iterator<Item = &'v HeaderValue>) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = values
        .map(HeaderValue::as_bytes)
        .filter(|value| !value.is_empty())
        .collect();
    if values.is_empty() {
        return None;
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(values.join(&b"; "[..]))).ok()
}

/// Headers that filters can modify: a `HeaderMap`, or the proxy's own types.
pub trait Headers {
    /// Replaces all values of a name with one.
    fn set(&mut self, name: &HeaderName, value: &HeaderValue);
    /// Adds a value to a name.
    fn append(&mut self, name: &HeaderName, value: &HeaderValue);
    /// Removes all values of a name.
    fn remove(&mut self, name: &HeaderName);
    /// Returns all headers.
    fn fields(&self) -> &HeaderMap;
}

impl Headers for HeaderMap {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        // Fails at 32,768 names, a hundred times the number that is accepted. The header then stays unchanged.
        let _ = self.try_insert(name, value.clone());
    }

    fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        let _ = self.try_append(name, value.clone());
    }

    fn remove(&mut self, name: &HeaderName) {
        HeaderMap::remove(self, name);
    }

    fn fields(&self) -> &HeaderMap {
        self
    }
}

/// Converts a text to a header value as it is sent: without leading and trailing spaces and tabs, which are not part of a
/// value (RFC 9110, section 5.5) and make an HTTP/2 message malformed (RFC 9113, section 8.2.1). `None` if it contains NUL, a
/// line break or another control character, which can't be sent.
pub fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.trim_matches([' ', '\t']).as_bytes()).ok()
}

/// An action of a modifier on a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderAction {
    /// See [`HeaderModifier::set`].
    Set,
    /// See [`HeaderModifier::add`].
    Add,
    /// See [`HeaderModifier::remove`].
    Remove,
}

/// Returns why a modifier may not apply an action to a header, and what to do instead. `None` if it may.
///
/// The proxy itself writes the headers that frame a message or belong to one connection (RFC 9112, section 6; RFC 9110,
/// section 7.6.1): setting `Content-Length` or `Transfer-Encoding` allows request smuggling, and setting `Connection` makes
/// the next hop drop headers. Envoy rejects the same headers, and `Host` entirely. Here `Host` may be overwritten, since
/// routing is complete by then and a backend behind a name needs its own. But a message has exactly one (RFC 9112, section
/// 3.2), so it can be neither added nor removed.
pub fn refusal(name: &HeaderName, change: HeaderAction) -> Option<String> {
    const HOP: [HeaderName; 6] = [
        CONNECTION,
        CONTENT_LENGTH,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    if HOP.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection") {
        return Some(format!(
            "`{name}` belongs to the connection, not to the message: the proxy writes it itself; remove it from the filter"
        ));
    }
    if *name == HOST && change != HeaderAction::Set {
        return Some("a request has exactly one `Host`: overwrite it with `set`".to_owned());
    }
    None
}

/// Each action in brackets. Empty if there are none.
impl fmt::Display for HeaderModifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (verb, headers) in [("set", &self.set), ("add", &self.add)] {
            for (name, value) in headers {
                write!(f, " {verb} [{name}: {}]", value.as_bytes().escape_ascii())?;
            }
        }
        let mut names = self.remove.iter();
        names.try_for_each(|name| write!(f, " remove [{name}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{ACCEPT, SET_COOKIE};

    fn name(name: &'static str) -> HeaderName {
        HeaderName::from_bytes(name.as_bytes()).unwrap()
    }

    fn header(key: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
        (name(key), HeaderValue::from_static(value))
    }

    fn all(headers: &HeaderMap, key: &'static str) -> Vec<String> {
        let values = headers.get_all(key).into_iter();
        values.map(|it| it.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn set_replaces_all_values_add_keeps_them_and_remove_drops_them() {
        let mut headers = HeaderMap::new();
        for (key, value) in [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1"), ("c", "2")] {
            headers.append(key, HeaderValue::from_static(value));
        }
        let modifier = HeaderModifier {
            set: vec![header("A", "3"), header("new", "1")],
            add: vec![header("B", "2"), header("other", "1")],
            remove: vec![name("C"), name("absent")],
        };
        modifier.apply(&mut headers);
        assert_eq!(all(&headers, "a"), ["3"]);
        assert_eq!(all(&headers, "b"), ["1", "2"]);
        assert!(all(&headers, "c").is_empty());
        assert_eq!(all(&headers, "new"), ["1"]);
        assert_eq!(all(&headers, "other"), ["1"]);
    }

    #[test]
    fn applies_set_then_add_then_remove_to_the_same_name() {
        let mut headers = HeaderMap::new();
        let mut modifier = HeaderModifier {
            set: vec![header("a", "1"), header("a", "2")],
            add: vec![header("a", "3")],
            remove: vec![],
        };
        modifier.apply(&mut headers);
        assert_eq!(all(&headers, "a"), ["2", "3"]);
        modifier.remove.push(name("a"));
        modifier.apply(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn accepts_any_value_that_can_be_sent() {
        for (text, sent) in [
            (
                "default-src 'self';  img-src *",
                "default-src 'self';  img-src *",
            ),
            ("trailing \t", "trailing"),
            (" leading", "leading"),
            ("a\tb", "a\tb"),
            ("\u{fc}ber", "\u{fc}ber"),
            (" ", ""),
        ] {
            let value = value(text).unwrap_or_else(|| panic!("`{text}` was rejected"));
            assert_eq!(value.as_bytes(), sent.as_bytes(), "`{text}`");
        }
        for text in [
            "a\rb",
            "a\nb",
            "a\r\n b",
            "a\0",
            "\n",
            "a\u{7f}",
            "\u{1b}[0m",
        ] {
            assert_eq!(value(text), None, "{text:?}");
        }
    }

    #[test]
    fn joins_added_cookie_with_existing_ones() {
        let adding = HeaderModifier {
            add: vec![header("Cookie", "c=3")],
            ..HeaderModifier::default()
        };
        for (before, after) in [
            (&[][..], "c=3"),
            (&["a=1"], "a=1; c=3"),
            (&["a=1", "b=2"], "a=1; b=2; c=3"),
            (&[""], "c=3"),
        ] {
            let mut headers = HeaderMap::new();
            for value in before {
                headers.append(COOKIE, HeaderValue::from_static(value));
            }
            adding.apply(&mut headers);
            assert_eq!(all(&headers, "cookie"), [after]);
        }
    }

    #[test]
    fn refuses_to_modify_connection_and_framing_headers() {
        for key in [
            "Content-Length",
            "transfer-encoding",
            "Connection",
            "keep-alive",
            "TE",
        ] {
            for change in [HeaderAction::Set, HeaderAction::Add, HeaderAction::Remove] {
                assert!(refusal(&name(key), change).is_some(), "{key} {change:?}");
            }
        }
        for key in [ACCEPT, SET_COOKIE, name("x-forwarded-for")] {
            assert_eq!(refusal(&key, HeaderAction::Remove), None);
        }
    }

    #[test]
    fn host_may_only_be_overwritten() {
        assert_eq!(refusal(&HOST, HeaderAction::Set), None);
        assert!(refusal(&HOST, HeaderAction::Add).is_some());
        assert!(refusal(&HOST, HeaderAction::Remove).is_some());
    }
}
