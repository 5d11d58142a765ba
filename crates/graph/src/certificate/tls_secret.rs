//! Reads a certificate chain and its private key from a Secret.
//!
//! rustls' own constructors refuse X.509 version 1, which `openssl x509 -req` creates if no extensions are given, as in
//! many tutorials. Such certificates are served: the pair is assembled here, and x509-parser compares the public keys
//! (docs/decisions/version-1-certificates.md).

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

/// The entry of the Secret that contains the certificate chain, leaf first (PEM).
const CERTIFICATE_ENTRY: &str = "tls.crt";
/// The entry of the Secret that contains the private key (PEM).
const KEY_ENTRY: &str = "tls.key";

/// A certificate chain with its key, ready to be served.
#[derive(Debug)]
pub struct Certificate {
    /// The chain and the signing key in the form that rustls serves.
    pub certified_key: Arc<CertifiedKey>,
    /// The private key in its encoded form.
    pub key: PrivateKeyDer<'static>,
    /// The DNS names of its subjectAltName, or else its common name. Lower case, possibly with a `*.` prefix.
    pub names: Vec<String>,
    /// The period in which the leaf is valid.
    validity: Validity,
    /// A problem with the rest of the chain.
    chain_warning: Option<CertificateWarning>,
}

impl Certificate {
    /// Reasons why clients may refuse the certificate. If `now` is `None`, the validity period isn't checked.
    pub(super) fn warnings(&self, now: Option<OffsetDateTime>) -> Vec<CertificateWarning> {
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

/// Why a Secret can't be used as a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum CertificateProblem {
    /// An entry is missing.
    #[error("the Secret has no entry `{0}`")]
    MissingEntry(&'static str),
    /// An entry of `data` isn't base64.
    #[error("entry `{0}` isn't base64; put plain text under `stringData`")]
    NotBase64(&'static str),
    /// An entry isn't PEM, or contains no block of the right kind.
    #[error("entry `{entry}` {why}")]
    NotPem {
        /// The name of the entry.
        entry: &'static str,
        /// The problem.
        why: PemProblem,
    },
    /// The contents of the two entries are swapped.
    #[error(
        "entry `tls.crt` contains the private key and entry `tls.key` the certificate: they are swapped"
    )]
    Swapped,
    /// The leaf certificate can't be parsed.
    #[error("entry `tls.crt` contains a certificate that can't be parsed: {0}")]
    Unparsable(String),
    /// TLS can't use keys of this kind, or the key is malformed.
    #[error(
        "entry `tls.key` contains a private key that can't be used: {0}; use an RSA key (2048 to 4096 bits), an ECDSA key \
         (P-256, P-384) or an Ed25519 key, and a certificate for it: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
    )]
    UnusableKey(String),
    /// The key belongs to another certificate of the chain.
    #[error(
        "the private key in `tls.key` belongs to certificate {position} of {count} in `tls.crt`; put that one first, \
         followed by the certificate that signed it, and so on"
    )]
    LeafNotFirst {
        /// The position of that certificate, from 1.
        position: usize,
        /// The number of certificates in the chain.
        count: usize,
    },
    /// The key doesn't belong to any certificate of the chain.
    #[error(
        "the private key in `tls.key` doesn't belong to the first certificate in `tls.crt`; for a matching pair, \
         `openssl pkey -in KEY -pubout` and `openssl x509 -in CRT -noout -pubkey` print the same"
    )]
    KeyMismatch,
}

impl CertificateProblem {
    /// The entry of the Secret that contains the problem. `None` if it is missing.
    pub fn entry(&self) -> Option<&'static str> {
        match self {
            CertificateProblem::MissingEntry(_) => None,
            CertificateProblem::NotBase64(entry) | CertificateProblem::NotPem { entry, .. } => {
                Some(entry)
            }
            CertificateProblem::Unparsable(_)
            | CertificateProblem::Swapped
            | CertificateProblem::LeafNotFirst { .. } => Some(CERTIFICATE_ENTRY),
            CertificateProblem::UnusableKey(_) | CertificateProblem::KeyMismatch => Some(KEY_ENTRY),
        }
    }
}

/// Why clients may refuse a certificate although it is served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum CertificateWarning {
    /// It has expired, on this date.
    #[error("the certificate expired on {0}")]
    Expired(String),
    /// It isn't valid before this date.
    #[error("the certificate isn't valid before {0}")]
    NotYetValid(String),
    /// A certificate after the leaf can't be parsed. Its position, from 1.
    #[error("certificate {0} in `tls.crt` can't be parsed; clients may refuse the chain")]
    UnparsableIssuer(usize),
    /// A certificate after the leaf has signed none of those before it. Its position, from 1.
    #[error(
        "certificate {0} in `tls.crt` has signed none of those before it: clients may find no path to an authority; the order is \
         the server's certificate, then the certificate that signed it, and so on"
    )]
    ChainOrder(usize),
}

impl CertificateWarning {
    /// The code of the diagnostic that reports it.
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

/// Reads the certificate chain and the private key of a Secret.
///
/// # Errors
/// Returns the problem and the entry that contains it. The error never contains a part of the key.
pub(super) fn load(secret: &Secret) -> Result<Certificate, CertificateProblem> {
    let (certificates, key) = (entry(secret, CERTIFICATE_ENTRY)?, entry(secret, KEY_ENTRY)?);
    let not_pem = |entry, why| {
        if pem::are_swapped(&certificates, &key) {
            CertificateProblem::Swapped
        } else {
            CertificateProblem::NotPem { entry, why }
        }
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

/// Returns the decoded bytes of an entry. `stringData` takes precedence over `data`, as in a cluster.
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
    // Line breaks are ignored, as by Go's decoder, which a cluster uses.
    let compact: String = encoded
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .collect();
    STANDARD
        .decode(compact)
        .map_err(|_| CertificateProblem::NotBase64(name))
}

/// Finds out why the key doesn't belong to the first certificate.
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

/// Compares the keys only: the algorithm may be encoded differently in the two.
fn same_public_key(certificate: &SubjectPublicKeyInfo, key: &[u8]) -> bool {
    SubjectPublicKeyInfo::from_der(key)
        .is_ok_and(|(_, key)| key.subject_public_key.data == certificate.subject_public_key.data)
}

/// Checks that each certificate after the leaf has signed one before it, judged by the issuer and subject names.
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

/// Describes certificates for a message: a name of each, and the end of its validity period.
pub(super) fn in_words(certificates: &[CertificateDer<'_>]) -> String {
    /// The number of certificates that are described; the others are counted.
    const NAMED: usize = 3;
    let named = certificates.iter().take(NAMED).map(|certificate| {
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return "a certificate that can't be parsed".to_owned();
        };
        let name = names(&parsed).into_iter().next();
        let name = name.unwrap_or_else(|| parsed.subject().to_string());
        // A certificate may contain any text, so limit what gets into the message.
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
