use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ProducesTickets, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// How the certificates of a listener's clients are checked in the TLS handshake (API:
/// `FrontendTLSValidation`).
///
/// Session tickets are sealed with keys of its own, which it keeps from one snapshot to the next as long as it
/// stays the same. A session that another validation began, or none, is worth nothing here: the client must
/// show its certificate again.
#[derive(Debug)]
pub struct ClientValidation {
    /// Whose it is, `namespace/gateway:port`. A connection that passed it may go to every listener with the
    /// same scope.
    pub scope: Arc<str>,
    /// What happens to a client without a valid certificate.
    pub mode: ClientMode,
    /// Who may have signed the certificates.
    pub authorities: Vec<CertificateDer<'static>>,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    pub(super) tickets: Arc<dyn ProducesTickets>,
}

/// What happens to a client without a valid certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMode {
    /// Its handshake fails.
    ValidOnly,
    /// It is let in. Its certificate is asked for, and must be one whose key it has.
    InsecureFallback,
}

impl ClientValidation {
    /// A validation with ticket keys of its own.
    ///
    /// # Errors
    /// When there is no authority, one's certificate can't be a trust anchor, or the system has no random numbers.
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
            ClientMode::InsecureFallback => Arc::new(Anybody {
                hints: anchors.subjects(),
                algorithms: provider.signature_verification_algorithms,
            }),
        };
        Ok(ClientValidation {
            scope,
            mode,
            authorities,
            verifier,
            tickets: ring::Ticketer::new()?,
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

/// Takes every certificate, and clients without one; but a client must have the key of the certificate it
/// shows.
#[derive(Debug)]
struct Anybody {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Anybody {
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
