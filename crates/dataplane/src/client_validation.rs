//! Validation of client certificates.

use crate::client_traffic::tls_settings::Resumption;
use crate::tls::Sessions;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// Validation of client certificates in the TLS handshake (API: `FrontendTLSValidation`).
///
/// Listeners with the same validation share their sessions, which later snapshots keep as long as the validation stays the same. A
/// session that began with another validation, or without one, can't be resumed: the client has to present its certificate again.
#[derive(Debug)]
pub struct ClientValidation {
    /// The Gateway and port, `namespace/gateway:port`. A connection that passed the validation may be used for every listener
    /// with the same scope.
    pub scope: Arc<str>,
    /// The treatment of clients without a valid certificate.
    pub mode: ClientMode,
    /// The authorities that may have signed the certificates.
    pub authorities: Vec<CertificateDer<'static>>,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// The sessions of listeners without other settings.
    pub sessions: Sessions,
}

/// The treatment of clients without a valid certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMode {
    /// The handshake fails.
    ValidOnly,
    /// The handshake succeeds. A certificate is requested, and the client must have its private key.
    InsecureFallback,
}

impl ClientValidation {
    /// Whether a connection must have passed the validation before it is used for a listener with it.
    pub fn is_required(&self) -> bool {
        match self.mode {
            ClientMode::ValidOnly => true,
            ClientMode::InsecureFallback => false,
        }
    }

    /// Creates a validation with new ticket keys.
    ///
    /// # Errors
    /// If there are no authorities, one's certificate can't be a trust anchor, or the system has no random numbers.
    pub fn new(
        scope: Arc<str>,
        mode: ClientMode,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut anchors = RootCertStore::empty();
        for authority in &authorities {
            anchors.add(authority.clone())?;
        }
        let verifier = match mode {
            ClientMode::ValidOnly => valid_only(anchors, provider)?,
            ClientMode::InsecureFallback => Arc::new(AcceptAny {
                hints: anchors.subjects(),
                algorithms: provider.signature_verification_algorithms,
            }),
        };
        Ok(ClientValidation {
            scope,
            mode,
            authorities,
            verifier,
            sessions: Sessions::new(Resumption::default())?,
        })
    }
}

fn valid_only(
    anchors: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
    WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider)
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))
}

/// Accepts every certificate, and clients without one. A client must have the private key of the certificate that it
/// presents.
#[derive(Debug)]
struct AcceptAny {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AcceptAny {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
