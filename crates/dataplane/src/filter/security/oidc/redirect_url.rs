//! Where the provider sends the browser after a login (API: `redirectURL`).

use crate::filter::scheme::Scheme;
use std::fmt;

/// The scheme and the host by which the client has reached gatefold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOrigin<'r> {
    /// The scheme.
    pub scheme: Scheme,
    /// The host, with the port if the client has sent one.
    pub host: &'r str,
}

/// The URL of the callback. Its scheme and its host may be those of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUrl {
    /// `None` for that of the request.
    scheme: Option<Scheme>,
    /// `None` for that of the request.
    host: Option<Box<str>>,
    path: Box<str>,
}

const REQUEST_SCHEME: &str = "%REQ(x-forwarded-proto)%";
const REQUEST_HOSTS: [&str; 2] = ["%REQ(:authority)%", "%REQ(host)%"];
/// The path if the policy has no URL, as in Envoy Gateway.
const DEFAULT_PATH: &str = "/oauth2/callback";

impl Default for RedirectUrl {
    fn default() -> Self {
        RedirectUrl {
            scheme: None,
            host: None,
            path: DEFAULT_PATH.into(),
        }
    }
}

impl RedirectUrl {
    /// Parses a URL as policies write it: `https://www.example.com/callback`, or with `%REQ(x-forwarded-proto)%` as the scheme
    /// and `%REQ(:authority)%` as the host, for those of the request.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("the URL has no scheme: `http`, `https` or `%REQ(x-forwarded-proto)%`")?;
        let scheme = match (Scheme::parse(scheme), scheme) {
            (Some(scheme), _) => Some(scheme),
            (None, _) if scheme.eq_ignore_ascii_case(REQUEST_SCHEME) => None,
            (None, _) => {
                return Err(format!(
                    "the scheme `{scheme}` isn't `http`, `https` or `{REQUEST_SCHEME}`"
                ));
            }
        };
        let start = rest.find('/').ok_or("the URL has no path")?;
        let (host, path) = rest.split_at(start);
        let is_requested = REQUEST_HOSTS.iter().any(|it| it.eq_ignore_ascii_case(host));
        let host = if is_requested {
            None
        } else {
            check_host(host)?;
            Some(host.to_ascii_lowercase().into())
        };
        check_path(path)?;
        Ok(RedirectUrl {
            scheme,
            host,
            path: path.into(),
        })
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the URL for a request.
    pub fn of(&self, origin: &RequestOrigin<'_>) -> String {
        let scheme = self.scheme.unwrap_or(origin.scheme).as_str();
        let host = self.host.as_deref().unwrap_or(origin.host);
        format!("{scheme}://{host}{}", self.path)
    }

    /// Whether a request for a path is the callback. Another host than that of the URL has no callback.
    pub fn is_callback(&self, origin: &RequestOrigin<'_>, path: &str) -> bool {
        let scheme = self.scheme.unwrap_or(origin.scheme);
        let bare = |host: &str| without_default_port(host, scheme).to_ascii_lowercase();
        let is_host = |host: &str| bare(host) == bare(origin.host);
        *self.path == *path && self.host.as_deref().is_none_or(is_host)
    }
}

fn without_default_port(host: &str, scheme: Scheme) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.parse() == Ok(scheme.port()) => name,
        _ => host,
    }
}

fn check_host(host: &str) -> Result<(), String> {
    if host.contains('%') {
        return Err(format!(
            "the host `{host}` contains a variable other than `%REQ(:authority)%`"
        ));
    }
    let uri = format!("http://{host}/").parse::<http::Uri>();
    let is_host = |uri: http::Uri| {
        let authority = uri.authority().map(|it| it.as_str());
        authority == Some(host) && !host.contains('@')
    };
    if !host.is_empty() && uri.is_ok_and(is_host) {
        return Ok(());
    }
    Err(format!("`{host}` isn't a host"))
}

/// Checks the path of a callback or of a logout. Paths of requests are compared in their normal form, so another one would never
/// match.
///
/// # Errors
/// Says what is wrong.
pub fn check_path(path: &str) -> Result<(), String> {
    let rest = path
        .strip_prefix('/')
        .ok_or("the path must begin with `/`")?;
    if rest.is_empty() {
        return Err("the path must not be `/`, which is a page of its own".to_owned());
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+=:@".contains(&byte);
    let is_segment =
        |segment: &str| !matches!(segment, "." | "..") && segment.bytes().all(is_plain);
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        // Only the last one may be empty: a slash at the end.
        if !is_segment(segment) || (segment.is_empty() && segments.peek().is_some()) {
            return Err(format!(
                "the path `{path}` isn't in normal form, or has a query or an escape"
            ));
        }
    }
    Ok(())
}

/// As in manifests.
impl fmt::Display for RedirectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.map_or(REQUEST_SCHEME, Scheme::as_str);
        let host = self.host.as_deref().unwrap_or(REQUEST_HOSTS[0]);
        write!(f, "{scheme}://{host}{}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(host: &str) -> RequestOrigin<'_> {
        RequestOrigin {
            scheme: Scheme::Https,
            host,
        }
    }

    #[test]
    fn scheme_and_host_may_be_those_of_the_request() {
        let default = RedirectUrl::default();
        let text = "%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/callback";
        assert_eq!(RedirectUrl::parse(text).as_ref(), Ok(&default));
        assert_eq!(default.to_string(), text);
        let origin = origin("www.example.com:8443");
        assert_eq!(
            default.of(&origin),
            "https://www.example.com:8443/oauth2/callback"
        );
        let fixed = RedirectUrl::parse("http://login.example.com/a").expect("a URL");
        assert_eq!(fixed.of(&origin), "http://login.example.com/a");
    }

    #[test]
    fn callback_is_only_at_the_host_of_the_url() {
        let any = RedirectUrl::default();
        assert!(any.is_callback(&origin("www.example.com"), "/oauth2/callback"));
        assert!(!any.is_callback(&origin("www.example.com"), "/oauth2/callback/"));
        let fixed = RedirectUrl::parse("https://WWW.example.com/a").expect("a URL");
        for host in ["www.example.com", "www.EXAMPLE.com", "www.example.com:443"] {
            assert!(fixed.is_callback(&origin(host), "/a"), "{host}");
        }
        for host in [
            "example.com",
            "www.example.com:8443",
            "www.example.com.evil.example",
        ] {
            assert!(!fixed.is_callback(&origin(host), "/a"), "{host}");
        }
    }

    #[test]
    fn urls_that_can_not_be_a_callback_are_refused() {
        for text in [
            "",
            "/callback",
            "ftp://a/callback",
            "https://a",
            "https://a/",
            "https:///callback",
            "https://user@a/callback",
            "https://a/callback?x=y",
            "https://a/callback#x",
            "https://a//callback",
            "https://a/../callback",
            "https://a/%63allback",
            "https://%REQ(x-forwarded-host)%/callback",
            "https://%REQ(:authority)%.example.com/callback",
            "https://a b/callback",
        ] {
            assert!(RedirectUrl::parse(text).is_err(), "{text}");
        }
    }
}
