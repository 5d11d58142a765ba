//! Origins of scripts, and patterns that match them.

use crate::filter::scheme::Scheme;
use std::fmt;

/// An origin in a manifest (API: `CORSOrigin`, and `Origin` of a SecurityPolicy).
#[derive(Debug, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: Box<str>,
    host: HostPattern,
    port: PortPattern,
}

#[derive(Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    Exact(Box<str>),
    /// The host must consist of one or more labels followed by this, which begins with a dot.
    Suffix(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortPattern {
    Any,
    /// `None` if the origin has none, and its scheme no default.
    Exact(Option<u16>),
}

/// The origin of a request.
pub(super) struct Origin<'t> {
    scheme: &'t str,
    host: &'t str,
    /// `None` if there is none, and the scheme has no default.
    port: Option<u16>,
}

impl<'t> Origin<'t> {
    /// "If not included, port `80` is assumed for `http` scheme origins, and port `443` is assumed for `https`
    /// origins" (`HTTPCORSFilter.allowOrigins`). Other schemes, such as `moz-extension` and `capacitor`, have no default.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        // An IPv6 address contains colons, and is enclosed in brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, number)) if !number.ends_with(']') => (host, Some(number.parse().ok()?)),
            _ => (rest, Scheme::parse(scheme).map(Scheme::port)),
        };
        let fits = !host.is_empty() && !host.contains(['/', '@', '?', '#']);
        (fits && is_scheme(scheme)).then_some(Origin { scheme, host, port })
    }
}

/// Whether a text is a scheme in lower case, as browsers send it (RFC 3986, section 3.1).
fn is_scheme(text: &str) -> bool {
    let rest =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(rest)
}

impl OriginPattern {
    /// Parses `https://example.com`, `https://*.example.com:8443` or `https://*`.
    pub fn parse(text: &str) -> Option<Self> {
        let origin = Origin::parse(text)?;
        let host = origin.host.to_ascii_lowercase();
        Some(OriginPattern {
            scheme: origin.scheme.into(),
            port: PortPattern::Exact(origin.port),
            host: match host.strip_prefix('*') {
                None => HostPattern::Exact(host.into()),
                Some("") => HostPattern::Any,
                Some(suffix) => HostPattern::Suffix(suffix.into()),
            },
        })
    }

    /// Parses an origin of a SecurityPolicy. There `https://*` also stands for every port, since `*` matches any text (Envoy
    /// Gateway, `wildcard2regex`).
    pub fn parse_of_policy(text: &str) -> Option<Self> {
        let mut pattern = OriginPattern::parse(text)?;
        if pattern.host == HostPattern::Any && text.ends_with('*') {
            pattern.port = PortPattern::Any;
        }
        Some(pattern)
    }

    pub(super) fn matches(&self, origin: &Origin<'_>) -> bool {
        let host = origin.host;
        *self.scheme == *origin.scheme
            && match self.port {
                PortPattern::Any => true,
                PortPattern::Exact(port) => port == origin.port,
            }
            && match &self.host {
                HostPattern::Any => true,
                HostPattern::Exact(exact) => host.eq_ignore_ascii_case(exact),
                HostPattern::Suffix(suffix) => host
                    .len()
                    .checked_sub(suffix.len())
                    .filter(|before| *before > 0)
                    .and_then(|before| host.get(before..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(suffix)),
            }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Exact(host) => f.write_str(host)?,
            HostPattern::Suffix(suffix) => write!(f, "*{suffix}")?,
        }
        match self.port {
            PortPattern::Any => f.write_str(":*"),
            PortPattern::Exact(Some(port)) => write!(f, ":{port}"),
            PortPattern::Exact(None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: Option<OriginPattern>, origin: &str) -> bool {
        let pattern = pattern.expect("a pattern");
        Origin::parse(origin).is_some_and(|origin| pattern.matches(&origin))
    }

    #[test]
    fn other_schemes_match_without_a_default_port() {
        for (pattern, origin, expected) in [
            ("capacitor://localhost", "capacitor://localhost", true),
            ("capacitor://localhost", "ionic://localhost", false),
            ("capacitor://localhost", "capacitor://localhost:80", false),
            ("foo://*.example.com:8080", "foo://a.example.com:8080", true),
            ("moz-extension://*", "moz-extension://0a1b", true),
            ("https://localhost", "capacitor://localhost", false),
        ] {
            let matched = matches(OriginPattern::parse(pattern), origin);
            assert_eq!(matched, expected, "{pattern} {origin}");
        }
        for text in ["://a", "1a://b", "Https://a", "a b://c", "a:b", "null"] {
            assert!(Origin::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn star_of_a_policy_stands_for_every_host_and_port() {
        let origin = "http://localhost:3000";
        assert!(matches(OriginPattern::parse_of_policy("http://*"), origin));
        assert!(!matches(OriginPattern::parse("http://*"), origin));
        for other in ["http://*:80", "http://*.localhost", "https://*"] {
            assert!(
                !matches(OriginPattern::parse_of_policy(other), origin),
                "{other}"
            );
        }
        let shown = OriginPattern::parse_of_policy("http://*").map(|it| it.to_string());
        assert_eq!(shown.as_deref(), Some("http://*:*"));
    }
}
