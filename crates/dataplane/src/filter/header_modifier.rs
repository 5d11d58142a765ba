//! Filters that change headers.

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use std::fmt;

/// `RequestHeaderModifier` and `ResponseHeaderModifier`: first `set` overwrites, then `add` appends, then
/// `remove` takes away (HTTPHeaderFilter of the API). The API allows one action a name, so the order shows
/// only where a manifest breaks that rule.
#[derive(Debug, Default)]
pub struct HeaderModifier {
    /// Overwritten, or added when not there.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Appended to what is there, as a line of its own: a list with commas between the lines' values (RFC
    /// 9110, section 5.2), but for `Set-Cookie`, where it must be lines, and for `Cookie`, where one line has all.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Taken away.
    pub remove: Vec<HeaderName>,
}

impl HeaderModifier {
    /// Changes headers.
    pub fn apply(&self, headers: &mut impl Headers) {
        for (name, value) in &self.set {
            headers.set(name, value);
        }
        for (name, value) in &self.add {
            match name == COOKIE {
                true => add_cookie(headers, value),
                false => headers.append(name, value),
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

/// The one `Cookie` field that says the same as several; `None` if there is none.
pub fn joined_cookies<'v>(values: impl Iterator<Item = &'v HeaderValue>) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = values
        .map(HeaderValue::as_bytes)
        .filter(|value| !value.is_empty())
        .collect();
    match values.is_empty() {
        true => None,
        false => HeaderValue::from_maybe_shared(bytes::Bytes::from(values.join(&b"; "[..]))).ok(),
    }
}

/// Headers that can be changed: those of the `http` crate here, the proxy's own elsewhere.
pub trait Headers {
    /// Leaves this value as the name's only one.
    fn set(&mut self, name: &HeaderName, value: &HeaderValue);
    /// Adds a value to those of the name.
    fn append(&mut self, name: &HeaderName, value: &HeaderValue);
    /// Takes all values of the name away.
    fn remove(&mut self, name: &HeaderName);
    /// All of them, to read.
    fn fields(&self) -> &HeaderMap;
}

impl Headers for HeaderMap {
    fn set(&mut self, name: &HeaderName, value: &HeaderValue) {
        // Fails at 32,768 names, a hundred times what is let in; the message then goes on unchanged.
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

/// A value as it is sent: without spaces and tabs around it, which are no part of a value (RFC 9110, section 5.5) and make
/// a message of HTTP/2 malformed (RFC 9113, section 8.2.1). `None` if it contains what can't be sent: NUL, a line break or
/// another control character.
pub fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(text.trim_matches([' ', '\t']).as_bytes()).ok()
}

/// What a modifier does with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// See [`HeaderModifier::set`].
    Set,
    /// See [`HeaderModifier::add`].
    Add,
    /// See [`HeaderModifier::remove`].
    Remove,
}

/// Why a modifier may not do this with a header, and what to do instead; nothing when it may.
///
/// The headers that frame a message or belong to one connection (RFC 9112, section 6; RFC 9110, section 7.6.1)
/// are the proxy's to write: a manifest that sets `Content-Length` or `Transfer-Encoding` makes request
/// smuggling, one that sets `Connection` drops headers at the next hop. Envoy refuses the same, and `Host`
/// wholly; we let `Host` be overwritten, since routing is over by then and a backend behind a name needs its
/// own, but a message has exactly one (RFC 9112, section 3.2), so it is neither added nor taken away.
pub fn refusal(name: &HeaderName, change: Change) -> Option<String> {
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
            "`{name}` belongs to the connection, not to the message: the proxy writes it itself; take it out"
        ));
    }
    if *name == HOST && change != Change::Set {
        return Some("a request has exactly one `Host`: overwrite it with `set`".to_owned());
    }
    None
}

/// `set`, `add` and `remove`, each in brackets, nothing for no change.
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
    fn set_overwrites_every_value_and_add_keeps_them_and_remove_takes_all() {
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
    fn one_name_in_every_part_is_set_then_added_to_then_removed() {
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
    fn a_value_is_anything_that_can_be_sent() {
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
            let value = value(text).unwrap_or_else(|| panic!("`{text}` was refused"));
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
    fn an_added_cookie_joins_the_others_in_one_field() {
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
    fn the_connection_and_the_framing_are_not_a_modifiers_business() {
        for key in [
            "Content-Length",
            "transfer-encoding",
            "Connection",
            "keep-alive",
            "TE",
        ] {
            for change in [Change::Set, Change::Add, Change::Remove] {
                assert!(refusal(&name(key), change).is_some(), "{key} {change:?}");
            }
        }
        for key in [ACCEPT, SET_COOKIE, name("x-forwarded-for")] {
            assert_eq!(refusal(&key, Change::Remove), None);
        }
    }

    #[test]
    fn host_may_be_overwritten_only() {
        assert_eq!(refusal(&HOST, Change::Set), None);
        assert!(refusal(&HOST, Change::Add).is_some());
        assert!(refusal(&HOST, Change::Remove).is_some());
    }
}
