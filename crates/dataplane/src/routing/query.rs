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
    Decoded(encoded.as_bytes()).eq(plain.bytes())
}

/// Decodes a text. `None` if the result is not UTF-8. Allocates only if something is encoded.
pub fn decode(encoded: &str) -> Option<Cow<'_, str>> {
    if !encoded.contains(['%', '+']) {
        return Some(Cow::Borrowed(encoded));
    }
    let bytes = Decoded(encoded.as_bytes()).collect();
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// The decoded bytes of a text.
struct Decoded<'q>(&'q [u8]);

impl Iterator for Decoded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (&byte, mut rest) = self.0.split_first()?;
        let mut decoded = byte;
        if byte == b'+' {
            decoded = b' ';
        } else if byte == b'%'
            && let [high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded = high << 4 | low;
            rest = tail;
        }
        self.0 = rest;
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
