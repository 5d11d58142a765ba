//! What a provider demands of a token.

use super::signer::Signer;
use super::*;
use crate::filter::security::jwt::algorithm::SignatureAlgorithm;
use crate::filter::security::jwt::remote_keys::RemoteKeys;
use std::sync::Arc;

#[test]
fn accepts_every_supported_algorithm() {
    for algorithm in SignatureAlgorithm::ALL {
        let signer = Signer::new(algorithm.name(), "key-1");
        let filter = required(vec![provider("p", &[&signer])]);
        let token = signer.token(&json!({"sub": "alice"}));
        assert_eq!(outcome(&filter, &token), Ok(()), "{algorithm}");
        let other = Signer::new(algorithm.name(), "key-1");
        let forged = other.token(&json!({"sub": "alice"}));
        let denied = outcome(&filter, &forged);
        assert_eq!(denied, Err(Denial::JwtBadSignature), "{algorithm}");
    }
}

/// Clocks may differ by a minute, in whole seconds (Envoy: `verifyTimeConstraint`).
#[test]
fn token_is_valid_from_nbf_to_exp_with_a_minute_of_clock_skew() {
    let signer = Signer::new("ES256", "key-1");
    let filter = required(vec![provider("p", &[&signer])]);
    for (claims, expected) in [
        (json!({}), Ok(())),
        (json!({"exp": NOW - 60}), Ok(())),
        (json!({"exp": NOW - 61}), Err(Denial::JwtExpired)),
        (json!({"exp": NOW as f64 - 60.5}), Err(Denial::JwtExpired)),
        (json!({"exp": 0}), Err(Denial::JwtExpired)),
        (json!({"exp": -1}), Err(Denial::JwtExpired)),
        (json!({"exp": i64::MIN}), Err(Denial::JwtExpired)),
        (json!({"exp": u64::MAX}), Ok(())),
        (json!({"exp": 1e300}), Ok(())),
        (json!({"nbf": NOW + 60}), Ok(())),
        (json!({"nbf": NOW + 61}), Err(Denial::JwtNotYetValid)),
        (json!({"nbf": u64::MAX}), Err(Denial::JwtNotYetValid)),
        (json!({"exp": "never"}), Err(Denial::JwtMalformed)),
        (json!({"exp": null}), Err(Denial::JwtMalformed)),
        (json!({"iat": true}), Err(Denial::JwtMalformed)),
    ] {
        let outcome = outcome(&filter, &signer.token(&claims));
        assert_eq!(outcome, expected, "{claims}");
    }
}

#[test]
fn issuer_is_compared_exactly() {
    let signer = Signer::new("ES256", "key-1");
    let mut strict = provider("p", &[&signer]);
    strict.issuer = Some(ISSUER.into());
    let filter = required(vec![strict]);
    let other = ISSUER.to_uppercase();
    for (claims, expected) in [
        (json!({"iss": ISSUER}), Ok(())),
        (json!({}), Err(Denial::JwtWrongIssuer)),
        (json!({"iss": other}), Err(Denial::JwtWrongIssuer)),
        (
            json!({"iss": "https://issuer.example/"}),
            Err(Denial::JwtWrongIssuer),
        ),
        (json!({"iss": [ISSUER]}), Err(Denial::JwtMalformed)),
    ] {
        let outcome = outcome(&filter, &signer.token(&claims));
        assert_eq!(outcome, expected, "{claims}");
    }
}

/// Envoy ignores the scheme of an audience and a final slash.
#[test]
fn one_audience_of_a_text_or_a_list_suffices() {
    let signer = Signer::new("ES256", "key-1");
    let mut strict = provider("p", &[&signer]);
    strict.audiences = Audiences::new(["shop", "https://api.example/"]);
    let filter = required(vec![strict]);
    for (claims, expected) in [
        (json!({"aud": "shop"}), Ok(())),
        (json!({"aud": ["other", "shop"]}), Ok(())),
        (json!({"aud": "api.example"}), Ok(())),
        (json!({"aud": "http://api.example"}), Ok(())),
        (json!({"aud": "shop2"}), Err(Denial::JwtWrongAudience)),
        (json!({"aud": []}), Err(Denial::JwtWrongAudience)),
        (json!({}), Err(Denial::JwtWrongAudience)),
        (json!({"aud": ["shop", 1]}), Err(Denial::JwtMalformed)),
        (json!({"aud": null}), Err(Denial::JwtMalformed)),
    ] {
        let outcome = outcome(&filter, &signer.token(&claims));
        assert_eq!(outcome, expected, "{claims}");
    }
}

#[test]
fn key_id_selects_the_key_and_without_one_all_fitting_keys_are_tried() {
    let (first, second) = (
        Signer::new("ES256", "first"),
        Signer::new("ES256", "second"),
    );
    let filter = required(vec![provider("p", &[&first, &second])]);
    let claims = json!({});
    let with_id = |id: Value| second.token_with(&json!({"alg": "ES256", "kid": id}), &claims);
    assert_eq!(outcome(&filter, &with_id(json!("second"))), Ok(()));
    let wrong = outcome(&filter, &with_id(json!("first")));
    assert_eq!(wrong, Err(Denial::JwtBadSignature));
    let unknown = outcome(&filter, &with_id(json!("third")));
    assert_eq!(unknown, Err(Denial::JwtUnknownKey));
    let no_text = outcome(&filter, &with_id(json!(2)));
    assert_eq!(no_text, Err(Denial::JwtMalformed));
    let without_id = second.token_with(&json!({"alg": "ES256"}), &claims);
    assert_eq!(outcome(&filter, &without_id), Ok(()));
    assert_eq!(outcome(&filter, &with_id(json!(""))), Ok(()), "as no id");
}

#[test]
fn number_of_trials_per_token_is_limited() {
    let signers: Vec<Signer> = (0..20).map(|_| Signer::new("EdDSA", "key")).collect();
    let all: Vec<&Signer> = signers.iter().collect();
    let filter = required(vec![provider("p", &all)]);
    let accepted = signers
        .iter()
        .map(|it| outcome(&filter, &it.token(&json!({}))));
    assert_eq!(accepted.filter(Result::is_ok).count(), 16);
}

#[test]
fn requests_are_denied_until_remote_keys_are_there() {
    let signer = Signer::new("ES256", "key-1");
    let remote = Arc::new(RemoteKeys::default());
    let mut waiting = provider("p", &[&signer]);
    waiting.keys = ProviderKeys::Remote(remote.clone());
    let filter = required(vec![waiting]);
    let token = signer.token(&json!({}));
    let early = outcome(&filter, &token);
    assert_eq!(early, Err(Denial::JwksUnavailable));
    remote.set(keys(json!({"keys": [signer.jwk()]})), Vec::new());
    assert_eq!(outcome(&filter, &token), Ok(()));
    let rotated = Signer::new("ES256", "key-2");
    remote.set(keys(json!({"keys": [rotated.jwk()]})), Vec::new());
    assert_eq!(outcome(&filter, &token), Err(Denial::JwtUnknownKey));
}
