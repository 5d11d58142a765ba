//! Validation of client certificates.
//!
//! In: what a listener requires of its clients. Out: a verifier for the handshake. Sources of the meaning: Gateway API's
//! `FrontendTLSValidation`, and `tls.clientValidation` of Envoy Gateway's ClientTrafficPolicy, which is that of Envoy's
//! `CertificateValidationContext`.

mod lifetime;
mod subject_alt_name;
mod verifier;

pub use subject_alt_name::{SubjectAltName, SubjectAltNameKind};

use crate::client_traffic::tls_settings::Resumption;
use crate::tls::Sessions;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use std::fmt;
use std::sync::Arc;
use verifier::Verifier;

/// Validation of client certificates in the TLS handshake.
///
/// Listeners with the same validation share their sessions, which later snapshots keep as long as the validation stays the same. A
/// session that began with another validation, or without one, can't be resumed: the client has to present its certificate again.
#[derive(Debug)]
pub struct ClientValidation {
    /// Names the validation. A connection that passed it may be used for every listener with the same scope.
    pub scope: Arc<str>,
    /// What is required of clients.
    pub requirements: ClientRequirements,
    verifier: Arc<Verifier>,
    /// The sessions of listeners without other settings.
    pub sessions: Sessions,
}

/// What a listener requires of its clients' certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRequirements {
    /// Whether a certificate is necessary, and whether it must be valid.
    pub mode: ClientMode,
    /// The authorities that may have signed the certificates.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether certificates must be valid now.
    pub expiry: Expiry,
    /// The lists of revoked certificates. `None` if revocation isn't checked.
    pub revocation: Option<Revocation>,
    /// The digests of which the certificate or its public key must have one. Empty if any will do.
    pub digests: Vec<CertificateDigest>,
    /// The subject alternative names of which the certificate must have one. Empty if any will do.
    pub names: Vec<SubjectAltName>,
}

/// Whether a client needs a certificate, and whether it must be valid (API: `ClientValidationModeType`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientMode {
    /// A certificate is requested. A client may have none, or any. The client must have the private key of what it presents.
    Request,
    /// A client must have a certificate, but it may be any.
    RequireAny,
    /// A client may have no certificate. What it presents must be valid.
    VerifyIfGiven,
    /// A client must have a valid certificate.
    #[default]
    RequireAndVerify,
}

/// Whether certificates must be valid at the time of the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expiry {
    /// They must be.
    #[default]
    Enforced,
    /// They may have expired. They must have been valid together at some time.
    Ignored,
}

/// Lists of revoked certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The lists. A certificate whose issuer has no list, or only one that has expired, counts as revoked.
    pub lists: Vec<CertificateRevocationListDer<'static>>,
    /// The certificates that are looked up.
    pub depth: RevocationDepth,
}

/// The certificates that are looked up in the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationDepth {
    /// All of the chain, except for the authority.
    Chain,
    /// Only the client's own.
    Leaf,
}

/// A SHA-256 digest of what a client presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateDigest {
    /// That of the certificate (DER).
    Certificate([u8; 32]),
    /// That of its public key (DER of the SubjectPublicKeyInfo).
    PublicKey([u8; 32]),
}

impl ClientMode {
    /// Whether what a client presents must be valid.
    pub fn verifies(self) -> bool {
        match self {
            ClientMode::VerifyIfGiven | ClientMode::RequireAndVerify => true,
            ClientMode::Request | ClientMode::RequireAny => false,
        }
    }
}

impl ClientRequirements {
    /// Whether a client without a certificate is refused. Digests and names refuse such a client in every mode that verifies, as
    /// in Envoy.
    pub fn require_certificate(&self) -> bool {
        match self.mode {
            ClientMode::Request => false,
            ClientMode::VerifyIfGiven => !self.digests.is_empty() || !self.names.is_empty(),
            ClientMode::RequireAny | ClientMode::RequireAndVerify => true,
        }
    }

    /// Whether a client may be refused.
    pub fn refuse_clients(&self) -> bool {
        match self.mode {
            ClientMode::Request => false,
            ClientMode::RequireAny | ClientMode::VerifyIfGiven | ClientMode::RequireAndVerify => {
                true
            }
        }
    }

    /// Checks that a handshake can be made with the requirements.
    ///
    /// # Errors
    /// If certificates must be valid and there is no authority, if an authority's certificate can't be a trust anchor, or if a list
    /// of revoked certificates can't be read.
    pub fn check(&self) -> Result<(), rustls::Error> {
        Verifier::new(self).map(|_| ())
    }
}

impl ClientValidation {
    /// Creates a validation with new ticket keys.
    ///
    /// # Errors
    /// Those of [`ClientRequirements::check`], or if the system has no random numbers.
    pub fn new(scope: Arc<str>, requirements: ClientRequirements) -> Result<Self, rustls::Error> {
        Ok(ClientValidation {
            scope,
            verifier: Arc::new(Verifier::new(&requirements)?),
            requirements,
            sessions: Sessions::new(Resumption::default())?,
        })
    }

    /// Whether a connection must have passed the validation before it is used for a listener with it.
    pub fn is_required(&self) -> bool {
        self.requirements.refuse_clients()
    }

    /// The verifier for handshakes.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    /// Whether a client is still valid whose handshake may have resumed a session: certificates and lists may have expired since
    /// the session began, and a resumed session isn't verified. `chain` is what the client has presented then, its own certificate
    /// first.
    pub fn is_still_valid(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> bool {
        self.verifier.is_still_valid(chain, now)
    }
}

impl fmt::Display for ClientRequirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClientRequirements {
            mode,
            authorities,
            expiry,
            revocation,
            digests,
            names,
        } = self;
        write!(f, "clients {mode} by authorities {}", authorities.len())?;
        if *expiry == Expiry::Ignored {
            f.write_str(", even if expired")?;
        }
        if let Some(Revocation { lists, depth }) = revocation {
            let which = match depth {
                RevocationDepth::Chain => "chain",
                RevocationDepth::Leaf => "leaf",
            };
            write!(f, ", revocation lists {} for the {which}", lists.len())?;
        }
        if !digests.is_empty() {
            write!(f, ", one of {} digests", digests.len())?;
        }
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            write!(f, ", one of [{}]", names.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for ClientMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientMode::Request => "should be valid",
            ClientMode::RequireAny => "must have a certificate, which should be valid",
            ClientMode::VerifyIfGiven => "with a certificate must be valid",
            ClientMode::RequireAndVerify => "must be valid",
        })
    }
}
