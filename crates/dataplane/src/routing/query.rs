//! Query strings as `application/x-www-form-urlencoded` (WHATWG URL, section 5), which browsers send and which RFC 3986
//! leaves to the application: pairs are separated by `&`, `+` is a space, `%41` is `A`. A `%` without two hexadecimal
//! digits is literal. Comparisons don't allocate.

use std::borrow::Cow;

/// Returns the value of the first parameter with that name, still encoded. It is empty if the parameter has no `=`. The API
/// recommends the first if a parameter is repeated (`HTTPQueryParamMatch.name`).
pub fn first<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        equals(key, name).then_some(value)
    })
}

/// Whether an encoded text decodes to `plain`.
pub fn equals(encoded: &str, plain: &str) -> bool {
    Decoded::form(encoded).eq(plain.bytes())
}

/// Decodes a text. `None` if the result is not UTF-8. Allocates only if something is encoded.
pub fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    if !encoded.contains(['%', '+']) {
        return Some(Cow::Borrowed(encoded));
    }
    let bytes = Decoded::form(encoded).collect();
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Decodes only percent-encoded bytes: a `+` is literal (RFC 3986, section 2.1).
pub fn unescaped(encoded: &str) -> Vec<u8> {
    let decoded = Decoded {
        rest: encoded.as_bytes(),
        plus: b'+',
    };
    decoded.collect()
}

/// The decoded bytes of a text.
struct Decoded<'q> {
    rest: &'q [u8],
    /// The meaning of `+`.
    plus: u8,
}

impl<'q> Decoded<'q> {
    fn form(encoded: &'q str) -> Self {
        Decoded {
            rest: encoded.as_bytes(),
            plus: b' ',
        }
    }
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&byte, mut rest) = self.rest.split_first()?;
        let mut decoded = byte;
        if byte == b'+' {
            decoded = self.plus;
        } else if byte == b'%'
            && let [high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded = high << 4 | low;
            rest = tail;
        }
        self.rest = rest;
        Some(decoded)
    }
}

/// The value of a hexadecimal digit.
fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_first_of_repeated_parameters() {
        assert_eq!(first("a=1&b=2&a=3", "a"), Some("1"));
        assert_eq!(first("a=1&b=2&b=3", "b"), Some("2"));
        assert_eq!(first("a=1&&b", "b"), Some(""));
        assert_eq!(first("a=1", "A"), None, "names are case-sensitive");
        assert_eq!(first("ab=1", "a"), None);
        assert_eq!(first("", "a"), None);
    }

    #[test]
    fn decodes_names_and_values_before_comparing() {
        assert_eq!(first("%61b=1", "ab"), Some("1"));
        assert!(equals("whale+%26%2b%C3%A9", "whale &+é"));
        assert!(!equals("whale", "whales"));
        assert!(!equals("whales", "whale"));
    }

    #[test]
    fn plus_is_literal_if_only_escapes_are_decoded() {
        assert_eq!(unescaped("a+b%2B%20%ff"), b"a+b+ \xff");
    }

    #[test]
    fn malformed_escape_is_literal() {
        assert!(equals("100%", "100%"));
        assert!(equals("%4", "%4"));
        assert!(equals("%zz%41", "%zzA"));
    }

    #[test]
    fn decoding_allocates_only_if_something_is_encoded() {
        assert!(matches!(decode("whale"), Some(Cow::Borrowed("whale"))));
        assert_eq!(decode("a%20b").as_deref(), Some("a b"));
        assert_eq!(decode("%ff"), None, "not UTF-8");
    }
}
