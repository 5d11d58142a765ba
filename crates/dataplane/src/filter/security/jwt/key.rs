//! A key of a JWKS (RFC 7517, section 4), which verifies signatures.
//!
//! In: an entry of a JWKS. Out: a key that is known to be usable, or why it isn't. A key is only used with algorithms for its
//! type: the public key of an RSA pair is never the secret of an HMAC.

use super::algorithm::SignatureAlgorithm;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use ring::{agreement, digest, hmac, rand};
use serde::Deserialize;
use std::fmt;

/// The sizes of RSA keys that ring verifies with, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The greatest exponent of RSA keys that ring verifies with, in bits.
const EXPONENT_BITS: usize = 33;

/// A key that verifies signatures.
pub(super) struct VerificationKey {
    /// `kid`.
    id: Option<Box<str>>,
    /// `alg`. `None` if the key is for every algorithm of its type.
    algorithm: Option<SignatureAlgorithm>,
    material: KeyMaterial,
}

/// The key itself, by its type.
enum KeyMaterial {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// An uncompressed point of P-256.
    P256(Box<[u8]>),
    /// An uncompressed point of P-384.
    P384(Box<[u8]>),
    /// A public key of Ed25519.
    Ed25519(Box<[u8]>),
    /// A secret that both sides have.
    Symmetric(Box<[u8]>),
}

/// Why a key can't be used. No text contains the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// The entry isn't an object, lacks `kty`, or has a field of another type.
    #[error(
        "it isn't a JSON Web Key: `kty` is absent, or a field has a type that RFC 7517 doesn't allow"
    )]
    Malformed,
    /// `kty` has a value that isn't supported.
    #[error("the key type `{0}` isn't supported: use `RSA`, `EC`, `OKP` or `oct`")]
    Type(String),
    /// `crv` has a value that isn't supported, or is absent.
    #[error("the curve `{0}` isn't supported: use `P-256`, `P-384` or `Ed25519`")]
    Curve(String),
    /// `alg` has a value that isn't supported.
    #[error("the algorithm `{0}` isn't supported")]
    Algorithm(String),
    /// `alg` is for another type of keys.
    #[error("the algorithm {0} is for keys of another type")]
    OtherAlgorithm(SignatureAlgorithm),
    /// A field is absent, or isn't Base64url without padding.
    #[error("the field `{0}` is absent, or isn't Base64url without padding")]
    Field(&'static str),
    /// The size or the exponent of an RSA key isn't supported.
    #[error("an RSA key must have 2048 to 8192 bits and an odd exponent of 3 or more")]
    Rsa,
    /// The coordinates are no point of the curve.
    #[error("`x` and `y` are no point of the curve")]
    Point,
    /// The secret is too short for the hash.
    #[error(
        "the secret has fewer bytes than the hash: HS256 needs 32, HS384 48, HS512 64 (RFC 7518, section 3.2)"
    )]
    ShortSecret,
}

/// The fields of a JSON Web Key that matter to verification.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

impl VerificationKey {
    /// Reads an entry of a JWKS. `None` for a key that isn't for signatures: a JWKS may also contain keys for encryption.
    pub(super) fn read(entry: serde_json::Value) -> Option<Result<Self, KeyProblem>> {
        // The error of serde_json may show the value, which may be a secret.
        let Ok(jwk) = serde_json::from_value::<Jwk>(entry) else {
            return Some(Err(KeyProblem::Malformed));
        };
        let is_for_signatures = jwk.purpose.as_deref().is_none_or(|it| it == "sig")
            && (jwk.key_ops.as_ref()).is_none_or(|all| all.iter().any(|it| it == "verify"));
        is_for_signatures.then(|| Self::of(&jwk))
    }

    fn of(jwk: &Jwk) -> Result<Self, KeyProblem> {
        let algorithm = match jwk.alg.as_deref() {
            None => None,
            Some(name) => match SignatureAlgorithm::named(name) {
                Some(known) => Some(known),
                None => return Err(KeyProblem::Algorithm(name.to_owned())),
            },
        };
        let key = VerificationKey {
            id: jwk.kid.as_deref().map(Into::into),
            algorithm,
            material: KeyMaterial::of(jwk)?,
        };
        match algorithm {
            Some(algorithm) if !key.material.is_for(algorithm) => {
                Err(key.material.refusal(algorithm))
            }
            Some(_) | None => Ok(key),
        }
    }

    /// Whether the key may verify a token with this algorithm and key id. A key without an id fits every id, as in Envoy, and a
    /// token without an id every key.
    pub(super) fn fits(&self, algorithm: SignatureAlgorithm, id: Option<&str>) -> bool {
        let same_id = match (&self.id, id) {
            (Some(own), Some(asked)) => **own == *asked,
            (None, _) | (_, None) => true,
        };
        same_id
            && self.algorithm.is_none_or(|own| own == algorithm)
            && self.material.is_for(algorithm)
    }

    /// Whether a signature of a message is valid. The algorithm must fit the key.
    pub(super) fn verifies(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let verified = match &self.material {
            KeyMaterial::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                let parameters = rsa_parameters(algorithm);
                parameters.map(|it| key.verify(it, message, signature))
            }
            KeyMaterial::P256(point) => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                Some(key.verify(message, signature))
            }
            KeyMaterial::P384(point) => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point);
                Some(key.verify(message, signature))
            }
            KeyMaterial::Ed25519(key) => {
                let key = UnparsedPublicKey::new(&signature::ED25519, key);
                Some(key.verify(message, signature))
            }
            KeyMaterial::Symmetric(secret) => hmac_algorithm(algorithm)
                .map(|hash| hmac::verify(&hmac::Key::new(hash, secret), message, signature)),
        };
        matches!(verified, Some(Ok(())))
    }
}

impl KeyMaterial {
    fn of(jwk: &Jwk) -> Result<Self, KeyProblem> {
        match jwk.kty.as_str() {
            "RSA" => rsa(jwk),
            // Envoy takes P-256 for granted if there is neither `crv` nor `alg`. RFC 7518, section 6.2.1.1, requires `crv`.
            "EC" => match jwk.crv.as_deref().unwrap_or_default() {
                "P-256" => point(jwk, 32, &agreement::ECDH_P256).map(KeyMaterial::P256),
                "P-384" => point(jwk, 48, &agreement::ECDH_P384).map(KeyMaterial::P384),
                other => Err(KeyProblem::Curve(other.to_owned())),
            },
            "OKP" => match jwk.crv.as_deref().unwrap_or_default() {
                "Ed25519" => {
                    let key = decoded(jwk.x.as_deref(), "x")?;
                    let whole = key.len() == signature::ED25519_PUBLIC_KEY_LEN;
                    let key = whole.then_some(KeyMaterial::Ed25519(key));
                    key.ok_or(KeyProblem::Field("x"))
                }
                other => Err(KeyProblem::Curve(other.to_owned())),
            },
            "oct" => {
                let secret = decoded(jwk.k.as_deref(), "k")?;
                if secret.len() < digest::SHA256_OUTPUT_LEN {
                    return Err(KeyProblem::ShortSecret);
                }
                Ok(KeyMaterial::Symmetric(secret))
            }
            other => Err(KeyProblem::Type(other.to_owned())),
        }
    }

    /// Whether an algorithm is for keys of this type and size.
    fn is_for(&self, algorithm: SignatureAlgorithm) -> bool {
        use SignatureAlgorithm as A;
        match (algorithm, self) {
            (
                A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512,
                KeyMaterial::Rsa { .. },
            )
            | (A::Es256, KeyMaterial::P256(_))
            | (A::Es384, KeyMaterial::P384(_))
            | (A::EdDsa, KeyMaterial::Ed25519(_)) => true,
            (A::Hs256 | A::Hs384 | A::Hs512, KeyMaterial::Symmetric(secret)) => {
                let hash = hmac_algorithm(algorithm).map(|it| it.digest_algorithm());
                hash.is_some_and(|hash| secret.len() >= hash.output_len())
            }
            (
                A::Rs256
                | A::Rs384
                | A::Rs512
                | A::Ps256
                | A::Ps384
                | A::Ps512
                | A::Es256
                | A::Es384
                | A::EdDsa
                | A::Hs256
                | A::Hs384
                | A::Hs512,
                _,
            ) => false,
        }
    }

    /// Returns why the algorithm of a key isn't for it.
    fn refusal(&self, algorithm: SignatureAlgorithm) -> KeyProblem {
        match (self, hmac_algorithm(algorithm)) {
            (KeyMaterial::Symmetric(_), Some(_)) => KeyProblem::ShortSecret,
            _ => KeyProblem::OtherAlgorithm(algorithm),
        }
    }
}

fn rsa(jwk: &Jwk) -> Result<KeyMaterial, KeyProblem> {
    let n = without_zeros(&decoded(jwk.n.as_deref(), "n")?);
    let e = without_zeros(&decoded(jwk.e.as_deref(), "e")?);
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
    let is_one = *e == [1];
    if !RSA_BITS.contains(&bits(&n))
        || bits(&e) > EXPONENT_BITS
        || !is_odd(&n)
        || !is_odd(&e)
        || is_one
    {
        return Err(KeyProblem::Rsa);
    }
    Ok(KeyMaterial::Rsa { n, e })
}

/// Reads an uncompressed point, and checks that it lies on the curve. `size` is that of a coordinate, in bytes.
fn point(
    jwk: &Jwk,
    size: usize,
    curve: &'static agreement::Algorithm,
) -> Result<Box<[u8]>, KeyProblem> {
    let x = decoded(jwk.x.as_deref(), "x")?;
    let y = decoded(jwk.y.as_deref(), "y")?;
    if x.len() != size || y.len() != size {
        return Err(KeyProblem::Point);
    }
    let point: Box<[u8]> = [&[4], &*x, &*y].concat().into();
    // ring has no function that only checks a point, but an agreement begins with this check.
    let own = agreement::EphemeralPrivateKey::generate(curve, &rand::SystemRandom::new());
    let peer = agreement::UnparsedPublicKey::new(curve, &point);
    let agreed = own.and_then(|own| agreement::agree_ephemeral(own, &peer, |_| ()));
    agreed.map(|()| point).map_err(|_| KeyProblem::Point)
}

fn decoded(field: Option<&str>, name: &'static str) -> Result<Box<[u8]>, KeyProblem> {
    let bytes = field.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let bytes = bytes.filter(|bytes| !bytes.is_empty());
    bytes.map(Into::into).ok_or(KeyProblem::Field(name))
}

/// Some issuers write leading zeros, which RFC 7518, section 6.3.1.1, forbids and ring refuses.
fn without_zeros(number: &[u8]) -> Box<[u8]> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default().into()
}

/// The length of a number without leading zeros, in bits.
fn bits(number: &[u8]) -> usize {
    let zeros = number.first().map_or(0, |byte| byte.leading_zeros());
    number.len() * 8 - zeros as usize
}

fn rsa_parameters(algorithm: SignatureAlgorithm) -> Option<&'static RsaParameters> {
    use SignatureAlgorithm as A;
    match algorithm {
        A::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        A::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        A::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        A::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        A::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        A::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        A::Es256 | A::Es384 | A::EdDsa | A::Hs256 | A::Hs384 | A::Hs512 => None,
    }
}

fn hmac_algorithm(algorithm: SignatureAlgorithm) -> Option<hmac::Algorithm> {
    use SignatureAlgorithm as A;
    match algorithm {
        A::Hs256 => Some(hmac::HMAC_SHA256),
        A::Hs384 => Some(hmac::HMAC_SHA384),
        A::Hs512 => Some(hmac::HMAC_SHA512),
        A::Rs256
        | A::Rs384
        | A::Rs512
        | A::Ps256
        | A::Ps384
        | A::Ps512
        | A::Es256
        | A::Es384
        | A::EdDsa => None,
    }
}

/// The material is never shown, since it may be a secret.
impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
