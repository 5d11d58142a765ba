//! Parsing of `Host` and `:authority`.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The maximum length of a DNS name in text form with a final dot, in bytes.
const LONGEST: usize = 254;

/// Parses the host of a `Host` header or `:authority` into lower case, without port, brackets and final dot. It is copied only
/// if it contains capital letters.
///
/// `None` if it is not `uri-host [ ":" port ]` (RFC 9110, section 7.2) or is empty, since HTTP URIs have a host (section
/// 4.2.1).
pub(crate) fn parse(field: &[u8]) -> Option<Cow<'_, str>> {
    match plain(field) {
        Some(name) => Some(name.into()),
        None => parse_any(field),
    }
}

/// Returns a `Host` or `:authority` without the dot at the end of its name. `None` if there is none.
pub(crate) fn without_final_dot(field: &str) -> Option<String> {
    let (name, port) = match field.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((name, port)) if is_port(port) => (name, Some(port)),
        _ => (field, None),
    };
    let name = name.strip_suffix('.')?;
    Some(match port {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    })
}

/// Parses a host that is a name in lower case, like nearly all. Takes one pass over the bytes.
fn plain(field: &[u8]) -> Option<&str> {
    const LOWER: [bool; 256] = lower_reg_name();
    let is_lower = |byte: &&u8| LOWER.get(usize::from(**byte)) == Some(&true);
    let (name, port) = field.split_at_checked(field.iter().take_while(is_lower).count())?;
    let fits = match port.split_first() {
        None => true,
        Some((b':', port)) => is_port(std::str::from_utf8(port).ok()?),
        Some(_) => false,
    };
    let whole = fits && !name.is_empty() && name.len() <= LONGEST && !name.ends_with(b".");
    std::str::from_utf8(name).ok().filter(|_| whole)
}

/// The bytes for which [`is_reg_name`] is true, except capital letters.
const fn lower_reg_name() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        let lower = !(byte as u8).is_ascii_uppercase();
        table[byte] = lower && is_reg_name(byte as u8);
        byte += 1;
    }
    table
}

fn parse_any(field: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(field).ok()?;
    let (name, port) = split(text)?;
    if !port.is_none_or(is_port) {
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some(name.to_ascii_lowercase().into())
    } else {
        Some(name.into())
    }
}

fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':')?),
        };
        return Some((address, port));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let fits = !name.is_empty() && name != "." && name.len() <= LONGEST;
    (fits && name.bytes().all(is_reg_name)).then_some((name, port))
}

/// `port = *DIGIT` (RFC 3986, section 3.2.3), at most 65,535.
fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit())
        && (port.is_empty() || port.parse::<u16>().is_ok())
}

/// `reg-name = *( unreserved / pct-encoded / sub-delims )` (RFC 3986, section 3.2.2).
const fn is_reg_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowers_host_and_removes_port_and_final_dot() {
        for (field, host) in [
            ("example.com", "example.com"),
            ("WWW.Example.COM:8080", "www.example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("example.com:", "example.com"),
            ("192.0.2.7:80", "192.0.2.7"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[::1]", "::1"),
            ("under_score.example", "under_score.example"),
        ] {
            assert_eq!(parse(field.as_bytes()).as_deref(), Some(host), "{field}");
        }
    }

    #[test]
    fn only_the_final_dot_of_the_name_is_removed() {
        for (field, expected) in [
            ("example.com.", Some("example.com")),
            ("Example.com.:443", Some("Example.com:443")),
            ("example.com", None),
            ("example.com:443", None),
            ("[2001:db8::1]:80", None),
            ("[2001:db8::1]", None),
        ] {
            assert_eq!(without_final_dot(field).as_deref(), expected, "{field}");
        }
    }

    #[test]
    fn borrows_a_host_in_lower_case() {
        assert!(matches!(
            parse(b"www.example.com:80"),
            Some(Cow::Borrowed("www.example.com"))
        ));
    }

    #[test]
    fn fast_path_agrees_with_the_general_parser() {
        for field in [
            "a", "a.b:80", "a:", "a.", ".", "", ":80", "a:x", "a:65536", "a b", "a/b", "A", "[::1]",
        ] {
            if let Some(name) = plain(field.as_bytes()) {
                assert_eq!(
                    parse_any(field.as_bytes()).as_deref(),
                    Some(name),
                    "{field}"
                );
            }
        }
        assert_eq!(plain(b"www.example.com:80"), Some("www.example.com"));
    }

    #[test]
    fn rejects_malformed_hosts() {
        for field in [
            "",
            ".",
            ":80",
            "a b",
            "a/b",
            "a?b",
            "user@a",
            "a:80:80",
            "a:x",
            "a:-1",
            "a:65536",
            "[::1",
            "[::1]80",
            "[example.com]",
            "::1",
            "a\u{e9}",
            "a\\b",
            "a#b",
            "a\"b",
        ] {
            assert_eq!(parse(field.as_bytes()), None, "{field:?}");
        }
        assert_eq!(parse(&[b'a'; 300]), None, "longer than any name");
        assert_eq!(parse(b"a\xff"), None, "not UTF-8");
    }
}
