//! Where requests carry tokens (API: `JWTExtractor`).
//!
//! A request may have several tokens, in one place or in several. All of them are found, because the backend may use another one
//! than the first, and so it must not get one that wasn't verified.

use crate::filter::security::cookie::{cookie_value, cookies};
use crate::filter::security::denial::Denial;
use crate::filter::security::forward_header::are_confusable;
use crate::routing::query;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;
use std::fmt;

/// The maximum number of tokens of one request.
const MAX_TOKENS: usize = 8;

/// A place of a request that may contain tokens. The order is that in which Envoy looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Every value of a header that contains the prefix, in any case. The token follows it. An empty prefix is in every value.
    Header {
        /// The name.
        name: HeaderName,
        /// The prefix, usually `Bearer `.
        prefix: Box<str>,
    },
    /// Every value of a query parameter.
    Parameter(Box<str>),
    /// Every cookie with this name.
    Cookie(Box<str>),
}

/// All places, in the order in which they are searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSources(Vec<TokenSource>);

impl TokenSources {
    /// Sorts places as Envoy does: headers by name and prefix, parameters, cookies, each once. Without any, tokens are the
    /// bearer tokens of `Authorization`, and the query parameter `access_token` (RFC 6750, sections 2.1 and 2.3).
    pub fn new(mut sources: Vec<TokenSource>) -> Self {
        if sources.is_empty() {
            sources = vec![
                TokenSource::Header {
                    name: AUTHORIZATION,
                    prefix: "Bearer ".into(),
                },
                TokenSource::Parameter("access_token".into()),
            ];
        }
        sources.sort_by_key(|source| match source {
            TokenSource::Header { name, prefix } => (0, format!("{name}{prefix}")),
            TokenSource::Parameter(name) => (1, name.to_string()),
            TokenSource::Cookie(name) => (2, name.to_string()),
        });
        sources.dedup();
        TokenSources(sources)
    }

    /// Returns those places that are headers.
    pub fn only_headers(self) -> impl Iterator<Item = TokenSource> {
        let all = self.0.into_iter();
        all.filter(|source| matches!(source, TokenSource::Header { .. }))
    }

    /// Whether the headers of a request have a token.
    pub fn finds_in_headers(&self, headers: &HeaderMap) -> bool {
        let found = self.find_all(headers, None);
        // Too many are more than one.
        found.map_or(true, |tokens| !tokens.is_empty())
    }

    /// Whether tokens are read from a header, or from one that a backend may take for it.
    pub fn reads_header(&self, header: &HeaderName) -> bool {
        self.0.iter().any(|source| match source {
            TokenSource::Header { name, .. } => are_confusable(name, header),
            TokenSource::Parameter(_) | TokenSource::Cookie(_) => false,
        })
    }

    /// Returns all tokens of a request.
    ///
    /// # Errors
    /// If there are too many.
    pub(super) fn find_all<'r>(
        &self,
        headers: &'r HeaderMap,
        query: Option<&'r str>,
    ) -> Result<Vec<Cow<'r, [u8]>>, Denial> {
        let mut tokens = Vec::new();
        for source in &self.0 {
            source.find_all(headers, query, &mut tokens);
            if tokens.len() > MAX_TOKENS {
                return Err(Denial::JwtMalformed);
            }
        }
        Ok(tokens)
    }
}

impl TokenSource {
    fn find_all<'r>(
        &self,
        headers: &'r HeaderMap,
        query: Option<&'r str>,
        tokens: &mut Vec<Cow<'r, [u8]>>,
    ) {
        // One more than allowed suffices to refuse the request.
        let room = MAX_TOKENS + 1;
        match self {
            TokenSource::Header { name, prefix } => {
                let values = headers.get_all(name).iter();
                let found = values.filter_map(|value| after(value.as_bytes(), prefix.as_bytes()));
                tokens.extend(found.take(room).map(Cow::Borrowed));
            }
            TokenSource::Parameter(name) => {
                let pairs = query.into_iter().flat_map(|query| query.split('&'));
                let values = pairs.filter_map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    query::equals(key, name).then_some(value)
                });
                let decoded = values.map(|value| Cow::Owned(query::unescaped(value)));
                tokens.extend(decoded.take(room));
            }
            TokenSource::Cookie(name) => {
                let all = headers.get_all(COOKIE).iter().flat_map(cookies);
                let found = all.filter_map(|cookie| cookie_value(cookie, name));
                tokens.extend(found.take(room).map(Cow::Borrowed));
            }
        }
    }
}

/// Returns the part of a value that follows a prefix. `None` if the value doesn't contain the prefix. As in Envoy, the prefix
/// may be anywhere, and characters that no token contains may follow it.
fn after<'v>(value: &'v [u8], prefix: &[u8]) -> Option<&'v [u8]> {
    if prefix.is_empty() {
        return Some(value);
    }
    let mut windows = value.windows(prefix.len());
    let start = windows.position(|window| window.eq_ignore_ascii_case(prefix))?;
    let rest = value.get(start + prefix.len()..)?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let token = rest
        .iter()
        .position(is_part)
        .and_then(|start| rest.get(start..));
    Some(token.unwrap_or(value))
}

impl fmt::Display for TokenSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|source| match source {
            TokenSource::Header { name, prefix } => write!(f, ", header {name} {prefix:?}"),
            TokenSource::Parameter(name) => write!(f, ", query {name:?}"),
            TokenSource::Cookie(name) => write!(f, ", cookie {name:?}"),
        })
    }
}
