//! Changes to a request's path by redirects and rewrites.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// A change to a path (API: `HTTPPathModifier`). The query is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathModifier {
    /// Replaces the whole path.
    Full(Box<str>),
    /// Replaces the prefix that the rule matched.
    Prefix {
        /// The length of the matched prefix in bytes, without a final slash.
        matched: usize,
        /// The replacement, without a final slash.
        replacement: Box<str>,
    },
}

impl PathModifier {
    /// Replaces the whole path. Bytes that a path can't contain are percent-encoded; a missing first slash is added.
    pub fn full(path: &str) -> Self {
        PathModifier::Full(encoded(path).into())
    }

    /// Replaces `matched`, a prefix of whole segments: "Note that this matches the behavior of the PathPrefix match type. This
    /// matches full path elements." A final slash of either prefix is ignored.
    pub fn prefix(matched: &str, replacement: &str) -> Self {
        let replacement = match replacement.trim_end_matches('/') {
            "" => String::new(),
            path => encoded(path),
        };
        PathModifier::Prefix {
            matched: matched.trim_end_matches('/').len(),
            replacement: replacement.into(),
        }
    }

    /// Returns the changed form of `path`, which the rule has matched.
    pub fn apply<'p>(&'p self, path: &'p str) -> Cow<'p, str> {
        match self {
            PathModifier::Full(path) => Cow::Borrowed(path),
            PathModifier::Prefix {
                matched,
                replacement,
            } => {
                let rest = path.get(*matched..).unwrap_or_default();
                match (replacement.is_empty(), rest.is_empty()) {
                    (true, true) => Cow::Borrowed("/"),
                    (true, false) => Cow::Borrowed(rest),
                    (false, true) => Cow::Borrowed(replacement),
                    (false, false) => Cow::Owned(format!("{replacement}{rest}")),
                }
            }
        }
    }
}

/// Percent-encodes a path: `segment = *pchar` (RFC 3986, section 3.3). Existing escapes are kept.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        text.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

impl fmt::Display for PathModifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathModifier::Full(path) => write!(f, "path {path}"),
            PathModifier::Prefix {
                matched,
                replacement,
            } => write!(
                f,
                "{replacement}/ for the first {matched} bytes of the path"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in the comment of `HTTPPathModifier.replacePrefixMatch`.
    #[test]
    fn replaces_prefix_as_in_the_table_of_the_api() {
        for (path, prefix, replacement, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/a", "/", "/xyz", "/xyz/a"),
        ] {
            let modifier = PathModifier::prefix(prefix, replacement);
            assert_eq!(
                modifier.apply(path),
                expected,
                "{path}, {prefix} -> {replacement}"
            );
        }
    }

    #[test]
    fn keeps_escapes_and_encodes_other_bytes() {
        let modifier = PathModifier::prefix("/a", "/b c");
        assert_eq!(modifier.apply("/a/%2Fd%20e"), "/b%20c/%2Fd%20e");
        for (written, path) in [
            ("/x?y#z", "/x%3Fy%23z"),
            ("x", "/x"),
            ("", "/"),
            ("/%41\u{e4}", "/%41%C3%A4"),
        ] {
            assert_eq!(PathModifier::full(written).apply("/any"), path);
        }
    }
}
