//! Parses a JSON Web Token (RFC 7519) in the compact form of a JWS (RFC 7515, section 7.1).
//!
//! In: bytes that a client has sent. Out: the parts of a well-formed token, of which nothing is trusted yet, or a [`Denial`].

use super::algorithm::SignatureAlgorithm;
use super::claims::Claims;
use crate::filter::security::denial::Denial;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The maximum length of a token, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// A well-formed token whose signature isn't verified yet.
pub(super) struct Token<'t> {
    /// The algorithm of the signature (`alg`).
    pub algorithm: SignatureAlgorithm,
    /// The id of the key (`kid`). It is only compared, never used as a path or an address. An empty one is none, as in Envoy.
    pub key_id: Option<String>,
    /// What is signed: the encoded header and payload.
    pub signed: &'t str,
    /// The signature.
    pub signature: Vec<u8>,
    /// The payload.
    pub claims: Claims,
}

impl<'t> Token<'t> {
    /// Parses a token.
    ///
    /// # Errors
    /// If it isn't well-formed, or its algorithm isn't supported.
    pub(super) fn parse(text: &'t [u8]) -> Result<Self, Denial> {
        const MALFORMED: Denial = Denial::JwtMalformed;
        if text.len() > MAX_TOKEN {
            return Err(MALFORMED);
        }
        let text = str::from_utf8(text).map_err(|_| MALFORMED)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, payload) = signed.split_once('.').ok_or(MALFORMED)?;
        // A third dot is no character of Base64url, so the payload can't contain one.
        let header = object(header).ok_or(MALFORMED)?;
        // "If any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS is
        // invalid" (RFC 7515, section 4.1.11), and none is supported.
        if header.contains_key("crit") {
            return Err(MALFORMED);
        }
        let algorithm = header.get("alg").and_then(Value::as_str);
        let algorithm = algorithm.ok_or(MALFORMED)?;
        let algorithm =
            SignatureAlgorithm::named(algorithm).ok_or(Denial::JwtUnsupportedAlgorithm)?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()).filter(|id| !id.is_empty()),
            Some(_) => return Err(MALFORMED),
        };
        let claims = object(payload).and_then(Claims::new).ok_or(MALFORMED)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok();
        let signature = signature.filter(|it| !it.is_empty()).ok_or(MALFORMED)?;
        Ok(Token {
            algorithm,
            key_id,
            signed,
            signature,
            claims,
        })
    }
}

/// Returns the claims of a token without a look at its header and its signature. `None` if it isn't well-formed.
pub(in crate::filter::security) fn unverified_claims(text: &[u8]) -> Option<Claims> {
    if text.len() > MAX_TOKEN {
        return None;
    }
    let (signed, _) = str::from_utf8(text).ok()?.rsplit_once('.')?;
    let (_, payload) = signed.split_once('.')?;
    object(payload).and_then(Claims::new)
}

/// Decodes a JSON object. Nesting is limited by serde_json, to 128 levels.
fn object(encoded: &str) -> Option<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    serde_json::from_slice(&json).ok()
}
