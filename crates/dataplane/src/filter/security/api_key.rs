//! `apiKeyAuth`: clients with keys (API: `SecurityPolicySpec.apiKeyAuth`).

use super::cookie::{cookie_value, cookies};
use super::denial::Denial;
use super::forward_header::ForwardHeader;
use crate::filter::header_modifier::Headers;
use crate::routing::query;
use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::{hmac, rand};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// `apiKeyAuth`: requests must have the key of a client.
///
/// Keys are looked up by their HMAC under a random secret, and not kept themselves. A lookup compares hashes byte by byte, and
/// how far it gets may be measurable; but a client that doesn't know the secret can't choose keys with a certain hash, so it
/// learns nothing about other keys.
pub struct ApiKeyFilter {
    secret: hmac::Key,
    clients: HashMap<Box<[u8]>, HeaderValue>,
    sources: Vec<KeySource>,
    forward: Option<ForwardHeader>,
    sanitize: Sanitize,
}

/// Where a request may have its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The first value of a header, without a prefix `Bearer `.
    Header(HeaderName),
    /// The first value of a query parameter. Percent-encoded bytes are decoded, and a `+` is literal, as in Envoy: keys in
    /// Base64 contain it.
    Parameter(Box<str>),
    /// The first cookie with this name, without quotes.
    Cookie(Box<str>),
}

/// Whether the key is removed from the forwarded request (API: `sanitize`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sanitize {
    /// Every source is removed, also those that the key was not taken from.
    Remove,
    /// The request is forwarded as sent.
    #[default]
    Keep,
}

/// Why the keys can't be used. No text contains a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    /// No source is listed, so that no request could have a key.
    #[error("no header, parameter or cookie is listed: add one to `extractFrom`")]
    NoSource,
    /// The identifier of a client is empty, or contains a control character.
    #[error("the client id {client:?} is empty or has a control character: rename the client")]
    MalformedClient {
        /// The identifier.
        client: String,
    },
    /// A client has an empty key.
    #[error("the client {client:?} has an empty key: give it one, or remove the client")]
    EmptyKey {
        /// The identifier.
        client: String,
    },
    /// Two clients have the same key.
    #[error("the clients {first:?} and {second:?} have the same key: give each client its own")]
    RepeatedKey {
        /// The identifier of one client.
        first: String,
        /// The identifier of the other.
        second: String,
    },
    /// The system gave no random secret.
    #[error("the system gave no random numbers for the hashes of the keys: try again")]
    NoRandomness,
}

impl ApiKeyFilter {
    /// Reads the keys of clients: pairs of an identifier and a key, in the order of `credentialRefs`. "If the secrets have a key
    /// for a duplicated client, the first one will be used." Without clients, every request is denied.
    ///
    /// # Errors
    /// If the settings can't be used.
    pub fn new<'c>(
        credentials: impl IntoIterator<Item = (&'c str, &'c [u8])>,
        sources: Vec<KeySource>,
        forward: Option<ForwardHeader>,
        sanitize: Sanitize,
    ) -> Result<Self, ApiKeyError> {
        if sources.is_empty() {
            return Err(ApiKeyError::NoSource);
        }
        let random = rand::SystemRandom::new();
        let secret = hmac::Key::generate(hmac::HMAC_SHA256, &random)
            .map_err(|_| ApiKeyError::NoRandomness)?;
        let mut filter = ApiKeyFilter {
            secret,
            clients: HashMap::new(),
            sources,
            forward,
            sanitize,
        };
        let mut known = HashSet::new();
        for (client, key) in credentials {
            if known.insert(client) {
                filter.add(client, key)?;
            }
        }
        Ok(filter)
    }

    /// Checks whether keys of clients can be used, apart from the settings.
    ///
    /// # Errors
    /// As those of [`new`](Self::new).
    pub fn check_keys<'c>(
        credentials: impl IntoIterator<Item = (&'c str, &'c [u8])>,
    ) -> Result<(), ApiKeyError> {
        let any_source = vec![KeySource::Header(COOKIE)];
        ApiKeyFilter::new(credentials, any_source, None, Sanitize::Keep).map(drop)
    }

    fn add(&mut self, client: &str, key: &[u8]) -> Result<(), ApiKeyError> {
        let id = HeaderValue::from_str(client).ok();
        let id = id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| ApiKeyError::MalformedClient {
            client: client.to_owned(),
        })?;
        if key.is_empty() {
            return Err(ApiKeyError::EmptyKey {
                client: client.to_owned(),
            });
        }
        match self.clients.insert(self.hash(key), id) {
            None => Ok(()),
            Some(first) => Err(ApiKeyError::RepeatedKey {
                first: String::from_utf8_lossy(first.as_bytes()).into_owned(),
                second: client.to_owned(),
            }),
        }
    }

    fn hash(&self, key: &[u8]) -> Box<[u8]> {
        hmac::sign(&self.secret, key).as_ref().into()
    }

    /// Returns the header by which the backend learns the client.
    pub fn forward(&self) -> Option<&ForwardHeader> {
        self.forward.as_ref()
    }

    /// Returns the identifier of the client. The first source that has a key decides, even if the key is unknown.
    ///
    /// # Errors
    /// If the request has no known key.
    pub fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<&HeaderValue, Denial> {
        let mut sources = self.sources.iter();
        let tag = sources.find_map(|source| source.find(headers, query, |key| self.tag(key)));
        let tag = tag.ok_or(Denial::ApiKeyMissing)?;
        self.clients.get(tag.as_ref()).ok_or(Denial::ApiKeyUnknown)
    }

    /// Returns the hash of a key. `None` if it is empty.
    fn tag(&self, key: &[u8]) -> Option<hmac::Tag> {
        (!key.is_empty()).then(|| hmac::sign(&self.secret, key))
    }

    /// Removes the keys from the headers, if they are to be removed.
    pub fn sanitize_headers(&self, headers: &mut impl Headers) {
        if self.sanitize == Sanitize::Keep {
            return;
        }
        for source in &self.sources {
            match source {
                KeySource::Header(name) => headers.remove(name),
                KeySource::Parameter(_) => {}
                KeySource::Cookie(name) => remove_cookie(headers, name),
            }
        }
    }

    /// Returns the query without the keys, empty if nothing else remains. `None` if the query stays as it is.
    pub fn sanitized_query(&self, query: &str) -> Option<String> {
        let is_key = |pair: &&str| {
            let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
            self.sources.iter().any(|source| match source {
                KeySource::Parameter(own) => query::equals(name, own),
                KeySource::Header(_) | KeySource::Cookie(_) => false,
            })
        };
        if self.sanitize == Sanitize::Keep || !query.split('&').any(|pair| is_key(&pair)) {
            return None;
        }
        let kept: Vec<&str> = query.split('&').filter(|pair| !is_key(pair)).collect();
        Some(kept.join("&"))
    }
}

impl KeySource {
    /// Passes the key to a function. `None` if the source has no key, or the function returns it.
    fn find<T>(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        found: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        match self {
            KeySource::Header(name) => found(without_bearer(headers.get(name)?.as_bytes())),
            KeySource::Parameter(name) => found(&query::unescaped(query::first(query?, name)?)),
            KeySource::Cookie(name) => {
                let mut cookies = headers.get_all(COOKIE).iter().flat_map(cookies);
                found(cookies.find_map(|cookie| cookie_value(cookie, name))?)
            }
        }
    }
}

/// Removes the scheme `Bearer`, in any case, as in an `Authorization` (RFC 6750, section 2.1; RFC 9110, section 11.1).
fn without_bearer(value: &[u8]) -> &[u8] {
    const PREFIX: &[u8] = b"bearer ";
    match value.split_at_checked(PREFIX.len()) {
        Some((prefix, key)) if prefix.eq_ignore_ascii_case(PREFIX) => key.trim_ascii(),
        Some(_) | None => value,
    }
}

fn remove_cookie(headers: &mut impl Headers, name: &str) {
    let fields = headers.fields().get_all(COOKIE).iter();
    let all: Vec<&[u8]> = fields.flat_map(cookies).collect();
    let is_key = |cookie: &&[u8]| cookie_value(cookie, name).is_some();
    if !all.iter().any(is_key) {
        return;
    }
    let kept: Vec<&[u8]> = all.into_iter().filter(|cookie| !is_key(cookie)).collect();
    let joined = kept.join(&b"; "[..]);
    headers.remove(&COOKIE);
    // Parts of valid values are valid.
    if !joined.is_empty()
        && let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined))
    {
        headers.set(&COOKIE, &value);
    }
}

/// The number of clients and the sources, without identifiers and keys.
impl fmt::Display for ApiKeyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " api key [clients {}", self.clients.len())?;
        for source in &self.sources {
            match source {
                KeySource::Header(name) => write!(f, ", header {name}")?,
                KeySource::Parameter(name) => write!(f, ", query {name:?}")?,
                KeySource::Cookie(name) => write!(f, ", cookie {name:?}")?,
            }
        }
        if let Some(header) = &self.forward {
            write!(f, ", forward client as {header}")?;
        }
        if self.sanitize == Sanitize::Remove {
            f.write_str(", sanitize")?;
        }
        f.write_str("]")
    }
}

/// The secret and the hashes are never shown.
impl fmt::Debug for ApiKeyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
