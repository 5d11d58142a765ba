//! The TLS settings of connections to backends.

use gatefold_manifest::api::{PreciseHostname, SubjectAltName};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// How a connection to a Service's port is secured.
#[derive(Clone, Debug, PartialEq)]
pub enum BackendTlsNode {
    /// In plain text: no policy targets the port.
    Plain,
    /// In TLS.
    Tls(Arc<BackendTlsSettings>),
    /// A policy targets the port, but can't be followed: nothing is sent.
    Refused,
}

/// The TLS settings of a policy.
#[derive(Debug, PartialEq)]
pub struct BackendTlsSettings {
    /// The server name (SNI).
    pub hostname: PreciseHostname,
    /// The trusted authorities.
    pub authorities: AuthoritiesNode,
    /// The names of which a certificate must have one. If empty, it must have the hostname.
    pub names: Vec<SubjectAltName>,
}

/// The authorities that a policy trusts.
#[derive(Debug, PartialEq, Eq)]
pub enum AuthoritiesNode {
    /// The authorities that the system trusts; never empty.
    System(Arc<[CertificateDer<'static>]>),
    /// The certificates of these authorities; never empty.
    Listed(Vec<CertificateDer<'static>>),
}
