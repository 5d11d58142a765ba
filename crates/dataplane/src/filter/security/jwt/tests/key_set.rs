//! Which keys of a JWKS are used.

use super::signer::{Signer, encode};
use super::*;
use crate::filter::security::jwt::KeyProblem;
use crate::filter::security::jwt::key_set::{KeySetProblem, MAX_KEY_SET, SkippedKey};

/// The only problem with a key that isn't used.
fn problem(jwk: Value) -> Option<KeyProblem> {
    let good = Signer::new("EdDSA", "good").jwk();
    let text = json!({"keys": [jwk, good]}).to_string();
    let (keys, mut skipped) = KeySet::parse(text.as_bytes()).expect("one good key");
    assert_eq!(keys.size() + skipped.len(), 2, "{skipped:?}");
    skipped.pop().map(|it| it.problem)
}

fn with(mut jwk: Value, field: &str, value: Value) -> Value {
    jwk[field] = value;
    jwk
}

#[test]
fn unusable_keys_are_skipped_with_the_reason() {
    let ec = Signer::new("ES256", "ec").jwk();
    let secret = |bytes: usize| json!({"kty": "oct", "k": encode(vec![7; bytes])});
    let rsa = |n: &[u8], e: &[u8]| json!({"kty": "RSA", "n": encode(n), "e": encode(e)});
    let modulus = [0xff; 256];
    for (jwk, expected) in [
        (json!({"kty": "AKP"}), KeyProblem::Type("AKP".to_owned())),
        (
            with(ec.clone(), "crv", json!("P-521")),
            KeyProblem::Curve("P-521".to_owned()),
        ),
        (with(ec.clone(), "crv", json!("P-384")), KeyProblem::Point),
        (with(ec.clone(), "x", ec["y"].clone()), KeyProblem::Point),
        (with(ec.clone(), "x", json!("!")), KeyProblem::Field("x")),
        (
            with(ec.clone(), "alg", json!("ES512")),
            KeyProblem::Algorithm("ES512".to_owned()),
        ),
        (
            with(ec.clone(), "alg", json!("none")),
            KeyProblem::Algorithm("none".to_owned()),
        ),
        (
            json!({"kty": "OKP", "crv": "X25519", "x": "AA"}),
            KeyProblem::Curve("X25519".to_owned()),
        ),
        (
            json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}),
            KeyProblem::Field("x"),
        ),
        (secret(31), KeyProblem::ShortSecret),
        (
            with(secret(32), "alg", json!("HS512")),
            KeyProblem::ShortSecret,
        ),
        (json!({"kty": "oct"}), KeyProblem::Field("k")),
        (rsa(&modulus[..128], &[3]), KeyProblem::Rsa),
        (rsa(&modulus, &[1]), KeyProblem::Rsa),
        (rsa(&modulus, &[2]), KeyProblem::Rsa),
        (rsa(&modulus, &[0xff; 5]), KeyProblem::Rsa),
        (rsa(&[0xfe; 256], &[3]), KeyProblem::Rsa),
        (rsa(&[0xff; 2000], &[3]), KeyProblem::Rsa),
        (rsa(&[0; 300], &[3]), KeyProblem::Rsa),
    ] {
        assert_eq!(problem(jwk.clone()), Some(expected), "{jwk}");
    }
    let other = problem(with(ec, "alg", json!("RS256")));
    assert!(
        matches!(other, Some(KeyProblem::OtherAlgorithm(_))),
        "{other:?}"
    );
    for entry in [
        json!(1),
        json!({}),
        json!({"kty": 1}),
        json!({"kty": "RSA", "kid": 1}),
    ] {
        let found = problem(entry.clone());
        assert_eq!(found, Some(KeyProblem::Malformed), "{entry}");
    }
}

#[test]
fn keys_for_other_purposes_are_not_used_and_not_reported() {
    let signer = Signer::new("ES256", "key-1");
    for (field, value) in [("use", json!("enc")), ("key_ops", json!(["sign"]))] {
        let jwk = with(signer.jwk(), field, value);
        let text = json!({"keys": [jwk, Signer::new("EdDSA", "key-2").jwk()]}).to_string();
        let (keys, skipped) = KeySet::parse(text.as_bytes()).expect("one good key");
        assert_eq!((keys.size(), skipped.len()), (1, 0), "{field}");
    }
    for (field, value) in [
        ("use", json!("sig")),
        ("key_ops", json!(["sign", "verify"])),
    ] {
        assert_eq!(problem(with(signer.jwk(), field, value)), None, "{field}");
    }
}

#[test]
fn leading_zeros_of_an_rsa_key_are_ignored() {
    let signer = Signer::new("RS256", "key-1");
    let padded = |field: &str| {
        use base64::Engine;
        let decoder = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let jwk = signer.jwk();
        let bytes = decoder
            .decode(jwk[field].as_str().expect("text"))
            .expect("Base64");
        encode([&[0, 0], &*bytes].concat())
    };
    let jwk = json!({"kty": "RSA", "n": padded("n"), "e": padded("e")});
    let mut lenient = provider("p", &[&signer]);
    lenient.keys = ProviderKeys::Local(keys(json!({"keys": [jwk]})));
    let filter = required(vec![lenient]);
    assert_eq!(outcome(&filter, &signer.token(&json!({}))), Ok(()));
}

#[test]
fn set_without_a_usable_key_is_refused() {
    let parse = |text: &str| KeySet::parse(text.as_bytes()).map(|_| ());
    for text in ["", "<html>", r#"{"keys": [}"#, "{\"keys\": []} x"] {
        let refused = parse(text);
        let is_no_json = matches!(refused, Err(KeySetProblem::NotJson { .. }));
        assert!(is_no_json, "{text}: {refused:?}");
    }
    for text in ["{}", "[1]", r#""secret""#, r#"{"keys": {}}"#] {
        assert_eq!(parse(text), Err(KeySetProblem::NoKeys), "{text}");
    }
    let none = parse(r#"{"keys": []}"#);
    assert_eq!(none, Err(KeySetProblem::NoUsableKey(Vec::new())));
    let skipped = SkippedKey {
        index: 0,
        problem: KeyProblem::Type("AKP".to_owned()),
    };
    let unusable = parse(r#"{"keys": [{"kty": "AKP"}]}"#);
    assert_eq!(unusable, Err(KeySetProblem::NoUsableKey(vec![skipped])));
    let many = json!({"keys": vec![json!({}); 101]}).to_string();
    assert_eq!(parse(&many), Err(KeySetProblem::TooManyKeys(101)));
    let long = " ".repeat(MAX_KEY_SET + 1);
    assert_eq!(parse(&long), Err(KeySetProblem::TooLong));
    let deep = "[".repeat(100_000);
    let refused = parse(&format!("{{\"keys\": {deep}"));
    let is_no_json = matches!(refused, Err(KeySetProblem::NotJson { .. }));
    assert!(is_no_json, "{refused:?}");
}

#[test]
fn no_text_shows_a_secret() {
    let secret = encode([b'A'; 32]);
    let jwks = json!({"keys": [{"kty": "oct", "k": secret}, {"kty": "oct", "k": &secret, "key_ops": &secret}]});
    let (keys, skipped) = KeySet::parse(jwks.to_string().as_bytes()).expect("one key");
    let mut shown = provider("p", &[&Signer::new("HS256", "key-1")]);
    shown.keys = ProviderKeys::Local(keys);
    let filter = required(vec![shown]);
    for text in [
        format!("{filter:?}"),
        filter.to_string(),
        format!("{skipped:?}"),
    ] {
        assert!(!text.contains(&secret) && !text.contains("AAAA"), "{text}");
    }
}
