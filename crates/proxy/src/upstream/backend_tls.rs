//! TLS connections to endpoints.
//!
//! Pingora connects, verifies the chain and, by default, the name. It builds its TLS configuration for each connection and has
//! no lists of names. If a policy lists names, Pingora leaves them to us and reports only the fingerprint of the endpoint's
//! certificate. So this module fetches the certificate once, verifies it with the policy's own verifier, and then allows
//! connections with the fingerprint of a verified certificate.

use crate::upstream::pool_key;
use crate::upstream::tls_cache::PreparedTls;
use gatefold_dataplane::backend::EndpointSet;
use gatefold_dataplane::backend_tls::BackendTls;
use pingora_core::protocols::Digest;
use pingora_core::tls::hash_certificate;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Returns the TLS settings for endpoints and a client certificate. `None` for plain text.
///
/// # Errors
/// If TLS was not prepared for the client certificate.
pub(crate) fn of(
    endpoints: &EndpointSet,
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
/// If Pingora can't be given the authorities or the client certificate. It would fall back to those of its connector.
pub(crate) fn peer(
    endpoint: SocketAddr,
    tls: &BackendTls,
    prepared: &PreparedTls,
) -> Result<Box<HttpPeer>> {
    if prepared.authorities.is_empty()
        || prepared.identity.is_some() != tls.handshake.identity.is_some()
    {
        let why = "a certificate for connections to backends can't be used";
        return Error::e_explain(ErrorType::InvalidCert, why);
    }
    // Pingora verifies nothing without a name. A hostname is never empty.
    let name = tls.handshake.server_name.to_str().into_owned();
    let mut peer = Box::new(HttpPeer::new(endpoint, true, name));
    peer.options.ca = Some(prepared.authorities.clone());
    peer.client_cert_key = prepared.identity.clone();
    pool_key::set_tls(&mut peer, tls);
    Ok(peer)
}

/// Leaves the names to [`check_names`] if the policy lists some. If neither is called, Pingora verifies the requested hostname,
/// so forgetting this call fails safe.
pub(crate) fn defer_names(peer: &mut HttpPeer, tls: &BackendTls) {
    peer.options.verify_hostname = tls.handshake.names.is_empty();
}

/// Checks whether a connection made by Pingora may be used: the certificate must have one of the policy's names.
///
/// # Errors
/// If the certificate has none of them, or can't be verified.
pub(crate) async fn check_names(
    tls: &BackendTls,
    prepared: &PreparedTls,
    endpoint: SocketAddr,
    digest: Option<&Digest>,
    patience: Duration,
) -> Result<()> {
    if tls.handshake.names.is_empty() {
        return Ok(());
    }
    let shown = digest.and_then(|digest| digest.ssl_digest.as_deref());
    let shown = shown.map(|digest| digest.cert_digest.as_slice());
    let Some(shown) = shown.filter(|it| !it.is_empty()) else {
        let why = "an endpoint presented no certificate";
        return Error::e_explain(ErrorType::InvalidCert, why);
    };
    if prepared.knows(shown) {
        return Ok(());
    }
    let fetched = tokio::time::timeout(patience, fingerprint(tls, endpoint)).await;
    let fetched = fetched
        .map_err(|_| Error::new(ErrorType::TLSHandshakeTimedout))?
        .map_err(|error| {
            let why = "checking an endpoint's certificate for the policy's names";
            Error::because(ErrorType::InvalidCert, why, error)
        })?;
    prepared.remember(&fetched);
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
    connector
        .connect(tls.handshake.server_name.clone(), tcp)
        .await
}
