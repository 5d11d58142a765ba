//! The `RequestRedirect` filter: answers with another URL.

use super::answer::{FilterAnswer, ResponsePhase};
use super::path_modifier::PathModifier;
use super::scheme::Scheme;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::fmt::{self, Write};

/// `RequestRedirect`. Parts of the URL that are `None` stay as requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRedirect {
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// The scheme.
    pub scheme: Option<Scheme>,
    /// The host.
    pub hostname: Option<Box<str>>,
    /// The port.
    pub port: Option<u16>,
    /// The path.
    pub path: Option<PathModifier>,
}

/// The URL that a client requested.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'r> {
    /// The scheme.
    pub scheme: Scheme,
    /// The host, without port and brackets. Empty if the request names none.
    pub host: &'r str,
    /// The listener's port in the manifest.
    pub port: u16,
    /// The path, as it would be forwarded.
    pub path: &'r str,
    /// The query, as sent.
    pub query: Option<&'r str>,
}

impl RequestRedirect {
    /// Answers a request with the URL to redirect to; see [`location`](Self::location).
    pub fn answer(&self, asked: &Asked<'_>, shifted: impl FnOnce(u16) -> u16) -> FilterAnswer {
        let mut headers = HeaderMap::with_capacity(2);
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(CONTENT_TYPE, text);
        if let Ok(location) = HeaderValue::try_from(self.location(asked, shifted)) {
            headers.insert(LOCATION, location);
        }
        FilterAnswer {
            status: self.status,
            headers,
            body: Bytes::from_static(b"see Location\n"),
            response_phase: ResponsePhase::Run,
        }
    }

    /// Returns the URL to redirect to, or only a path if neither the filter nor the client names a host. `shifted` maps a port
    /// of the manifests to the port that the client can reach.
    pub fn location(&self, asked: &Asked<'_>, shifted: impl FnOnce(u16) -> u16) -> String {
        let host = self.hostname.as_deref().unwrap_or(asked.host);
        let mut location = String::with_capacity(128);
        if !host.is_empty() {
            let scheme = self.scheme.unwrap_or(asked.scheme);
            let port = shifted(self.port(asked));
            // Writing to a string can't fail.
            let _ = if host.contains(':') {
                write!(location, "{}://[{host}]", scheme.as_str())
            } else {
                write!(location, "{}://{host}", scheme.as_str())
            };
            if port != scheme.port() {
                let _ = write!(location, ":{port}");
            }
        }
        match &self.path {
            Some(modifier) => location.push_str(&modifier.apply(asked.path)),
            None => location.push_str(asked.path),
        }
        if let Some(query) = asked.query {
            location.push('?');
            location.push_str(query);
        }
        location
    }

    /// "If no port is specified, the redirect port MUST be derived: if redirect scheme is not-empty, the
    /// redirect port MUST be the well-known port associated with the redirect scheme. If redirect scheme is
    /// empty, the redirect port MUST be the Gateway Listener port" (`HTTPRequestRedirectFilter.port`).
    fn port(&self, asked: &Asked<'_>) -> u16 {
        let well_known = || self.scheme.map(Scheme::port);
        self.port.or_else(well_known).unwrap_or(asked.port)
    }
}

impl fmt::Display for RequestRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        if let Some(scheme) = self.scheme {
            write!(f, ", scheme {}", scheme.as_str())?;
        }
        if let Some(hostname) = &self.hostname {
            write!(f, ", host {hostname}")?;
        }
        if let Some(port) = self.port {
            write!(f, ", port {port}")?;
        }
        match &self.path {
            Some(path) => write!(f, ", {path}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked<'_> = Asked {
        scheme: Scheme::Http,
        host: "example.com",
        port: 8080,
        path: "/a%2Fb/c",
        query: Some("d=%20&e"),
    };

    fn redirect() -> RequestRedirect {
        RequestRedirect {
            status: StatusCode::FOUND,
            scheme: None,
            hostname: None,
            port: None,
            path: None,
        }
    }

    #[test]
    fn keeps_parts_that_are_not_set_and_uses_the_port_of_the_listener() {
        let location = redirect().location(&ASKED, |port| port);
        assert_eq!(location, "http://example.com:8080/a%2Fb/c?d=%20&e");
        let asked = Asked { port: 80, ..ASKED };
        let location = redirect().location(&asked, |port| port);
        assert_eq!(location, "http://example.com/a%2Fb/c?d=%20&e");
    }

    #[test]
    fn scheme_implies_its_port_unless_one_is_set() {
        let scheme = Some(Scheme::Https);
        let https = RequestRedirect {
            scheme,
            ..redirect()
        };
        let location = https.location(&ASKED, |port| port);
        assert_eq!(location, "https://example.com/a%2Fb/c?d=%20&e");
        let port = RequestRedirect {
            port: Some(8443),
            ..https
        };
        let location = port.location(&ASKED, |port| port);
        assert_eq!(location, "https://example.com:8443/a%2Fb/c?d=%20&e");
    }

    #[test]
    fn shows_the_shifted_port() {
        let https = RequestRedirect {
            scheme: Some(Scheme::Https),
            ..redirect()
        };
        let location = https.location(&ASKED, |port| port + 8000);
        assert_eq!(location, "https://example.com:8443/a%2Fb/c?d=%20&e");
    }

    #[test]
    fn replaces_host_and_path_and_keeps_query() {
        let moved = RequestRedirect {
            hostname: Some("other.example".into()),
            path: Some(PathModifier::prefix("/a%2Fb", "/x")),
            ..redirect()
        };
        let asked = Asked { port: 80, ..ASKED };
        let location = moved.location(&asked, |port| port);
        assert_eq!(location, "http://other.example/x/c?d=%20&e");
    }

    #[test]
    fn keeps_brackets_of_an_address_and_returns_a_path_without_a_host() {
        let asked = Asked {
            host: "2001:db8::1",
            query: None,
            ..ASKED
        };
        let location = redirect().location(&asked, |port| port);
        assert_eq!(location, "http://[2001:db8::1]:8080/a%2Fb/c");
        let asked = Asked { host: "", ..asked };
        assert_eq!(redirect().location(&asked, |port| port), "/a%2Fb/c");
    }
}
