//! Cookies of a request that contain credentials (RFC 6265, section 4.2.1).

use http::HeaderValue;

/// Returns the pairs of a `Cookie` field.
pub(super) fn cookies(field: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let pairs = field.as_bytes().split(|&byte| byte == b';');
    pairs.map(<[u8]>::trim_ascii)
}

/// Returns the value of a cookie if it has this name, without quotes.
pub(super) fn cookie_value<'c>(cookie: &'c [u8], name: &str) -> Option<&'c [u8]> {
    let value = cookie.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    Some(match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    })
}
