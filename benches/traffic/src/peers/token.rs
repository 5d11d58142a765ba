//! The JSON Web Token of requests that servers verify (`--token`), signed with RS256, as most issuers do.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

pub const ISSUER: &str = "https://idp.example.com";
/// How long the token is valid, in seconds.
const VALID: u64 = 24 * 3600;

/// A token, and the key that verifies it.
pub struct PeerToken {
    pub token: String,
    /// The key as a JWKS (RFC 7517).
    pub jwks: String,
    /// The key in PEM.
    pub public_key: String,
}

impl PeerToken {
    /// Makes a key of 2048 bits and signs a token. The key is written into the folder.
    ///
    /// # Errors
    /// If openssl is missing or fails.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let key = folder.join("issuer.pem");
        let message = folder.join("unsigned-token");
        let [key_file, message_file] =
            [&key, &message].map(|path| path.to_str().context("a folder that isn't UTF-8"));
        let (key_file, message_file) = (key_file?, message_file?);
        openssl(&["genrsa", "-out", key_file, "2048"])?;
        let public_key = openssl(&["rsa", "-in", key_file, "-pubout"])?;
        let modulus = openssl(&["rsa", "-in", key_file, "-noout", "-modulus"])?;
        let modulus = String::from_utf8(modulus)?;
        let modulus = bytes(modulus.trim().trim_start_matches("Modulus="))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": "one"});
        let claims = json!({
            "iss": ISSUER, "sub": "248289761001", "aud": "shop", "iat": now, "exp": now + VALID, "scope": "openid profile email"
        });
        let unsigned = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        fs::write(&message, &unsigned)?;
        let signature = openssl(&["dgst", "-sha256", "-sign", key_file, message_file])?;
        let jwk =
            json!({"kty": "RSA", "kid": "one", "alg": "RS256", "n": encode(modulus), "e": "AQAB"});
        Ok(PeerToken {
            token: format!("{unsigned}.{}", encode(signature)),
            jwks: json!({ "keys": [jwk] }).to_string(),
            public_key: String::from_utf8(public_key)?,
        })
    }

    /// Returns a SecurityPolicy that requires the token on a route.
    pub fn policy(&self, route: &str) -> String {
        format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata:
  name: tokens
spec:
  targetRefs:
    - {{group: gateway.networking.k8s.io, kind: HTTPRoute, name: {route}}}
  jwt:
    providers:
      - name: idp
        issuer: {ISSUER}
        localJWKS: {{type: Inline, inline: '{}'}}
",
            self.jwks
        )
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads hexadecimal digits.
fn bytes(digits: &str) -> anyhow::Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    bytes.collect()
}

fn openssl(arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.context("openssl, which makes the key of tokens, can't be run")?;
    ensure!(output.status.success(), "openssl {arguments:?} failed");
    Ok(output.stdout)
}
