//! From a Secret to a certificate with its key.
//!
//! rustls' own constructors refuse X.509 version 1, which is what `openssl x509 -req` makes without
//! extensions and what many tutorials print. Such certificates are served: the pair is put together by
//! hand and the public keys are compared with x509-parser.

use super::key_kind;
use super::pem::{self, PemProblem};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatefold_diagnostic::Code;
use gatefold_manifest::api::{Secret, SecretText};
use rustls::crypto::ring::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use thiserror::Error;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, Validity, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

/// The Secret's entry with the certificate chain, the leaf first (PEM).
pub const CERTIFICATE_ENTRY: &str = "tls.crt";
/// The Secret's entry with the private key (PEM).
pub const KEY_ENTRY: &str = "tls.key";

/// A certificate chain with its key, ready to be served.
#[derive(Debug)]
pub struct Certificate {
    /// What rustls serves.
    pub certified_key: Arc<CertifiedKey>,
    /// The key as it is written.
    pub key: PrivateKeyDer<'static>,
    /// The names it is for: DNS names of the SAN, else the CN. Lower case, possibly with `*.`.
    pub names: Vec<String>,
    /// When it is valid.
    validity: Validity,
    /// What is wrong with the rest of the chain.
    chain_warning: Option<CertificateWarning>,
}

impl Certificate {
    /// Why clients may refuse it. If `now` is `None`, when it is valid isn't checked.
    pub fn warnings(&self, now: Option<OffsetDateTime>) -> Vec<CertificateWarning> {
        let mut warnings: Vec<CertificateWarning> = self.chain_warning.iter().cloned().collect();
        let Some(now) = now.map(OffsetDateTime::unix_timestamp) else {
            return warnings;
        };
        let Validity {
            not_before,
            not_after,
        } = &self.validity;
        if not_after.timestamp() < now {
            warnings.push(CertificateWarning::Expired(not_after.to_string()));
        }
        if not_before.timestamp() > now {
            warnings.push(CertificateWarning::NotYetValid(not_before.to_string()));
        }
        warnings
    }
}

/// What is wrong with a Secret as a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateProblem {
    /// An entry isn't there.
    #[error("the Secret has no entry `{0}`")]
    MissingEntry(&'static str),
    /// An entry of `data` isn't base64.
    #[error("entry `{0}` isn't base64; put plain text under `stringData`")]
    NotBase64(&'static str),
    /// An entry isn't PEM, or has no block of the right kind.
    #[error("entry `{entry}` {why}")]
    NotPem {
        /// Which entry.
        entry: &'static str,
        /// What is wrong with it.
        why: PemProblem,
    },
    /// Each entry has what belongs into the other.
    #[error(
        "entry `tls.crt` has the private key and entry `tls.key` the certificate: they are swapped"
    )]
    Swapped,
    /// The leaf certificate can't be parsed.
    #[error("entry `tls.crt` has a certificate that can't be parsed: {0}")]
    Unparsable(String),
    /// The key is of a kind that TLS can't use, or broken.
    #[error(
        "entry `tls.key` has a private key that can't be used: {0}; RSA keys (2048 to 4096 bits), ECDSA keys (P-256, P-384) \
         and Ed25519 keys can, with a certificate of their own: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    UnusableKey(String),
    /// The key belongs to another certificate of the chain.
    #[error(
        "the private key in `tls.key` belongs to certificate {position} of {count} in `tls.crt`; put that one first, after it \
         the one that has signed it, and so on"
    )]
    LeafNotFirst {
        /// Which certificate, from 1.
        position: usize,
        /// How many there are.
        count: usize,
    },
    /// Certificate and key don't belong together.
    #[error(
        "the private key in `tls.key` doesn't belong to the first certificate in `tls.crt`; of a pair \
         `openssl pkey -in KEY -pubout` and `openssl x509 -in CRT -noout -pubkey` print the same"
    )]
    KeyMismatch,
}

impl CertificateProblem {
    /// The Secret's entry that the problem is in.
    pub fn entry(&self) -> &'static str {
        match self {
            CertificateProblem::MissingEntry(entry)
            | CertificateProblem::NotBase64(entry)
            | CertificateProblem::NotPem { entry, .. } => entry,
            CertificateProblem::Unparsable(_)
            | CertificateProblem::Swapped
            | CertificateProblem::LeafNotFirst { .. } => CERTIFICATE_ENTRY,
            CertificateProblem::UnusableKey(_) | CertificateProblem::KeyMismatch => KEY_ENTRY,
        }
    }
}

/// Why clients may refuse a certificate that is served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateWarning {
    /// Its time is over.
    #[error("the certificate expired on {0}")]
    Expired(String),
    /// Its time hasn't come.
    #[error("the certificate isn't valid before {0}")]
    NotYetValid(String),
    /// A further certificate can't be parsed.
    #[error("certificate {0} in `tls.crt` can't be parsed; clients may refuse the chain")]
    UnparsableIssuer(usize),
    /// A further certificate is none that clients need at its place.
    #[error(
        "certificate {0} in `tls.crt` has signed none of those before it: clients may find no way to an authority; the order is \
         the server's certificate, then the one that has signed it, and so on"
    )]
    ChainOrder(usize),
}

impl CertificateWarning {
    /// The code of its diagnostic.
    pub fn code(&self) -> Code {
        match self {
            CertificateWarning::Expired(_) | CertificateWarning::NotYetValid(_) => {
                Code::CertificateNotValidNow
            }
            CertificateWarning::UnparsableIssuer(_) | CertificateWarning::ChainOrder(_) => {
                Code::CertificateChain
            }
        }
    }
}

/// Reads the pair out of a Secret.
///
/// # Errors
/// Says what is wrong with which entry; never shows a part of the key.
pub fn load(secret: &Secret) -> Result<Certificate, CertificateProblem> {
    let (certificates, key) = (entry(secret, CERTIFICATE_ENTRY)?, entry(secret, KEY_ENTRY)?);
    let not_pem = |entry, why| match pem::are_swapped(&certificates, &key) {
        true => CertificateProblem::Swapped,
        false => CertificateProblem::NotPem { entry, why },
    };
    let chain = pem::certificates(&certificates).map_err(|why| not_pem(CERTIFICATE_ENTRY, why))?;
    let key = pem::private_key(&key).map_err(|why| not_pem(KEY_ENTRY, why))?;
    let signing_key = any_supported_type(&key).map_err(|error| {
        let kind = key_kind::private_key(&key).unwrap_or_else(|| error.to_string());
        CertificateProblem::UnusableKey(kind)
    })?;
    let leaf = chain
        .first()
        .map(CertificateDer::as_ref)
        .unwrap_or_default();
    let (_, parsed) = X509Certificate::from_der(leaf)
        .map_err(|error| CertificateProblem::Unparsable(error.to_string()))?;
    if let Some(key_info) = signing_key.public_key()
        && !same_public_key(parsed.public_key(), &key_info)
    {
        return Err(mismatch(&chain, &key_info));
    }
    let (names, validity) = (names(&parsed), parsed.validity().clone());
    let chain_warning = check_chain(&chain);
    Ok(Certificate {
        certified_key: Arc::new(CertifiedKey::new(chain, signing_key)),
        key,
        names,
        validity,
        chain_warning,
    })
}

/// The decoded bytes of an entry; `stringData` takes precedence over `data`, as in a cluster.
fn entry(secret: &Secret, name: &'static str) -> Result<Vec<u8>, CertificateProblem> {
    if let Some(text) = secret.spec.string_data.get(name) {
        return Ok(text.expose().as_bytes().to_vec());
    }
    let encoded = secret
        .spec
        .data
        .get(name)
        .map(SecretText::expose)
        .ok_or(CertificateProblem::MissingEntry(name))?;
    // Like Go's decoder, which a cluster uses: line breaks don't count.
    let compact: String = encoded
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    STANDARD
        .decode(compact)
        .map_err(|_| CertificateProblem::NotBase64(name))
}

/// Why the key doesn't belong to the first certificate.
fn mismatch(chain: &[CertificateDer<'_>], key: &[u8]) -> CertificateProblem {
    let belongs = |certificate: &CertificateDer<'_>| {
        let parsed = X509Certificate::from_der(certificate);
        parsed.is_ok_and(|(_, it)| same_public_key(it.public_key(), key))
    };
    match chain.iter().position(belongs) {
        Some(index) => CertificateProblem::LeafNotFirst {
            position: index + 1,
            count: chain.len(),
        },
        None => CertificateProblem::KeyMismatch,
    }
}

/// Compares the keys themselves: how the algorithm is written may differ between the two.
fn same_public_key(certificate: &SubjectPublicKeyInfo, key: &[u8]) -> bool {
    SubjectPublicKeyInfo::from_der(key)
        .is_ok_and(|(_, key)| key.subject_public_key.data == certificate.subject_public_key.data)
}

/// Whether each certificate after the first one has signed one before it, as far as their names say.
fn check_chain(chain: &[CertificateDer<'_>]) -> Option<CertificateWarning> {
    let mut issuers: Vec<Vec<u8>> = Vec::new();
    for (index, certificate) in chain.iter().enumerate() {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return Some(CertificateWarning::UnparsableIssuer(index + 1));
        };
        if index > 0 && !issuers.iter().any(|it| *it == parsed.subject().as_raw()) {
            return Some(CertificateWarning::ChainOrder(index + 1));
        }
        issuers.push(parsed.issuer().as_raw().to_vec());
    }
    None
}

fn names(certificate: &X509Certificate) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let from_san = alternative.iter().flat_map(|san| &san.value.general_names);
    let mut names: Vec<String> = from_san
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        let common = certificate.subject().iter_common_name();
        names.extend(common.filter_map(|name| name.as_str().ok().map(str::to_ascii_lowercase)));
    }
    names
}

/// Certificates for a message: a name of each, and until when it is valid.
pub fn in_words(certificates: &[CertificateDer<'_>]) -> String {
    /// How many are named.
    const NAMED: usize = 3;
    let named = certificates.iter().take(NAMED).map(|certificate| {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return "one that can't be parsed".to_owned();
        };
        let name = names(&parsed).into_iter().next();
        let name = name.unwrap_or_else(|| parsed.subject().to_string());
        // Texts of a certificate may be anything.
        let name = name.chars().filter(|it| !it.is_control()).take(100);
        let name: String = name.collect();
        let end = parsed.validity().not_after.to_datetime().date();
        format!("`{name}`, valid until {end}")
    });
    let mut named: Vec<String> = named.collect();
    if certificates.len() > NAMED {
        named.push(format!("{} more", certificates.len() - NAMED));
    }
    named.join("; ")
}

#[cfg(test)]
mod tests;
