//! The cost of verifying a JSON Web Token, by its algorithm.
//!
//! Each figure is the time of the whole filter for one request: finding the token, parsing it, and verifying its signature. Run with
//! `./x bench tokens`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use gatefold_dataplane::filter::route_choice::RouteChoice;
use gatefold_dataplane::filter::security::jwt::key_set::KeySet;
use gatefold_dataplane::filter::security::jwt::provider::{Audiences, JwtProvider, ProviderKeys};
use gatefold_dataplane::filter::security::jwt::token_source::TokenSources;
use gatefold_dataplane::filter::security::jwt::{JwtFilter, TokenRequirement};
use http::{HeaderMap, HeaderValue};
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::hint::black_box;
use std::process::Command;
use std::time::SystemTime;

/// A public key as an entry of a JWKS, and a function that signs with the private one.
type Signer = (Value, Box<dyn Fn(&[u8]) -> Vec<u8>>);

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn es256() -> Signer {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)});
    let sign = move |message: &[u8]| {
        let signature = pair.sign(&random, message).expect("a signature");
        signature.as_ref().to_vec()
    };
    (jwk, Box::new(sign))
}

fn rs256() -> Signer {
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA"])
        .output()
        .expect("openssl");
    let der = PrivatePkcs8KeyDer::from_pem_slice(&made.stdout).expect("PEM");
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key");
    let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
    let jwk = json!({"kty": "RSA", "n": encode(n), "e": encode(e)});
    let sign = move |message: &[u8]| {
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        )
        .expect("a signature");
        signature
    };
    (jwk, Box::new(sign))
}

/// Requires a token that is signed by a key.
fn filter(jwk: &Value) -> JwtFilter {
    let jwks = json!({"keys": [jwk]}).to_string();
    let (keys, _) = KeySet::parse(jwks.as_bytes()).expect("keys");
    let provider = JwtProvider {
        name: "idp".into(),
        issuer: Some("https://idp.example".into()),
        audiences: Audiences::new(["shop"]),
        keys: ProviderKeys::Local(keys),
        sources: TokenSources::new(Vec::new()),
        claim_headers: Vec::new(),
        routing: RouteChoice::Keep,
    };
    JwtFilter {
        providers: vec![provider],
        requirement: TokenRequirement::Required,
    }
}

fn request(algorithm: &str, sign: &dyn Fn(&[u8]) -> Vec<u8>) -> HeaderMap {
    let header = encode(json!({"alg": algorithm}).to_string());
    let claims = json!({
        "iss": "https://idp.example", "aud": ["shop"], "sub": "alice", "exp": 4_000_000_000_u64,
        "scope": "read write", "groups": ["staff", "admins"],
    });
    let signed = format!("{header}.{}", encode(claims.to_string()));
    let token = format!("Bearer {signed}.{}", encode(sign(signed.as_bytes())));
    let value = HeaderValue::from_str(&token).expect("a value");
    HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
}

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tokens");
    for (algorithm, (jwk, sign)) in [("ES256", es256()), ("RS256", rs256())] {
        let (filter, headers) = (filter(&jwk), request(algorithm, &*sign));
        let now = SystemTime::now();
        assert!(filter.check(&headers, None, now).is_ok());
        group.bench_function(algorithm, |bencher| {
            bencher.iter(|| filter.check(black_box(&headers), None, now).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
