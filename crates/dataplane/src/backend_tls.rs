//! TLS settings for connections to backends.
//!
//! In: the settings of a BackendTLSPolicy and the client certificates of Gateways. Out: a rustls configuration that
//! verifies a backend's certificate. Connecting is up to the proxy.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// TLS to a backend, ready for use.
#[derive(Debug)]
pub struct BackendTls {
    /// Identifies the handshake among all that this process has ever had. Connections may be shared by requests with the same id.
    pub id: u64,
    /// What is negotiated and verified in a handshake.
    pub handshake: BackendHandshake,
    /// The rustls configuration, which verifies everything. It has no ALPN protocols and never resumes a session.
    pub config: Arc<ClientConfig>,
}

/// A TLS handshake with a backend: trusted authorities, expected names, and the client certificate to present.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendHandshake {
    /// The name in the handshake (SNI).
    pub server_name: ServerName<'static>,
    /// The authorities that may have signed the certificate.
    pub authorities: TrustedAuthorities,
    /// The certificate must have one of these names, or `server_name` if there are none.
    pub names: Arc<[SubjectName]>,
    /// The client certificate to present if the backend asks for one.
    pub identity: Option<Arc<ClientIdentity>>,
}

/// The authorities that may sign certificates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TrustedAuthorities {
    /// Those that the system trusts.
    System(Arc<[CertificateDer<'static>]>),
    /// Those listed in the policy.
    Listed(Arc<[CertificateDer<'static>]>),
}

impl TrustedAuthorities {
    /// Returns their certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        match self {
            TrustedAuthorities::System(certificates) | TrustedAuthorities::Listed(certificates) => {
                certificates
            }
        }
    }
}

/// A name that a certificate may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectName {
    /// A DNS name. A wildcard in the certificate may cover it (RFC 9525).
    Dns(ServerName<'static>),
    /// Any DNS name below this one: the part after `*.`.
    DnsBelow(String),
    /// A URI, compared byte by byte.
    Uri(String),
}

/// A client certificate with its private key.
#[derive(Debug)]
pub struct ClientIdentity {
    /// The certificate and key as rustls uses them.
    pub certified_key: Arc<CertifiedKey>,
    /// The key in DER.
    pub key: PrivateKeyDer<'static>,
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.certified_key.cert == other.certified_key.cert && self.key == other.key
    }
}

impl Eq for ClientIdentity {}

impl Hash for ClientIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.certified_key.cert.hash(state);
        self.key.secret_der().hash(state);
    }
}

impl BackendTls {
    /// Prepares handshakes, which get a new id.
    ///
    /// # Errors
    /// If the certificate of an authority can't be a trust anchor.
    pub fn new(handshake: BackendHandshake) -> Result<Self, Error> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let config = handshake.client_config()?;
        Ok(BackendTls {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            handshake,
            config: Arc::new(config),
        })
    }
}

impl BackendHandshake {
    fn client_config(&self) -> Result<ClientConfig, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in self.authorities.certificates() {
            roots.add(certificate.clone())?;
        }
        let provider = ring::default_provider();
        let verifier = Verifier {
            roots,
            names: self.names.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &self.identity {
            Some(identity) => {
                let resolver = SingleCertAndKey::from(identity.certified_key.clone());
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl fmt::Display for BackendHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS {}", self.server_name.to_str())?;
        match &self.authorities {
            TrustedAuthorities::System(_) => f.write_str(" by the system's authorities")?,
            TrustedAuthorities::Listed(list) => write!(f, " by authorities {}", list.len())?,
        }
        for name in self.names.iter() {
            match name {
                SubjectName::Dns(name) => write!(f, ", as {}", name.to_str())?,
                SubjectName::DnsBelow(suffix) => write!(f, ", as *.{suffix}")?,
                SubjectName::Uri(uri) => write!(f, ", as {uri}")?,
            }
        }
        match &self.identity {
            Some(_) => f.write_str(", with a client certificate"),
            None => Ok(()),
        }
    }
}

/// Verifies a backend's certificate: the chain, the validity period, and the names.
#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    names: Arc<[SubjectName]>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        if self.names.is_empty() {
            verify_server_name(&certificate, server_name)?;
        } else if !self.has_one(&certificate, end_entity) {
            return Err(CertificateError::NotValidForName.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// "The certificate served from the backend MUST have at least one Subject Alternate Name matching one of the
    /// specified SubjectAltNames" (API: `BackendTLSPolicyValidation.subjectAltNames`).
    fn has_one(&self, certificate: &ParsedCertificate<'_>, der: &[u8]) -> bool {
        self.names.iter().any(|name| match name {
            SubjectName::Dns(name) => verify_server_name(certificate, name).is_ok(),
            SubjectName::DnsBelow(suffix) => any_name(der, |name| match name {
                GeneralName::DNSName(name) => is_below(name, suffix),
                _ => false,
            }),
            SubjectName::Uri(uri) => any_name(
                der,
                |name| matches!(name, GeneralName::URI(it) if it == uri),
            ),
        })
    }
}

fn any_name(der: &[u8], fits: impl Fn(&GeneralName<'_>) -> bool) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let mut names = alternative.iter().flat_map(|it| &it.value.general_names);
    names.any(fits)
}

fn is_below(name: &str, suffix: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_suffix(suffix)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// The TLS settings for a Service's endpoints, for each client certificate of a Gateway.
#[derive(Debug)]
pub struct BackendTlsByIdentity {
    /// For Gateways without a client certificate.
    pub anonymous: Arc<BackendTls>,
    /// By the index of the client certificate in the snapshot.
    pub identities: Box<[Arc<BackendTls>]>,
}

impl BackendTlsByIdentity {
    /// Returns the settings for a Gateway with this client certificate, or with none.
    pub fn of(&self, identity: Option<usize>) -> Option<&Arc<BackendTls>> {
        match identity {
            None => Some(&self.anonymous),
            Some(place) => self.identities.get(place),
        }
    }
}

#[cfg(test)]
mod tests;
