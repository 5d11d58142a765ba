//! `SecurityPolicy.spec.cors`.

use crate::api::{Duration, object};

object! {
    /// Which cross-origin requests browsers may send.
    #[derive(Default)]
    pub closed SecurityPolicyCors {
        /// The allowed origins; `*` within one matches any text.
        "allowOrigins" => allow_origins: Vec<String> where origin,
        /// The allowed methods; `*` allows all.
        "allowMethods" => allow_methods: Vec<String>,
        /// The allowed request headers; `*` allows all.
        "allowHeaders" => allow_headers: Vec<String>,
        /// The response headers that scripts may read; `*` allows all.
        "exposeHeaders" => expose_headers: Vec<String>,
        /// How long the browser may cache the result of a preflight request.
        "maxAge" => max_age: Option<Duration>,
        /// Whether credentials such as cookies are allowed.
        "allowCredentials" => allow_credentials: Option<bool>,
    }
}

/// An origin: `*`, or a scheme, a host that may begin with `*.`, and an optional port. Source: the pattern of `Origin`:
/// `^(\*|[A-Za-z][A-Za-z0-9+.-]*:\/\/(\*|(\*\.)?(([\w-]+\.?)+)?[\w-]+)(:\d{1,5})?)$`, at most 253 characters.
pub(super) fn origin(text: &str) -> Result<(), String> {
    if text == "*" || (text.len() <= 253 && is_origin(text)) {
        Ok(())
    } else {
        Err(format!(
            "`{text}` isn't an origin like `https://example.com`, `https://*.example.com` or `*`"
        ))
    }
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
    let scheme_fits = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(of_scheme);
    let (host, port_fits) = match rest.split_once(':') {
        Some((host, port)) => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            (host, digits && (1..=5).contains(&port.len()))
        }
        None => (rest, true),
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        !label.is_empty() && label.bytes().all(inner)
    };
    scheme_fits && port_fits && (host == "*" || name.split('.').all(label))
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn accepts_the_origins_of_the_crd() {
        for text in [
            "*",
            "https://foo.example.com",
            "https://*.example.com",
            "http://foo.example.com:8080",
            "https://*",
            "moz-extension://example.com",
            "foo://*.example.com:8080",
        ] {
            assert_eq!(origin(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "example.com",
            "https://",
            "https://a..b",
            "https://a:",
            "1://a",
            "https://a/",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }
}
