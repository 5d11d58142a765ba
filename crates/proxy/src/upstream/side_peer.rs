//! Endpoints for requests of gatefold's own: copies for mirrors, and questions to authorization servers.

use crate::NO_AUTHORITIES;
use crate::upstream::backend_tls;
use crate::upstream::peer::{Exchange, Timeouts};
use crate::upstream::tls_cache::{PreparedTls, TlsCache};
use gatefold_dataplane::backend::EndpointSet;
use gatefold_dataplane::backend_tls::BackendTls;
use pingora_core::Result;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The TLS settings of an endpoint.
pub(crate) struct PeerTls {
    tls: Arc<BackendTls>,
    prepared: Arc<PreparedTls>,
    endpoint: SocketAddr,
}

impl PeerTls {
    /// Checks the names in the certificate of a connection.
    ///
    /// # Errors
    /// If the endpoint has another name.
    pub(crate) async fn check(&self, session: &HttpSession, patience: Duration) -> Result<()> {
        let PeerTls {
            tls,
            prepared,
            endpoint,
        } = self;
        backend_tls::check_names(tls, prepared, *endpoint, session.digest(), patience).await
    }
}

/// Selects an endpoint and prepares its TLS, like for a backend.
///
/// # Errors
/// If TLS was not prepared for the Gateway's client certificate, or can't be used.
pub(crate) fn select(
    endpoints: &EndpointSet,
    identity: Option<usize>,
    timeouts: Timeouts,
    tls_cache: &TlsCache,
) -> Result<(Box<HttpPeer>, Option<PeerTls>)> {
    let tls = backend_tls::of(endpoints, identity)?;
    let exchange = Exchange::of(endpoints.version, false);
    let endpoint = endpoints.next();
    let prepared = tls.map(|tls| tls_cache.prepare(tls));
    let secure = tls.map(|tls| &**tls).zip(prepared.as_deref());
    let mut peer = timeouts.peer(endpoint, exchange, secure)?;
    if let Some(tls) = tls {
        backend_tls::defer_names(&mut peer, tls);
    }
    let secured = tls.zip(prepared).map(|(tls, prepared)| PeerTls {
        tls: tls.clone(),
        prepared,
        endpoint,
    });
    Ok((peer, secured))
}

/// Creates a connector that keeps up to `idle` idle connections.
pub(crate) fn connector(idle: usize) -> Connector {
    let mut options = ConnectorOptions::new(idle);
    options.ca_file = Some(NO_AUTHORITIES.to_owned());
    Connector::new(Some(options))
}
