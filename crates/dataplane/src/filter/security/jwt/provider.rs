//! An issuer of tokens that a policy accepts (API: `JWTProvider`).

use super::claims::{ClaimPath, Claims};
use super::key_set::KeySet;
use super::remote_keys::RemoteKeys;
use super::token::Token;
use super::token_source::TokenSources;
use crate::filter::route_choice::RouteChoice;
use crate::filter::security::denial::Denial;
use crate::filter::security::forward_header::ForwardHeader;
use http::HeaderMap;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// How far the clocks of an issuer and of gatefold may differ, in seconds: Envoy's default, which Envoy Gateway never changes.
pub(in crate::filter::security) const CLOCK_SKEW: i64 = 60;

/// An issuer whose tokens are accepted.
#[derive(Debug)]
pub struct JwtProvider {
    /// Its name, by which rules of `authorization` refer to it.
    pub name: Arc<str>,
    /// The required `iss`. `None` for any, also none.
    pub issuer: Option<Box<str>>,
    /// The audiences of which the token must have one. If empty, any.
    pub audiences: Audiences,
    /// The keys that may have signed the token.
    pub keys: ProviderKeys,
    /// Where requests carry the token.
    pub sources: TokenSources,
    /// Headers by which the backend learns claims (API: `claimToHeaders`).
    pub claim_headers: Vec<ClaimHeader>,
    /// Whether the request is routed again, with the headers of its claims (API: `recomputeRoute`).
    pub routing: RouteChoice,
}

/// The keys of a provider.
#[derive(Debug)]
pub enum ProviderKeys {
    /// From the manifests.
    Local(KeySet),
    /// Fetched in the background.
    Remote(Arc<RemoteKeys>),
}

/// A header with the value of a claim.
#[derive(Debug)]
pub struct ClaimHeader {
    /// The header.
    pub header: ForwardHeader,
    /// The claim.
    pub claim: ClaimPath,
}

/// The audiences that a provider accepts.
#[derive(Debug, Default)]
pub struct Audiences(Vec<Box<str>>);

impl Audiences {
    /// Accepts these audiences.
    pub fn new<'a>(audiences: impl IntoIterator<Item = &'a str>) -> Self {
        let audiences = audiences.into_iter();
        Audiences(audiences.map(|it| bare(it).into()).collect())
    }

    fn accept(&self, claims: &Claims) -> bool {
        let mut sent = claims.audiences();
        self.0.is_empty() || sent.any(|audience| self.0.iter().any(|own| **own == *bare(audience)))
    }
}

/// An audience without its scheme and without a final slash, both of which Envoy ignores (`CheckAudience` of jwt_verify_lib).
fn bare(audience: &str) -> &str {
    let rest = audience
        .strip_prefix("https://")
        .or_else(|| audience.strip_prefix("http://"))
        .unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}

impl JwtProvider {
    /// Verifies all tokens of a request, and returns the claims of the first.
    ///
    /// # Errors
    /// If there is none, or one isn't valid.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        now: SystemTime,
    ) -> Result<Claims, Denial> {
        let tokens = self.sources.find_all(headers, query)?;
        let mut verified: Vec<&Cow<'_, [u8]>> = Vec::new();
        let mut first = None;
        for token in &tokens {
            // The same token in two places costs one verification.
            if verified.contains(&token) {
                continue;
            }
            let claims = self.verify(token, now)?;
            first = first.or(Some(claims));
            verified.push(token);
        }
        first.ok_or(Denial::JwtMissing)
    }

    /// Verifies a token. The signature comes last: it costs most, and Envoy has the same order.
    fn verify(&self, token: &[u8], now: SystemTime) -> Result<Claims, Denial> {
        let token = Token::parse(token)?;
        let claims = &token.claims;
        if let Some(issuer) = &self.issuer
            && claims.issuer() != Some(issuer)
        {
            return Err(Denial::JwtWrongIssuer);
        }
        check_times(claims, now)?;
        if !self.audiences.accept(claims) {
            return Err(Denial::JwtWrongAudience);
        }
        let verified = match &self.keys {
            ProviderKeys::Local(keys) => keys.verify(&token),
            ProviderKeys::Remote(keys) => keys
                .with(|keys| keys.verify(&token))
                .unwrap_or(Err(Denial::JwksUnavailable)),
        };
        verified.map(|()| token.claims)
    }
}

/// Checks `nbf` and `exp`. A token without them is always valid, as in Envoy.
fn check_times(claims: &Claims, now: SystemTime) -> Result<(), Denial> {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let begins = claims.seconds("nbf");
    if begins.is_some_and(|begins| now.saturating_add(CLOCK_SKEW) < begins) {
        return Err(Denial::JwtNotYetValid);
    }
    let ends = claims.seconds("exp");
    if ends.is_some_and(|ends| now > ends.saturating_add(CLOCK_SKEW)) {
        return Err(Denial::JwtExpired);
    }
    Ok(())
}
