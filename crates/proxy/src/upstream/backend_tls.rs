//! TLS connections to endpoints.
//!
//! Pingora connects, verifies the chain and, by default, the name. It builds its TLS configuration for each connection and has
//! no lists of names. If a policy lists names, Pingora leaves them to us and reports only the fingerprint of the endpoint's
//! certificate. So this module fetches the certificate once, verifies it with the policy's own verifier, and then allows
//! connections with the fingerprint of a verified certificate.

use arc_swap::ArcSwap;
use gatefold_dataplane::backend::Endpoints;
use gatefold_dataplane::backend_tls::{Authorities, BackendTls, ClientIdentity};
use pingora_core::protocols::Digest;
use pingora_core::tls::hash_certificate;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use pingora_core::{Error, ErrorType, Result};
use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The number of fingerprints kept per policy: more than the certificates that a Service's endpoints use at a time.
const MOST_FINGERPRINTS: usize = 128;

/// The settings of a policy in Pingora's types, converted once.
struct Kept {
    /// `None` for the system's authorities, which Pingora loads itself.
    authorities: Option<Arc<[WrappedX509]>>,
    identity: Option<Arc<CertKey>>,
    /// Fingerprints of certificates that have one of the policy's names.
    fingerprints: ArcSwap<Vec<Vec<u8>>>,
}

impl Kept {
    fn of(tls: &BackendTls) -> Result<Arc<Kept>> {
        let kept = tls
            .kept
            .get_or_init(|| Arc::new(Kept::new(tls)) as Arc<dyn Any + Send + Sync>);
        let kept = kept.clone().downcast::<Kept>();
        kept.map_err(|_| Error::explain(ErrorType::InternalError, "TLS prepared by somebody else"))
    }

    fn new(tls: &BackendTls) -> Kept {
        let authorities = match &tls.authorities {
            Authorities::System(_) => None,
            Authorities::Listed(list) => Some(list.iter().filter_map(|it| wrapped(it)).collect()),
        };
        Kept {
            authorities,
            identity: tls.identity.as_deref().and_then(cert_key).map(Arc::new),
            fingerprints: ArcSwap::default(),
        }
    }

    fn remember(&self, fingerprint: &[u8]) {
        self.fingerprints.rcu(|known| {
            let mut next = Vec::clone(known);
            if next.len() >= MOST_FINGERPRINTS {
                next.clear();
            }
            next.push(fingerprint.to_vec());
            next
        });
    }
}

/// Converts a certificate. Pingora panics at certificates that its parser can't read.
fn wrapped(der: &[u8]) -> Option<WrappedX509> {
    X509Certificate::from_der(der).ok()?;
    Some(WrappedX509::new(der.to_vec(), parse_x509))
}

fn cert_key(identity: &ClientIdentity) -> Option<CertKey> {
    let chain = &identity.certified_key.cert;
    let readable = chain.iter().all(|it| X509Certificate::from_der(it).is_ok());
    let chain: Vec<Vec<u8>> = chain.iter().map(|it| it.to_vec()).collect();
    (readable && !chain.is_empty()).then(|| CertKey::new(chain, identity.key.secret_der().to_vec()))
}

/// Returns the TLS settings for endpoints and a client certificate. `None` for plain text.
///
/// # Errors
/// If TLS was not prepared for the client certificate.
pub(crate) fn of(
    endpoints: &Endpoints,
    identity: Option<usize>,
) -> Result<Option<&Arc<BackendTls>>> {
    let Some(tls) = endpoints.tls() else {
        return Ok(None);
    };
    match tls.of(identity) {
        Some(tls) => Ok(Some(tls)),
        None => Error::e_explain(ErrorType::InternalError, "an unknown client certificate"),
    }
}

/// Returns an endpoint to connect to with TLS. Only requests with the same settings share connections.
///
/// # Errors
/// If Pingora can't be given the authorities or the client certificate. It would fall back to trusting others.
pub(crate) fn peer(endpoint: SocketAddr, tls: &BackendTls) -> Result<Box<HttpPeer>> {
    let kept = Kept::of(tls)?;
    let no_authority = kept
        .authorities
        .as_ref()
        .is_some_and(|list| list.is_empty());
    if no_authority || kept.identity.is_some() != tls.identity.is_some() {
        let why = "a certificate for connections to backends can't be used";
        return Error::e_explain(ErrorType::InvalidCert, why);
    }
    // Pingora verifies nothing without a name. A hostname is never empty.
    let name = tls.server_name.to_str().into_owned();
    let mut peer = Box::new(HttpPeer::new(endpoint, true, name));
    peer.options.ca = kept.authorities.clone();
    peer.client_cert_key = kept.identity.clone();
    peer.group_key = tls.key;
    Ok(peer)
}

/// Leaves the names to [`check_names`] if the policy lists some. If neither is called, Pingora verifies the requested hostname,
/// so forgetting this call fails safe.
pub(crate) fn defer_names(peer: &mut HttpPeer, tls: &BackendTls) {
    peer.options.verify_hostname = tls.names.is_empty();
}

/// Checks whether a connection made by Pingora may be used: the certificate must have one of the policy's names.
///
/// # Errors
/// If the certificate has none of them, or can't be verified.
pub(crate) async fn check_names(
    tls: &BackendTls,
    endpoint: SocketAddr,
    digest: Option<&Digest>,
    patience: Duration,
) -> Result<()> {
    if tls.names.is_empty() {
        return Ok(());
    }
    let shown = digest.and_then(|digest| digest.ssl_digest.as_deref());
    let shown = shown.map(|digest| digest.cert_digest.as_slice());
    let Some(shown) = shown.filter(|it| !it.is_empty()) else {
        let why = "an endpoint presented no certificate";
        return Error::e_explain(ErrorType::InvalidCert, why);
    };
    let kept = Kept::of(tls)?;
    if kept.fingerprints.load().iter().any(|known| known == shown) {
        return Ok(());
    }
    let fetched = tokio::time::timeout(patience, fingerprint(tls, endpoint)).await;
    let fetched = fetched
        .map_err(|_| Error::new(ErrorType::TLSHandshakeTimedout))?
        .map_err(|error| {
            let why = "checking an endpoint's certificate for the policy's names";
            Error::because(ErrorType::InvalidCert, why, error)
        })?;
    kept.remember(&fetched);
    if fetched == shown {
        return Ok(());
    }
    // The address has several certificates. The next request may meet one that is known.
    let why = "an endpoint presents several certificates";
    Error::e_explain(ErrorType::InvalidCert, why)
}

/// Returns the fingerprint of an endpoint's certificate, which has passed the policy's verifier.
async fn fingerprint(tls: &BackendTls, endpoint: SocketAddr) -> io::Result<Vec<u8>> {
    let connection = connect(tls, TcpStream::connect(endpoint).await?).await?;
    let (_, session) = connection.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    let leaf = chain.first().ok_or(io::ErrorKind::InvalidData)?;
    Ok(hash_certificate(leaf))
}

/// Opens a TLS connection of our own. The policy's verifier verifies all of it.
pub(crate) async fn connect(tls: &BackendTls, tcp: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(tls.config.clone());
    connector.connect(tls.server_name.clone(), tcp).await
}
