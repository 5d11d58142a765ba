//! A JSON Web Token.

use gatefold_dataplane::filter::route_choice::RouteChoice;
use gatefold_dataplane::filter::security::jwt::JwtFilter;
use gatefold_dataplane::filter::security::jwt::TokenRequirement;
use gatefold_dataplane::filter::security::jwt::key_set::KeySet;
use gatefold_dataplane::filter::security::jwt::provider::{Audiences, JwtProvider, ProviderKeys};
use gatefold_dataplane::filter::security::jwt::token_source::TokenSources;
use http::{HeaderMap, HeaderValue};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// Public keys whose private parts were thrown away, so that no token can be signed with them.
const KEYS: &str = include_str!("../keys.json");

static FILTER: LazyLock<JwtFilter> = LazyLock::new(|| {
    let (keys, skipped) = KeySet::parse(KEYS.as_bytes()).expect("keys");
    assert!(skipped.is_empty());
    JwtFilter {
        providers: vec![JwtProvider {
            name: "any".into(),
            issuer: None,
            audiences: Audiences::default(),
            keys: ProviderKeys::Local(keys),
            sources: TokenSources::new(Vec::new()),
            claim_headers: Vec::new(),
            routing: RouteChoice::Keep,
        }],
        requirement: TokenRequirement::Required,
    }
});

/// Sends the bytes as a token in a header, and as the query. None may pass.
pub fn check(bytes: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_300_000_000);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", bytes].concat()) {
        headers.insert(http::header::AUTHORIZATION, value);
    }
    let query = str::from_utf8(bytes).ok();
    let query = query.map(|token| format!("access_token={token}"));
    for (headers, query) in [
        (&headers, None),
        (&HeaderMap::new(), query.as_deref()),
        (&headers, query.as_deref()),
    ] {
        let accepted = FILTER.check(headers, query, now);
        assert!(accepted.is_err(), "a token passes: {bytes:?}");
    }
}
