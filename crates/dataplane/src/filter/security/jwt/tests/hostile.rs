//! Arbitrary bytes as tokens and as keys. Nothing panics, and nothing is accepted.

use super::signer::{Signer, encode};
use super::*;
use crate::filter::security::jwt::token::{MAX_TOKEN, Token};
use proptest::prelude::*;

fn filter() -> JwtFilter {
    required(vec![provider("p", &[&Signer::new("EdDSA", "key-1")])])
}

#[test]
fn malformed_tokens_are_denied() {
    let payload = encode("{}");
    let header = encode(r#"{"alg":"EdDSA"}"#);
    let filter = filter();
    for token in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a.b",
        &format!("{header}.{payload}"),
        &format!("{header}.{payload}.AA.AA.AA"),
        &format!("{header}.{payload}.AA=="),
        &format!("{header}.{payload}.A"),
        &format!("{header}.{payload}.AB"),
        &format!("{header}=.{payload}.AA"),
        &format!("{header}.{}.AA", encode("[]")),
        &format!("{header}.{}.AA", encode("{}{}")),
        &format!("{header}.{}.AA", encode([0xff])),
        &format!("{}.{payload}.AA", encode("{}")),
        &format!("{}.{payload}.AA", encode(r#"{"alg":1}"#)),
        &format!("{}.{payload}.AA", encode(r#"{"alg":"EdDSA","kid":null}"#)),
        &format!(
            "{header}.{}.AA",
            encode(format!("{{\"a\":{}", "[".repeat(9_000)))
        ),
    ] {
        let outcome = Token::parse(token.as_bytes()).map(|_| ());
        assert_eq!(outcome, Err(Denial::JwtMalformed), "{token}");
        let outcome = super::outcome(&filter, &format!("{token} "));
        assert!(outcome.is_err(), "{token}");
    }
}

#[test]
fn oversized_token_is_denied_before_it_is_decoded() {
    let signer = Signer::new("EdDSA", "key-1");
    let filter = required(vec![provider("p", &[&signer])]);
    let sized = |length: usize| signer.token(&json!({"a": "x".repeat(length)}));
    let overhead = sized(0).len();
    let largest = sized((MAX_TOKEN - overhead) / 4 * 3 - 3);
    assert!(largest.len() <= MAX_TOKEN && largest.len() > MAX_TOKEN - 16);
    assert_eq!(outcome(&filter, &largest), Ok(()));
    let larger = sized(MAX_TOKEN * 3 / 4);
    assert!(larger.len() > MAX_TOKEN);
    assert_eq!(outcome(&filter, &larger), Err(Denial::JwtMalformed));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_token(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Token::parse(&bytes).is_err());
    }

    #[test]
    fn arbitrary_json_is_no_valid_token(
        header in r#"\{("alg":"(EdDSA|HS256|none)",?)?("kid":"[ -~]{0,9}")?\}"#,
        payload in r#"\{"(iss|exp|aud|nbf)":(-?[0-9]{1,30}|"[ -~]{0,9}"|null|\[\])\}"#,
        signature in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let token = format!("{}.{}.{}", encode(header), encode(payload), encode(signature));
        prop_assert!(outcome(&filter(), &token).is_err());
    }

    #[test]
    fn arbitrary_header_values_are_denied(value in r"[ -~]{0,60}") {
        let headers = headers(&[("authorization", &value)]);
        prop_assert!(outcome_of(&filter(), &headers, Some(&value)).is_err());
    }

    #[test]
    fn arbitrary_keys_do_not_panic(
        kty in "RSA|EC|OKP|oct",
        crv in "P-256|P-384|Ed25519",
        field in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let field = encode(field);
        let jwk = json!({
            "kty": kty, "crv": crv, "n": &field, "e": "AQAB", "x": &field, "y": &field, "k": &field,
        });
        let _ = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes());
    }
}
