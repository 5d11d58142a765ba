//! From a ConfigMap to the certificates of authorities.

use crate::manifest::api::ConfigMap;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use thiserror::Error;

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
    NotPem(String),
    /// A certificate can't be parsed.
    #[error("entry `ca.crt` has a certificate that can't be used: {0}")]
    Unusable(String),
}

/// Reads the bundle: at least one certificate, all of which can be trust anchors.
///
/// # Errors
/// Says what is wrong. One bad certificate spoils the bundle: what its author meant can't be known.
pub fn load(config_map: &ConfigMap) -> Result<Vec<CertificateDer<'static>>, CaCertificatesProblem> {
    let entry = config_map.spec.data.get(CA_ENTRY);
    let text = entry.ok_or(CaCertificatesProblem::MissingEntry)?;
    let authorities = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| CaCertificatesProblem::NotPem(format!("isn't PEM: {error}")))?;
    if authorities.is_empty() {
        let why = "has no `BEGIN CERTIFICATE` block".to_owned();
        return Err(CaCertificatesProblem::NotPem(why));
    }
    let mut anchors = RootCertStore::empty();
    for authority in &authorities {
        anchors
            .add(authority.clone())
            .map_err(|error| CaCertificatesProblem::Unusable(error.to_string()))?;
    }
    Ok(authorities)
}
