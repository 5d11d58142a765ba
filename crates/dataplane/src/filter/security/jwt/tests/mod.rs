//! Keys, tokens and filters for the tests. Keys are made when a test needs them.

mod attacks;
mod claims;
mod filter;
mod hostile;
mod key_set;
mod provider;
mod signer;

use super::key_set::KeySet;
use super::provider::{Audiences, ClaimHeader, JwtProvider, ProviderKeys};
use super::token_source::{TokenSource, TokenSources};
use super::{JwtFilter, TokenRequirement};
use crate::filter::route_choice::RouteChoice;
use crate::filter::security::denial::Denial;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use signer::Signer;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of the tests, in seconds since 1970.
const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs())
}

/// A provider with the public keys of these signers, for every issuer and audience.
fn provider(name: &str, signers: &[&Signer]) -> JwtProvider {
    let jwks: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    JwtProvider {
        name: name.into(),
        issuer: None,
        audiences: Audiences::default(),
        keys: ProviderKeys::Local(keys(json!({ "keys": jwks }))),
        sources: TokenSources::new(Vec::new()),
        claim_headers: Vec::new(),
        routing: RouteChoice::Keep,
    }
}

fn keys(jwks: Value) -> KeySet {
    let (keys, skipped) = KeySet::parse(jwks.to_string().as_bytes()).expect("keys");
    assert!(skipped.is_empty(), "{skipped:?}");
    keys
}

fn required(providers: Vec<JwtProvider>) -> JwtFilter {
    JwtFilter {
        providers,
        requirement: TokenRequirement::Required,
    }
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let fields = fields.iter().map(|(name, value)| {
        let value = HeaderValue::from_str(value).expect("a value");
        (HeaderName::from_static(name), value)
    });
    let mut headers = HeaderMap::new();
    fields.for_each(|(name, value)| _ = headers.append(name, value));
    headers
}

fn bearer(token: &str) -> HeaderMap {
    headers(&[("authorization", &format!("Bearer {token}"))])
}

/// Whether a filter accepts a bearer token.
fn outcome(filter: &JwtFilter, token: &str) -> Result<(), Denial> {
    outcome_of(filter, &bearer(token), None)
}

fn outcome_of(filter: &JwtFilter, headers: &HeaderMap, query: Option<&str>) -> Result<(), Denial> {
    let checked = filter.check(headers, query, now());
    checked.map(|token| assert!(token.is_some(), "no token was needed"))
}

fn claim_header(header: &'static str, claim: &str) -> ClaimHeader {
    let name = HeaderName::from_static(header);
    ClaimHeader {
        header: crate::filter::security::forward_header::ForwardHeader::new(name).expect("a name"),
        claim: super::claims::ClaimPath::new(claim),
    }
}

fn header_source(name: &'static str, prefix: &str) -> TokenSource {
    TokenSource::Header {
        name: HeaderName::from_static(name),
        prefix: prefix.into(),
    }
}
