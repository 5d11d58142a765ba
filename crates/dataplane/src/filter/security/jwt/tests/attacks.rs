//! Forged tokens: known attacks on verifiers (RFC 8725).

use super::signer::{Signer, encode, joined};
use super::*;

#[test]
fn unsigned_token_is_denied_in_every_spelling() {
    let signer = Signer::new("ES256", "key-1");
    let filter = required(vec![provider("p", &[&signer])]);
    for algorithm in ["none", "None", "NONE", "nOnE", "", "HS1", "ES512"] {
        for signature in [&b""[..], b"x"] {
            let header = json!({"alg": algorithm, "kid": "key-1"});
            let token = joined(&header, &json!({"sub": "admin"}), signature);
            let denied = outcome(&filter, &token);
            assert_eq!(denied, Err(Denial::JwtUnsupportedAlgorithm), "{token}");
        }
    }
    let signed = signer.token(&json!({"sub": "admin"}));
    let stripped = format!("{}.", signed.rsplit_once('.').expect("a signature").0);
    let denied = outcome(&filter, &stripped);
    assert_eq!(denied, Err(Denial::JwtMalformed), "an empty signature");
}

#[test]
fn public_rsa_key_is_no_secret_of_an_hmac() {
    let rsa = Signer::new("RS256", "key-1");
    let filter = required(vec![provider("p", &[&rsa])]);
    let modulus = rsa.jwk()["n"].as_str().expect("a modulus").to_owned();
    let secrets = [
        modulus.clone().into_bytes(),
        rsa.jwk().to_string().into_bytes(),
    ];
    for secret in secrets {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let header = json!({"alg": "HS256", "kid": "key-1"});
        let payload = json!({"sub": "admin"});
        let message = joined(&header, &payload, b"");
        let tag = ring::hmac::sign(&key, message.trim_end_matches('.').as_bytes());
        let token = joined(&header, &payload, tag.as_ref());
        assert_eq!(outcome(&filter, &token), Err(Denial::JwtUnknownKey));
    }
}

#[test]
fn algorithm_must_fit_the_key() {
    let rsa = Signer::new("RS256", "key-1");
    let mut jwk = rsa.jwk();
    jwk["alg"] = json!("RS256");
    let mut declared = provider("p", &[&rsa]);
    declared.keys = ProviderKeys::Local(keys(json!({"keys": [jwk]})));
    let filter = required(vec![declared]);
    let claims = json!({});
    assert_eq!(outcome(&filter, &rsa.token(&claims)), Ok(()));
    for other in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
        let token = rsa.with_algorithm(other).token(&claims);
        let denied = outcome(&filter, &token);
        assert_eq!(denied, Err(Denial::JwtUnknownKey), "{other}");
    }
    // A key without `alg` is for every algorithm of its type, but not for a signature made with another one.
    let open = required(vec![provider("p", &[&rsa])]);
    let header = json!({"alg": "RS512", "kid": "key-1"});
    let denied = outcome(&open, &rsa.token_with(&header, &claims));
    assert_eq!(denied, Err(Denial::JwtBadSignature));
    for other in ["ES256", "ES384", "EdDSA"] {
        let header = json!({"alg": other, "kid": "key-1"});
        let denied = outcome(&open, &rsa.token_with(&header, &claims));
        assert_eq!(denied, Err(Denial::JwtUnknownKey), "{other}");
    }
}

#[test]
fn key_id_is_only_compared() {
    let signer = Signer::new("ES256", "key-1");
    let filter = required(vec![provider("p", &[&signer])]);
    for id in [
        "../../../../dev/null",
        "../../x",
        "/etc/passwd",
        "key-1'; DROP TABLE keys",
        "https://attacker.example/keys",
        "key-1\0",
    ] {
        let token = signer.token_with(&json!({"alg": "ES256", "kid": id}), &json!({}));
        assert_eq!(outcome(&filter, &token), Err(Denial::JwtUnknownKey), "{id}");
    }
}

/// A token never says where its key is, or what it is (`jku`, `x5u`, `jwk`, `x5c`).
#[test]
fn key_in_the_token_is_not_used() {
    let (trusted, attacker) = (Signer::new("ES256", "key-1"), Signer::new("ES256", "key-1"));
    let filter = required(vec![provider("p", &[&trusted])]);
    let header = json!({
        "alg": "ES256", "kid": "key-1", "jwk": attacker.jwk(), "jku": "https://attacker.example/keys",
    });
    let denied = outcome(&filter, &attacker.token_with(&header, &json!({})));
    assert_eq!(denied, Err(Denial::JwtBadSignature));
}

#[test]
fn critical_extension_is_not_ignored() {
    let signer = Signer::new("ES256", "key-1");
    let filter = required(vec![provider("p", &[&signer])]);
    let header = json!({"alg": "ES256", "kid": "key-1", "crit": ["b64"], "b64": false});
    let denied = outcome(&filter, &signer.token_with(&header, &json!({})));
    assert_eq!(denied, Err(Denial::JwtMalformed));
}

#[test]
fn changed_token_is_denied() {
    let signer = Signer::new("ES256", "key-1");
    let filter = required(vec![provider("p", &[&signer])]);
    let token = signer.token(&json!({"sub": "alice"}));
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let (header, _) = signed.split_once('.').expect("a payload");
    let forged = format!("{header}.{}.{signature}", encode(r#"{"sub":"admin"}"#));
    assert_eq!(outcome(&filter, &forged), Err(Denial::JwtBadSignature));
    // ECDSA over all zeros was accepted by some verifiers (CVE-2022-21449).
    let zeros = format!("{signed}.{}", encode([0; 64]));
    assert_eq!(outcome(&filter, &zeros), Err(Denial::JwtBadSignature));
    // A DER signature instead of the two numbers.
    let short = format!("{signed}.{}", encode([0x30, 6, 2, 1, 1, 2, 1, 1]));
    assert_eq!(outcome(&filter, &short), Err(Denial::JwtBadSignature));
}

#[test]
fn token_in_two_places_must_be_valid_in_both() {
    let signer = Signer::new("ES256", "key-1");
    let filter = required(vec![provider("p", &[&signer])]);
    let alice = signer.token(&json!({"sub": "alice"}));
    let forged = Signer::new("ES256", "key-1").token(&json!({"sub": "admin"}));
    let query = |token: &str| format!("access_token={token}");
    let denied = Err(Denial::JwtBadSignature);
    let both = |header: &str, parameter: &str| {
        outcome_of(&filter, &bearer(header), Some(&query(parameter)))
    };
    assert_eq!(both(&alice, &alice), Ok(()));
    assert_eq!(both(&alice, &forged), denied);
    assert_eq!(both(&forged, &alice), denied);
    let twice = format!("access_token={alice}&access_token={forged}");
    assert_eq!(outcome_of(&filter, &HeaderMap::new(), Some(&twice)), denied);
    let mut repeated = bearer(&alice);
    repeated.append("authorization", bearer(&forged)["authorization"].clone());
    assert_eq!(outcome_of(&filter, &repeated, None), denied);
    let nine = vec![query(&alice); 9].join("&");
    let too_many = outcome_of(&filter, &HeaderMap::new(), Some(&nine));
    assert_eq!(too_many, Err(Denial::JwtMalformed));
}
