//! Signs tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use ring::{hmac, rand, rsa};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;

/// A private key, with the id and the algorithm of its tokens.
pub(super) struct Signer {
    algorithm: &'static str,
    id: &'static str,
    key: PrivateKey,
}

#[derive(Clone)]
enum PrivateKey {
    Rsa(Arc<RsaKeyPair>, &'static dyn RsaEncoding),
    Ec(Arc<EcdsaKeyPair>),
    Ed(Arc<Ed25519KeyPair>),
    Secret(hmac::Algorithm, Vec<u8>),
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Joins the encoded parts of a token.
pub(super) fn joined(header: &Value, payload: &Value, signature: &[u8]) -> String {
    let (header, payload) = (encode(header.to_string()), encode(payload.to_string()));
    format!("{header}.{payload}.{}", encode(signature))
}

impl Signer {
    /// Makes a key for an algorithm.
    pub(super) fn new(algorithm: &'static str, id: &'static str) -> Self {
        let random = rand::SystemRandom::new();
        let ec = |curve: &'static EcdsaSigningAlgorithm| {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).expect("a key");
            let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8.as_ref(), &random);
            PrivateKey::Ec(Arc::new(pair.expect("a key")))
        };
        let secret = |hash, length| {
            let mut secret = vec![0; length];
            rand::SecureRandom::fill(&random, &mut secret).expect("random bytes");
            PrivateKey::Secret(hash, secret)
        };
        let key = match algorithm {
            "ES256" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            "EdDSA" => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key");
                PrivateKey::Ed(Arc::new(pair))
            }
            "HS256" => secret(hmac::HMAC_SHA256, 32),
            "HS384" => secret(hmac::HMAC_SHA384, 48),
            "HS512" => secret(hmac::HMAC_SHA512, 64),
            other => PrivateKey::Rsa(Arc::new(rsa_key()), encoding(other)),
        };
        Signer { algorithm, id, key }
    }

    /// Returns a signer with the same RSA key and another algorithm.
    pub(super) fn with_algorithm(&self, algorithm: &'static str) -> Self {
        let PrivateKey::Rsa(pair, _) = &self.key else {
            panic!("no RSA key")
        };
        Signer {
            algorithm,
            id: self.id,
            key: PrivateKey::Rsa(pair.clone(), encoding(algorithm)),
        }
    }

    /// Returns the public key, or the secret, as an entry of a JWKS without `alg`.
    pub(super) fn jwk(&self) -> Value {
        let id = self.id;
        match &self.key {
            PrivateKey::Rsa(pair, _) => {
                let rsa::PublicKeyComponents { n, e } =
                    rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": id, "n": encode(n), "e": encode(e)})
            }
            PrivateKey::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if self.algorithm == "ES256" {
                    "P-256"
                } else {
                    "P-384"
                };
                json!({"kty": "EC", "kid": id, "crv": curve, "x": encode(x), "y": encode(y)})
            }
            PrivateKey::Ed(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "kid": id, "crv": "Ed25519", "x": x})
            }
            PrivateKey::Secret(_, secret) => {
                json!({"kty": "oct", "kid": id, "k": encode(secret)})
            }
        }
    }

    /// Returns the header of its tokens.
    pub(super) fn header(&self) -> Value {
        json!({"alg": self.algorithm, "kid": self.id, "typ": "JWT"})
    }

    /// Signs a token with these claims.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&self.header(), claims)
    }

    /// Signs a token with this header, whatever it says.
    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let unsigned = joined(header, claims, b"");
        let message = unsigned.trim_end_matches('.').as_bytes();
        joined(header, claims, &self.sign(message))
    }

    /// Signs bytes.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = rand::SystemRandom::new();
        match &self.key {
            PrivateKey::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, &random, message, &mut signature)
                    .expect("a signature");
                signature
            }
            PrivateKey::Ec(pair) => {
                let signature = pair.sign(&random, message).expect("a signature");
                signature.as_ref().to_vec()
            }
            PrivateKey::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            PrivateKey::Secret(hash, secret) => {
                let key = hmac::Key::new(*hash, secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
        }
    }
}

fn encoding(algorithm: &str) -> &'static dyn RsaEncoding {
    match algorithm {
        "RS256" => &RSA_PKCS1_SHA256,
        "RS384" => &RSA_PKCS1_SHA384,
        "RS512" => &RSA_PKCS1_SHA512,
        "PS256" => &RSA_PSS_SHA256,
        "PS384" => &RSA_PSS_SHA384,
        "PS512" => &RSA_PSS_SHA512,
        other => panic!("no algorithm {other}"),
    }
}

/// Makes an RSA key, which only openssl does.
fn rsa_key() -> RsaKeyPair {
    let made = Command::new("openssl")
        .args([
            "genpkey",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            "rsa_keygen_bits:2048",
        ])
        .output()
        .expect("openssl, which ./x test installs");
    assert!(made.status.success(), "{made:?}");
    let der = PrivatePkcs8KeyDer::from_pem_slice(&made.stdout).expect("PEM");
    RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key")
}
