//! Reads a bundle of CA certificates from a ConfigMap or a Secret.
//!
//! In: the text of its entry. Out: its certificates, each of which rustls accepts as a trust anchor, or a [`CaCertificatesProblem`].

use super::key_kind;
use super::pem::{self, PemProblem};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The entry that contains the certificates (PEM), by the API's name.
pub(super) const CA_ENTRY: &str = "ca.crt";

/// Why an object can't be used as a bundle of CA certificates.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum CaCertificatesProblem {
    /// The entry is missing.
    #[error("it has no entry `ca.crt`")]
    MissingEntry,
    /// The entry isn't PEM, or contains no certificate.
    #[error("entry `ca.crt` {0}")]
    NotPem(PemProblem),
    /// A certificate can't be parsed.
    #[error("certificate {position} in entry `ca.crt` can't be used: {why}")]
    Unusable {
        /// Which one, from 1.
        position: usize,
        /// The error of rustls.
        why: String,
    },
}

impl CaCertificatesProblem {
    /// The entry that contains the problem. `None` if it is missing.
    pub(super) fn entry(&self) -> Option<&'static str> {
        match self {
            CaCertificatesProblem::MissingEntry => None,
            CaCertificatesProblem::NotPem(_) | CaCertificatesProblem::Unusable { .. } => {
                Some(CA_ENTRY)
            }
        }
    }

    /// Whether the bundle has been emptied, which withdraws every authority.
    pub(super) fn is_withdrawal(&self) -> bool {
        match self {
            CaCertificatesProblem::MissingEntry => true,
            CaCertificatesProblem::NotPem(why) => *why == PemProblem::Empty,
            CaCertificatesProblem::Unusable { .. } => false,
        }
    }
}

/// Reads the bundle. It contains at least one certificate, and each can be a trust anchor.
///
/// # Errors
/// Returns the first problem. One bad certificate makes the whole bundle unusable, because the author's intent is unknown.
pub(super) fn load(
    text: Option<&[u8]>,
) -> Result<Vec<CertificateDer<'static>>, CaCertificatesProblem> {
    let text = text.ok_or(CaCertificatesProblem::MissingEntry)?;
    let authorities = pem::certificates(text).map_err(CaCertificatesProblem::NotPem)?;
    let mut anchors = RootCertStore::empty();
    for (index, authority) in authorities.iter().enumerate() {
        anchors
            .add(authority.clone())
            .map_err(|error| CaCertificatesProblem::Unusable {
                position: index + 1,
                why: error.to_string(),
            })?;
    }
    Ok(authorities)
}

/// Warns about authorities whose signatures can't be verified: every certificate signed by them is refused.
pub(super) fn warnings(authorities: &[CertificateDer<'_>]) -> Vec<String> {
    let warning = |(index, authority): (usize, &CertificateDer<'_>)| {
        let (_, parsed) = X509Certificate::from_der(authority).ok()?;
        let kind = key_kind::unverifiable(parsed.public_key())?;
        Some(format!(
            "certificate {} in entry `ca.crt` has {kind}, whose signatures can't be verified; use an RSA key (2048 bits or more), \
             an ECDSA key (P-256, P-384) or an Ed25519 key",
            index + 1
        ))
    };
    authorities.iter().enumerate().filter_map(warning).collect()
}
