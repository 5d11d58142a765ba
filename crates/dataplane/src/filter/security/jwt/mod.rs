//! `jwt`: JSON Web Tokens (RFC 7519; API: `SecurityPolicySpec.jwt`).
//!
//! In: a request and the time. Out: the claims of a valid token, or a [`Denial`]. Tokens are parsed in [`token`] and found in
//! [`token_source`], keys are read in [`key_set`], and what a provider accepts is in [`provider`]. Nothing here fetches keys.

pub mod algorithm;
pub mod claims;
mod key;
pub mod key_set;
pub mod provider;
pub mod remote_keys;
pub mod token;
pub mod token_source;

pub use key::KeyProblem;
pub(in crate::filter::security) use provider::CLOCK_SKEW;
pub(in crate::filter::security) use token::unverified_claims;

use super::denial::Denial;
use super::forward_header::ForwardHeader;
use crate::filter::header_modifier::Headers;
use crate::filter::route_choice::RouteChoice;
use claims::Claims;
use http::HeaderMap;
use key_set::KeySet;
use provider::{JwtProvider, ProviderKeys};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;
use token::Token;

/// `jwt`: requests must have a token of one of the providers.
#[derive(Debug)]
pub struct JwtFilter {
    /// The providers. One that accepts the tokens of a request suffices.
    pub providers: Vec<JwtProvider>,
    /// What happens without a valid token.
    pub requirement: TokenRequirement,
}

/// What happens to requests without a valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRequirement {
    /// They are denied.
    Required,
    /// Those without any token pass (API: `optional`).
    MayBeMissing,
    /// They pass (API: `failOpen`).
    MayFail,
}

/// The token of a request, verified.
#[derive(Debug)]
pub struct VerifiedToken {
    /// The name of the provider that accepts it.
    pub provider: Arc<str>,
    /// Its claims.
    pub claims: Claims,
}

/// What a request's token means.
pub struct AcceptedToken<'f> {
    provider: &'f JwtProvider,
    claims: Claims,
}

impl JwtFilter {
    /// Returns the token of a request. `None` if the request may pass without one.
    ///
    /// # Errors
    /// If it may not. Of several providers, the reason of the last one that has found a token of its issuer is returned, as in
    /// Envoy.
    pub fn check(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<AcceptedToken<'_>>, Denial> {
        let mut denial = Denial::JwtMissing;
        for provider in &self.providers {
            match (provider.check(headers, query, now), denial) {
                (Ok(claims), _) => return Ok(Some(AcceptedToken { provider, claims })),
                (Err(Denial::JwtMissing), _) => {}
                (Err(it @ Denial::JwtWrongIssuer), Denial::JwtMissing) => denial = it,
                (Err(Denial::JwtWrongIssuer), _) => {}
                (Err(it), _) => denial = it,
            }
        }
        match (self.requirement, denial) {
            (TokenRequirement::MayFail, _)
            | (TokenRequirement::MayBeMissing, Denial::JwtMissing) => Ok(None),
            (TokenRequirement::Required | TokenRequirement::MayBeMissing, denial) => Err(denial),
        }
    }

    /// Returns the headers of claims, of every provider.
    pub fn claim_headers(&self) -> impl Iterator<Item = &ForwardHeader> {
        let all = self.providers.iter().flat_map(|it| &it.claim_headers);
        all.map(|own| &own.header)
    }

    /// Removes what the client has sent in the headers of claims, of every provider, and adds the claims of the token. Returns
    /// whether the request must be routed again: also if it was routed by a claim that the client has made up.
    pub fn replace_headers(
        &self,
        token: Option<&AcceptedToken<'_>>,
        headers: &mut impl Headers,
    ) -> RouteChoice {
        let mut routing = token.map_or(RouteChoice::Keep, |token| token.provider.routing);
        for provider in &self.providers {
            for own in &provider.claim_headers {
                if own.header.replace(headers, None) && provider.routing == RouteChoice::Recompute {
                    routing = RouteChoice::Recompute;
                }
            }
        }
        let accepted = token.into_iter();
        for (own, claims) in accepted.flat_map(|token| {
            let own = token.provider.claim_headers.iter();
            own.map(|own| (own, &token.claims))
        }) {
            if let Some(value) = claims.header_value(&own.claim) {
                headers.append(own.header.name(), &value);
            }
        }
        routing
    }
}

impl AcceptedToken<'_> {
    /// Returns the token for the rules of `authorization`.
    pub fn verified(self) -> VerifiedToken {
        VerifiedToken {
            provider: self.provider.name.clone(),
            claims: self.claims,
        }
    }
}

/// Returns the claims of a token that one of the keys has signed. Nothing else of it is checked.
///
/// # Errors
/// If it isn't well-formed, or none of the keys has signed it.
pub(in crate::filter::security) fn verified_claims(
    text: &[u8],
    keys: &KeySet,
) -> Result<Claims, Denial> {
    let token = Token::parse(text)?;
    keys.verify(&token)?;
    Ok(token.claims)
}

/// The providers and what they accept, without keys.
impl fmt::Display for JwtFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" jwt [")?;
        f.write_str(match self.requirement {
            TokenRequirement::Required => "required",
            TokenRequirement::MayBeMissing => "optional",
            TokenRequirement::MayFail => "fail open",
        })?;
        for provider in &self.providers {
            write!(f, "; {}", provider.name)?;
            match &provider.keys {
                ProviderKeys::Local(keys) => write!(f, ", keys {}", keys.size())?,
                ProviderKeys::Remote(_) => f.write_str(", remote keys")?,
            }
            if let Some(issuer) = &provider.issuer {
                write!(f, ", issuer {issuer:?}")?;
            }
            provider.sources.fmt(f)?;
            for own in &provider.claim_headers {
                write!(f, ", {} as {}", own.claim, own.header)?;
            }
            if provider.routing == RouteChoice::Recompute {
                f.write_str(", routed again")?;
            }
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests;
