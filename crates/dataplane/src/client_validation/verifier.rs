//! Verifies the certificate of a client in the handshake.
//!
//! In: the chain that a client presents. Out: whether the listener's requirements are met, in Envoy's order (`default_validator.cc`):
//! the chain with its dates and revocations, the names, the digests.

use super::lifetime::Lifetime;
use super::{
    CertificateDigest, ClientRequirements, Expiry, Revocation, RevocationDepth, SubjectAltName,
};
use ring::digest::{SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring as provider};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Verifies clients. A client must always have the private key of the certificate that it presents.
#[derive(Debug)]
pub(super) struct Verifier {
    require_certificate: bool,
    /// Verifies the chain. `None` if any certificate will do.
    chain: Option<Arc<dyn ClientCertVerifier>>,
    expiry: Expiry,
    names: Vec<SubjectAltName>,
    digests: Vec<CertificateDigest>,
    /// The end of the first list of revoked certificates. `None` if none ends.
    lists_end: Option<UnixTime>,
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    /// # Errors
    /// Those of [`ClientRequirements::check`].
    pub(super) fn new(requirements: &ClientRequirements) -> Result<Self, Error> {
        let provider = Arc::new(provider::default_provider());
        let mut anchors = RootCertStore::empty();
        for authority in &requirements.authorities {
            anchors.add(authority.clone())?;
        }
        let hints = anchors.subjects();
        let algorithms = provider.signature_verification_algorithms;
        let chain = if requirements.mode.verifies() {
            Some(chain_verifier(requirements, anchors, provider)?)
        } else {
            None
        };
        let lists = requirements.revocation.iter().flat_map(|it| &it.lists);
        let ends = lists.filter_map(|list| Lifetime::of_list(list)?.end);
        Ok(Verifier {
            require_certificate: requirements.require_certificate(),
            lists_end: ends.min_by_key(UnixTime::as_secs),
            chain,
            expiry: requirements.expiry,
            names: requirements.names.clone(),
            digests: requirements.digests.clone(),
            hints,
            algorithms,
        })
    }

    /// See [`ClientValidation::is_still_valid`](super::ClientValidation::is_still_valid). Only time passes between the handshake that
    /// began a session and the one that resumes it, since another validation has other sessions. So a chain is verified again only
    /// if something of it has expired, perhaps a certificate that isn't needed.
    pub(super) fn is_still_valid(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> bool {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return !self.require_certificate;
        };
        if self.chain.is_none() {
            return true;
        }
        let mut ends = chain.iter().map(|it| Lifetime::of(it)?.end);
        let unexpired = |end: Option<UnixTime>| end.is_some_and(|end| is_before(now, end));
        let may_be_expired = self.expiry == Expiry::Ignored;
        if self.has_current_lists(now) && (may_be_expired || ends.all(unexpired)) {
            return true;
        }
        self.verify_chain(leaf, intermediates, now).is_ok()
    }

    /// Whether no list of revoked certificates has expired.
    fn has_current_lists(&self, now: UnixTime) -> bool {
        self.lists_end.is_none_or(|end| is_before(now, end))
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let Some(verifier) = &self.chain else {
            return Ok(());
        };
        let verified = verifier.verify_client_cert(leaf, intermediates, now);
        let Err(error) = verified else {
            return Ok(());
        };
        // In the past, an expired list would count as a current one.
        let is_enforced = self.expiry == Expiry::Enforced || !self.has_current_lists(now);
        if is_enforced || !has_expired(&error) {
            return Err(error);
        }
        // The certificates of the chain were valid together at the end of the first one of them to expire, or never. The client may
        // have sent others.
        let chain = [leaf].into_iter().chain(intermediates);
        let mut ends = chain.filter_map(|it| Lifetime::of(it)?.end);
        let was_valid = |end| {
            verifier
                .verify_client_cert(leaf, intermediates, end)
                .is_ok()
        };
        if ends.any(was_valid) {
            return Ok(());
        }
        Err(error)
    }

    /// Checks the names and the digests.
    fn check_leaf(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        if self.names.is_empty() && self.digests.is_empty() {
            return Ok(());
        }
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| refused())?;
        let has_name = || self.names.iter().any(|name| name.is_in(&parsed));
        if !self.names.is_empty() && !has_name() {
            return Err(refused());
        }
        let has_digest = || {
            let certificate = digest(&SHA256, leaf);
            let key = digest(&SHA256, parsed.public_key().raw);
            self.digests.iter().any(|wanted| match wanted {
                CertificateDigest::Certificate(wanted) => wanted == certificate.as_ref(),
                CertificateDigest::PublicKey(wanted) => wanted == key.as_ref(),
            })
        };
        if !self.digests.is_empty() && !has_digest() {
            return Err(refused());
        }
        Ok(())
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.require_certificate
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.chain.is_some() {
            self.verify_chain(leaf, intermediates, now)?;
            self.check_leaf(leaf)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn chain_verifier(
    requirements: &ClientRequirements,
    anchors: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider);
    if let Some(Revocation { lists, depth }) = &requirements.revocation {
        builder = builder.with_crls(lists.iter().cloned());
        if *depth == RevocationDepth::Leaf {
            builder = builder.only_check_end_entity_revocation();
        }
        builder = builder.enforce_revocation_expiration();
    }
    builder
        .build()
        .map_err(|error| Error::General(error.to_string()))
}

fn is_before(now: UnixTime, end: UnixTime) -> bool {
    now.as_secs() < end.as_secs()
}

fn has_expired(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        )
    )
}

/// The client learns that it isn't admitted, but not which of its names or digests would be.
fn refused() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

#[cfg(test)]
mod tests;
