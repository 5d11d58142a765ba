//! `csrf`: requests that change something must come from the site itself (API: `SecurityPolicySpec.csrf`).
//!
//! In: the `Origin` or `Referer` that the browser sends, and the host that is asked for. Out: whether they are the same, as Envoy's
//! filter compares them: hosts and ports, but not schemes. Default ports are as good as none.

use super::denial::Denial;
use crate::filter::request_mirror::Share;
use crate::filter::scheme::Scheme;
use http::header::{HeaderName, ORIGIN, REFERER};
use http::{HeaderMap, Method};
use std::fmt;

/// `csrf`.
#[derive(Debug)]
pub struct CsrfFilter {
    /// The share of requests that are denied if they come from elsewhere. The others pass, and are only counted (API:
    /// `shadowFraction` is its complement).
    pub enforced: Share,
    /// The origins that may send requests, too.
    pub additional: Vec<HostPattern>,
}

/// A pattern for the hosts of origins, whose scheme doesn't matter (API: `CSRF.additionalOrigins`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    host: HostMatch,
    /// `None` for the default port of the scheme.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostMatch {
    /// Every origin, whatever its port, also one that the browser keeps secret (`null`).
    Any,
    /// Every host with the port.
    AnyHost,
    Exact(Box<str>),
    /// The host must consist of one or more labels followed by this, which begins with a dot.
    Suffix(Box<str>),
}

/// A host with its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site<'t> {
    host: &'t str,
    /// `None` for the default port of the scheme.
    port: Option<u16>,
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsrfOutcome {
    /// It passes: it changes nothing, or comes from where it may.
    Passed,
    /// It passes because it is only observed. It changes something.
    Observed {
        /// Whether it would be denied otherwise.
        is_forged: bool,
    },
}

impl CsrfFilter {
    /// Decides about a request for `target`. Browsers send an origin with every request that changes something.
    ///
    /// # Errors
    /// If it comes from elsewhere, or doesn't say from where, and isn't only observed.
    pub fn check(
        &self,
        method: &Method,
        headers: &HeaderMap,
        target: Site<'_>,
    ) -> Result<CsrfOutcome, Denial> {
        if !changes_something(method) {
            return Ok(CsrfOutcome::Passed);
        }
        let is_forged = !self.allows(headers, target);
        match (self.enforced.takes_next(), is_forged) {
            (true, true) => Err(Denial::CsrfOriginMismatch),
            (true, false) => Ok(CsrfOutcome::Passed),
            (false, is_forged) => Ok(CsrfOutcome::Observed { is_forged }),
        }
    }

    fn allows(&self, headers: &HeaderMap, target: Site<'_>) -> bool {
        let source = match only(headers, &ORIGIN) {
            Sent::Nothing => only(headers, &REFERER),
            origin => origin,
        };
        let Sent::Once(source) = source else {
            return false;
        };
        let source = Site::of_url(source);
        let is_same = source.is_some_and(|source| source.is_same(target));
        is_same || self.additional.iter().any(|it| it.matches(source))
    }
}

/// The methods of Envoy's filter. The others must not change anything (RFC 9110, section 9.2.1).
fn changes_something(method: &Method) -> bool {
    matches!(
        *method,
        Method::POST | Method::PUT | Method::DELETE | Method::PATCH
    )
}

/// How often a request has a header that isn't empty.
enum Sent<'h> {
    Nothing,
    Once(&'h str),
    /// Several times, or not as a text.
    Otherwise,
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Sent<'h> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Sent::Nothing,
        (Some(only), None) => match only.to_str() {
            Ok("") => Sent::Nothing,
            Ok(text) => Sent::Once(text),
            Err(_) => Sent::Otherwise,
        },
        (Some(_), Some(_)) => Sent::Otherwise,
    }
}

impl<'t> Site<'t> {
    /// Creates a site from the host of a request, without brackets and final dot, and its port if the client has sent one.
    pub fn new(host: &'t str, port: Option<u16>, scheme: Scheme) -> Self {
        Site {
            host,
            port: port.filter(|port| *port != scheme.port()),
        }
    }

    /// Parses the site of a URL. `None` for what isn't one, such as `null`.
    fn of_url(text: &'t str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = rest.get(..end)?;
        if authority.contains(['@', '\\']) {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address are in brackets.
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (authority, None),
        };
        let unbracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = unbracketed.unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host);
        let default = Scheme::parse(scheme).map(Scheme::port);
        (!host.is_empty()).then_some(Site {
            host,
            port: port.filter(|port| Some(*port) != default),
        })
    }

    fn is_same(self, other: Site<'_>) -> bool {
        self.port == other.port && self.host.eq_ignore_ascii_case(other.host)
    }
}

impl HostPattern {
    /// Parses an origin: `*`, `https://example.com`, `https://*.example.com:8443` or `https://*`. `None` if it isn't one.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(HostPattern {
                host: HostMatch::Any,
                port: None,
            });
        }
        let site = Site::of_url(text)?;
        let host = site.host.to_ascii_lowercase();
        let host = match host.strip_prefix('*') {
            None => HostMatch::Exact(host.into()),
            // Envoy Gateway's `wildcard2regex` makes it match any text, but not with the default port, either.
            Some("") if text.ends_with("//*") => HostMatch::Any,
            Some("") => HostMatch::AnyHost,
            Some(suffix) => HostMatch::Suffix(suffix.into()),
        };
        Some(HostPattern {
            host,
            port: site.port,
        })
    }

    /// Whether a site matches. `None` is an origin that isn't a URL.
    fn matches(&self, site: Option<Site<'_>>) -> bool {
        if self.host == HostMatch::Any {
            return true;
        }
        let Some(site) = site.filter(|site| site.port == self.port) else {
            return false;
        };
        match &self.host {
            HostMatch::Any | HostMatch::AnyHost => true,
            HostMatch::Exact(host) => site.host.eq_ignore_ascii_case(host),
            HostMatch::Suffix(suffix) => {
                let before = site.host.len().checked_sub(suffix.len());
                let end = before.filter(|before| *before > 0);
                end.and_then(|before| site.host.get(before..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostMatch::Any | HostMatch::AnyHost => f.write_str("*"),
            HostMatch::Exact(host) => f.write_str(host),
            HostMatch::Suffix(suffix) => write!(f, "*{suffix}"),
        }?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CsrfFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " csrf [{}", self.enforced)?;
        for pattern in &self.additional {
            write!(f, " {pattern}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const OWN: Site<'static> = Site {
        host: "www.example.com",
        port: None,
    };

    fn filter(additional: &[&str], enforced: (u32, u32)) -> CsrfFilter {
        let patterns = additional.iter().map(|it| HostPattern::parse(it));
        CsrfFilter {
            enforced: Share::new(enforced.0, enforced.1, 0),
            additional: patterns.map(|it| it.expect("an origin")).collect(),
        }
    }

    fn passes(filter: &CsrfFilter, sent: &[(HeaderName, &'static str)], target: Site<'_>) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(name, HeaderValue::from_static(value));
        }
        let checked = filter.check(&Method::POST, &headers, target);
        assert!(checked.is_err() || checked == Ok(CsrfOutcome::Passed));
        checked.is_ok()
    }

    #[test]
    fn only_requests_of_the_site_itself_pass() {
        let filter = filter(&[], (1, 1));
        for (sent, expected) in [
            (vec![(ORIGIN, "https://www.example.com")], true),
            // Envoy doesn't compare schemes.
            (vec![(ORIGIN, "http://www.example.com")], true),
            (vec![(ORIGIN, "https://WWW.example.com:443")], true),
            (vec![(ORIGIN, "https://www.example.com:8443")], false),
            (vec![(ORIGIN, "http://www.example.com:443")], false),
            (vec![(ORIGIN, "https://evil.example")], false),
            (
                vec![(ORIGIN, "https://www.example.com.evil.example")],
                false,
            ),
            (
                vec![(ORIGIN, "https://www.example.com@evil.example")],
                false,
            ),
            (vec![(ORIGIN, "null")], false),
            (vec![(ORIGIN, "www.example.com")], false),
            (Vec::new(), false),
            (vec![(REFERER, "https://www.example.com/a?b")], true),
            (
                vec![(REFERER, "https://evil.example/www.example.com")],
                false,
            ),
            (
                vec![(REFERER, "https://evil.example?://www.example.com")],
                false,
            ),
            (
                vec![(ORIGIN, ""), (REFERER, "https://www.example.com/")],
                true,
            ),
            // `Referer` counts only without an origin.
            (
                vec![(ORIGIN, "null"), (REFERER, "https://www.example.com/")],
                false,
            ),
            (
                vec![
                    (ORIGIN, "https://www.example.com"),
                    (ORIGIN, "https://evil.example"),
                ],
                false,
            ),
        ] {
            assert_eq!(passes(&filter, &sent, OWN), expected, "{sent:?}");
        }
    }

    #[test]
    fn ports_and_addresses_are_compared() {
        let filter = filter(&[], (1, 1));
        let at = |text| [(ORIGIN, text)];
        let port = Site::new("www.example.com", Some(8443), Scheme::Https);
        assert!(passes(&filter, &at("https://www.example.com:8443"), port));
        assert!(!passes(&filter, &at("https://www.example.com"), port));
        let default = Site::new("www.example.com", Some(443), Scheme::Https);
        assert_eq!(default, OWN);
        let address = Site::new("2001:db8::1", Some(8080), Scheme::Http);
        assert!(passes(&filter, &at("http://[2001:db8::1]:8080"), address));
        assert!(!passes(&filter, &at("http://[2001:db8::1]"), address));
        let nameless = Site::new("", None, Scheme::Http);
        assert!(!passes(&filter, &at("http://"), nameless));
    }

    #[test]
    fn additional_origins_pass() {
        for (pattern, origin, expected) in [
            ("https://app.example", "http://app.example", true),
            ("https://app.example", "https://app.example:8443", false),
            ("https://app.example:8443", "https://app.example:8443", true),
            ("https://*.example", "https://a.b.example", true),
            ("https://*.example", "https://example", false),
            ("https://*.example", "https://evilexample", false),
            ("https://*:8443", "https://any:8443", true),
            ("https://*:8443", "https://any", false),
            ("https://*", "https://any:1", true),
            ("https://*:443", "https://any", true),
            ("https://*:443", "https://any:1", false),
            ("https://*:443", "null", false),
            ("*", "null", true),
            ("https://*.example", "null", false),
        ] {
            let filter = filter(&[pattern], (1, 1));
            let passed = passes(&filter, &[(ORIGIN, origin)], OWN);
            assert_eq!(passed, expected, "{pattern} {origin}");
        }
        let any = filter(&["*"], (1, 1));
        assert!(!passes(&any, &[], OWN), "a missing origin never passes");
    }

    #[test]
    fn only_methods_that_change_something_are_checked() {
        let filter = filter(&[], (1, 1));
        for (method, expected) in [
            (Method::GET, true),
            (Method::HEAD, true),
            (Method::OPTIONS, true),
            (Method::POST, false),
            (Method::PUT, false),
            (Method::PATCH, false),
            (Method::DELETE, false),
        ] {
            let checked = filter.check(&method, &HeaderMap::new(), OWN);
            assert_eq!(checked.is_ok(), expected, "{method}");
        }
    }

    #[test]
    fn a_share_of_requests_is_only_observed() {
        let filter = filter(&[], (1, 4));
        let headers = HeaderMap::new();
        let outcomes = (0..400).map(|_| filter.check(&Method::POST, &headers, OWN));
        let denied = outcomes.filter(Result::is_err).count();
        assert!((98..=102).contains(&denied), "{denied}");
        let observing = CsrfFilter {
            enforced: Share::new(0, 1, 0),
            additional: Vec::new(),
        };
        let outcome = observing.check(&Method::POST, &headers, OWN);
        assert_eq!(outcome, Ok(CsrfOutcome::Observed { is_forged: true }));
        assert!(filter.check(&Method::GET, &headers, OWN).is_ok());
    }
}
