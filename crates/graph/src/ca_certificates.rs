//! From a ConfigMap to the certificates of authorities.

use super::key_kind;
use super::pem::{self, PemProblem};
use gatefold_manifest::api::ConfigMap;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The ConfigMap's entry with the certificates (PEM), as the API has it.
pub const CA_ENTRY: &str = "ca.crt";

/// What is wrong with a ConfigMap as a bundle of authorities' certificates.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CaCertificatesProblem {
    /// The entry isn't there.
    #[error("it has no entry `ca.crt`")]
    MissingEntry,
    /// The entry isn't PEM, or has no certificate.
    #[error("entry `ca.crt` {0}")]
    NotPem(PemProblem),
    /// A certificate can't be parsed.
    #[error("certificate {position} in entry `ca.crt` can't be used: {why}")]
    Unusable {
        /// Which one, from 1.
        position: usize,
        /// What rustls says.
        why: String,
    },
}

impl CaCertificatesProblem {
    /// Whether the bundle was emptied, which withdraws every authority.
    pub(super) fn is_withdrawal(&self) -> bool {
        match self {
            CaCertificatesProblem::MissingEntry => true,
            CaCertificatesProblem::NotPem(why) => *why == PemProblem::Empty,
            CaCertificatesProblem::Unusable { .. } => false,
        }
    }
}

/// Reads the bundle: at least one certificate, all of which can be trust anchors.
///
/// # Errors
/// Says what is wrong. One bad certificate spoils the bundle: what its author meant can't be known.
pub fn load(config_map: &ConfigMap) -> Result<Vec<CertificateDer<'static>>, CaCertificatesProblem> {
    let entry = config_map.spec.data.get(CA_ENTRY);
    let text = entry.ok_or(CaCertificatesProblem::MissingEntry)?;
    let authorities = pem::certificates(text.as_bytes()).map_err(CaCertificatesProblem::NotPem)?;
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

/// Warns of authorities whose signatures can't be verified: every certificate that they have signed is refused.
pub(super) fn warnings(authorities: &[CertificateDer<'_>]) -> Vec<String> {
    let warning = |(index, authority): (usize, &CertificateDer<'_>)| {
        let (_, parsed) = X509Certificate::from_der(authority).ok()?;
        let kind = key_kind::unverifiable(parsed.public_key())?;
        Some(format!(
            "certificate {} in entry `ca.crt` has {kind}, of which signatures can't be verified; RSA keys (2048 bits and more), \
             ECDSA keys (P-256, P-384) and Ed25519 keys can be used",
            index + 1
        ))
    };
    authorities.iter().enumerate().filter_map(warning).collect()
}
