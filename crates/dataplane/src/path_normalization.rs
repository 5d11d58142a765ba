//! Path normalization, so that equivalent spellings of a path match the same rule.
//!
//! In: the path of a request or of a route's match, without the query. Out: the path without percent-encoded unreserved
//! characters, dot segments and empty segments (RFC 3986, sections 5.2.4 and 6.2.2), or why it has no normal form.
//! Percent-encoded slashes are never decoded. See `docs/decisions/path-normalization.md`.

mod rules;

pub use rules::{EscapedSlashes, NormalizedPath, PathRules};

use std::borrow::Cow;
use std::fmt::Write;

/// Whether paths are normalised before they are matched and forwarded (`--path-normalization`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathNormalization {
    /// Paths are normalised; a path without a normal form is refused.
    #[default]
    On,
    /// Paths are matched and forwarded as sent.
    Off,
}

/// Why a path has no normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `..` segment has no segment left to remove.
    #[error("its `..` segments lead out of the root")]
    LeavesRoot,
    /// It contains `%00`, or the byte itself, which ends a string in some programs.
    #[error("it contains `%00`")]
    EncodedNul,
    /// It contains a `%` without two hexadecimal digits. Programs disagree on its meaning.
    #[error("it contains a `%` without two hexadecimal digits")]
    MalformedEscape,
    /// It contains `%2F` or `%5C`, and the listener rejects these.
    #[error("it contains `%2F` or `%5C`")]
    EscapedSlash,
}

impl PathNormalization {
    /// Returns the path to forward. It is borrowed if nothing changes, which takes one pass over its bytes.
    ///
    /// The path must begin with `/`. Escapes that remain keep the case of their hexadecimal digits, since some backends
    /// verify a signature of the path; [`for_matching`](Self::for_matching) hides the difference from routes.
    ///
    /// # Errors
    /// If the path leaves the root, or contains `%00` or a malformed escape. A malformed escape can't be kept: decoding the
    /// `2` of `%%32e` would turn it into `%2e`.
    pub fn normalize(self, path: &str) -> Result<Cow<'_, str>, PathError> {
        self.normal_form(path, true)
    }

    fn normal_form(self, path: &str, merges_slashes: bool) -> Result<Cow<'_, str>, PathError> {
        if self == PathNormalization::Off || is_normal(path.as_bytes()) {
            return Ok(Cow::Borrowed(path));
        }
        let mut path = without_dot_segments(&decoded(path)?)?;
        if merges_slashes {
            merge_slashes(&mut path);
        }
        Ok(Cow::Owned(path))
    }

    /// Returns the form of a normalised path that rules are compared with: `%2f` and `%2F` are the same escape (RFC 3986,
    /// section 6.2.2.1). It has the same length.
    pub fn for_matching(self, path: &str) -> Cow<'_, str> {
        let is_lower = |escape: &str| {
            let mut digits = escape.bytes().take(2);
            digits.any(|digit| digit.is_ascii_lowercase())
        };
        let differs = || path.split('%').skip(1).any(is_lower);
        if self == PathNormalization::Off || !path.contains('%') || !differs() {
            return Cow::Borrowed(path);
        }
        Cow::Owned(with_upper_case_escapes(path))
    }
}

/// Whether [`PathNormalization::for_matching`] can return a path that contains the escape with these digits.
pub fn is_matched_escape(high: u8, low: u8) -> bool {
    let is_upper = |digit: u8| !digit.is_ascii_lowercase();
    keeps_escape(high, low) && is_upper(high) && is_upper(low)
}

/// The role of a byte in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `unreserved / sub-delims / ":" / "@"`. Kept.
    Plain,
    /// `/`, which dot segments and repeated slashes may follow.
    Slash,
    /// `%`
    Escape,
    /// A byte that a path can't contain (RFC 3986, section 3.3).
    Foreign,
}

const CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut classes = [Class::Foreign; 256];
    let mut at = 0;
    while at < classes.len() {
        let byte = at as u8;
        classes[at] = match byte {
            b'/' => Class::Slash,
            b'%' => Class::Escape,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                Class::Plain
            }
            b':' | b'@' => Class::Plain,
            byte if is_unreserved(byte) => Class::Plain,
            _ => Class::Foreign,
        };
        at += 1;
    }
    classes
}

fn class(byte: u8) -> Class {
    let class = CLASSES.get(usize::from(byte));
    class.copied().unwrap_or(Class::Foreign)
}

/// `unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"` (RFC 3986, section 2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a path is in normal form. Most requests need no more than this check.
fn is_normal(path: &[u8]) -> bool {
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        match class(byte) {
            Class::Plain => {}
            Class::Slash => match rest.as_slice() {
                [b'/', ..] => return false,
                [b'.', tail @ ..] if ends_dot_segment(tail) => return false,
                _ => {}
            },
            Class::Escape => match rest.as_slice() {
                [high, low, tail @ ..] if keeps_escape(*high, *low) => rest = tail.iter(),
                _ => return false,
            },
            Class::Foreign => return false,
        }
    }
    true
}

/// Whether the text after `/.` completes a segment `.` or `..`.
fn ends_dot_segment(rest: &[u8]) -> bool {
    matches!(rest, [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..])
}

fn keeps_escape(high: u8, low: u8) -> bool {
    unescaped(high, low).is_some_and(|byte| byte != 0 && !is_unreserved(byte))
}

/// Returns the byte that two hexadecimal digits encode.
fn unescaped(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Decodes percent-encoded unreserved characters and percent-encodes bytes that a path can't contain. A backslash becomes a
/// slash, as in browsers and Envoy, since some backends treat it as one.
fn decoded(path: &str) -> Result<String, PathError> {
    let mut text = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match class(byte) {
            Class::Plain | Class::Slash => text.push(char::from(byte)),
            Class::Escape => {
                let [high, low, tail @ ..] = tail else {
                    return Err(PathError::MalformedEscape);
                };
                match unescaped(*high, *low).ok_or(PathError::MalformedEscape)? {
                    0 => return Err(PathError::EncodedNul),
                    byte if is_unreserved(byte) => text.push(char::from(byte)),
                    _ => text.extend(['%', char::from(*high), char::from(*low)]),
                }
                rest = tail;
            }
            Class::Foreign if byte == b'\\' => text.push('/'),
            Class::Foreign if byte == 0 => return Err(PathError::EncodedNul),
            // Writing to a string can't fail.
            Class::Foreign => drop(write!(text, "%{byte:02X}")),
        }
    }
    Ok(text)
}

/// RFC 3986, section 5.2.4, except that a path that leaves the root is rejected instead of truncated.
fn without_dot_segments(path: &str) -> Result<String, PathError> {
    let mut kept = String::with_capacity(path.len());
    // The path begins with a slash, so the first part is empty.
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => kept.truncate(kept.rfind('/').ok_or(PathError::LeavesRoot)?),
            segment => {
                kept.push('/');
                kept.push_str(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push('/');
        }
    }
    Ok(kept)
}

fn merge_slashes(path: &mut String) {
    let mut previous = None;
    path.retain(|character| {
        let repeated = character == '/' && previous == Some('/');
        previous = Some(character);
        !repeated
    });
}

fn with_upper_case_escapes(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut parts = path.split('%');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        text.push('%');
        text.extend(digits.chars().map(|digit| digit.to_ascii_uppercase()));
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests;
