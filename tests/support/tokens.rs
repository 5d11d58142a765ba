//! JSON Web Tokens and the keys that verify them. Keys are made when a test needs them.

use super::openssl::openssl;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// An issuer of tokens with one key.
pub struct TokenIssuer {
    id: String,
    key: PrivateKey,
}

enum PrivateKey {
    /// Signs with ES256.
    Ec(EcdsaKeyPair),
    /// Signs with RS256.
    Rsa(RsaKeyPair),
}

/// The present time in seconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a time after 1970").as_secs()
}

/// Base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns a JWKS with the keys of these issuers.
pub fn jwks(issuers: &[&TokenIssuer]) -> String {
    let keys: Vec<Value> = issuers.iter().map(|issuer| issuer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

impl TokenIssuer {
    /// Makes a key of P-256 with this id.
    pub fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random);
        TokenIssuer {
            id: id.to_owned(),
            key: PrivateKey::Ec(pair.expect("a key")),
        }
    }

    /// Makes an RSA key with this id.
    pub fn rsa(id: &str) -> Self {
        let pem = openssl(&["genpkey", "-algorithm", "RSA"], "");
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).expect("PEM");
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key");
        TokenIssuer {
            id: id.to_owned(),
            key: PrivateKey::Rsa(pair),
        }
    }

    /// Returns the public key as an entry of a JWKS.
    pub fn jwk(&self) -> Value {
        match &self.key {
            PrivateKey::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": encode(x), "y": encode(y)})
            }
            PrivateKey::Rsa(pair) => {
                let PublicKeyComponents { n, e } =
                    PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": self.id, "n": encode(n), "e": encode(e)})
            }
        }
    }

    /// Returns the header of its tokens.
    pub fn header(&self) -> Value {
        let algorithm = match self.key {
            PrivateKey::Ec(_) => "ES256",
            PrivateKey::Rsa(_) => "RS256",
        };
        json!({"alg": algorithm, "kid": self.id})
    }

    /// Signs a token.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// Signs a token with this header, whatever it says.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = unsigned(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.key {
            PrivateKey::Ec(pair) => {
                let signature = pair.sign(&random, message.as_bytes());
                signature.expect("a signature").as_ref().to_vec()
            }
            PrivateKey::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &random,
                    message.as_bytes(),
                    &mut signature,
                )
                .expect("a signature");
                signature
            }
        };
        format!("{message}.{}", encode(signature))
    }
}

/// Returns the part of a token that is signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    let (header, claims) = (encode(header.to_string()), encode(claims.to_string()));
    format!("{header}.{claims}")
}
