//! The TLS side of a listening socket: handshakes with the certificates of the current snapshot.

use crate::connection::Connection;
use crate::connection::stream::ClientStream;
use crate::meters::CloseReason;
use arc_swap::ArcSwap;
use gatefold_dataplane::client_certificate::ClientCertificate;
use gatefold_dataplane::client_traffic::tls_settings::TlsSettings;
use gatefold_dataplane::tls::{Sessions, server_config};
use gatefold_dataplane::{Snapshot, SocketKey};
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::Ssl;
use pingora_core::protocols::tls::TlsStream;
use pingora_core::{Error, ErrorType, OrErr, Result};
use rustls::pki_types::UnixTime;
use rustls::server::{Acceptor as HelloReader, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

/// Performs TLS handshakes for one socket. It lives as long as the socket, and with it the keys of the session
/// tickets, so clients can resume sessions after a reload. Certificates come from the current snapshot.
pub(crate) struct SocketTls {
    socket: SocketKey,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// For listeners without a configuration of their own.
    open: Acceptor,
}

impl SocketTls {
    pub(crate) fn new(
        socket: SocketKey,
        snapshot: Arc<ArcSwap<Snapshot>>,
    ) -> Result<Self, rustls::Error> {
        let resolver = Resolver {
            socket,
            snapshot: snapshot.clone(),
        };
        let settings = TlsSettings::default();
        let sessions = Sessions::new(settings.resumption)?;
        let config = server_config(Arc::new(resolver), &settings, None, &sessions)?;
        Ok(SocketTls {
            socket,
            snapshot,
            open: Acceptor::from_server_config(Arc::new(config)),
        })
    }

    /// Performs the handshake until `deadline`, and records its outcome in `connection`. Returns `None` if it fails.
    pub(crate) async fn accept(
        &self,
        stream: ClientStream,
        connection: &Connection,
        deadline: Instant,
    ) -> Option<TlsStream<ClientStream>> {
        // Pinned here, the stream is closed only after its end is recorded.
        let mut handshake = pin!(self.handshake(stream, connection));
        match timeout_at(deadline, handshake.as_mut()).await {
            Ok(Ok(stream)) => {
                if let Some(name) = stream.get_ssl().and_then(|tls| tls.server_name()) {
                    connection.set_server_name(name);
                }
                connection.finish_handshake();
                Some(stream)
            }
            Ok(Err(error)) => {
                debug!(peer = %connection.peer(), %error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                connection.ended(CloseReason::Handshake);
                None
            }
        }
    }

    /// Performs the handshake, and records in `connection` which validation has accepted the client's certificate.
    async fn handshake(
        &self,
        mut conn: ClientStream,
        connection: &Connection,
    ) -> Result<TlsStream<ClientStream>> {
        let server_name = if self.has_own_configs() {
            server_name(&mut conn).await
        } else {
            Ok(None)
        };
        let read = server_name.or_err(ErrorType::TLSHandshakeFailure, "no ClientHello came")?;
        let Some(server_name) = read else {
            return self.open.tls_handshake(conn).await;
        };
        let snapshot = self.snapshot.load_full();
        let port = snapshot.ports.get(&self.socket);
        let tls = port.and_then(|port| port.tls());
        let set = tls.and_then(|tls| tls.find(server_name.as_deref()));
        let Some(own) = set.and_then(|set| set.own.as_ref()) else {
            return self.open.tls_handshake(conn).await;
        };
        let acceptor = Acceptor::from_server_config(own.config.clone());
        let stream = acceptor.tls_handshake(conn).await?;
        if let Some(clients) = &own.clients {
            let chain = stream.get_ssl().and_then(|tls| tls.peer_cert_chain_der());
            let chain = chain.unwrap_or_default();
            if !clients.is_still_valid(chain, UnixTime::now()) {
                let why = "the client's certificate has expired since its session began";
                return Error::e_explain(ErrorType::TLSHandshakeFailure, why);
            }
            if clients.is_required() {
                connection.set_client_of(clients.scope.clone());
            }
            let served = set.map(|set| &*set.keys).unwrap_or_default();
            if let Some(certificate) = ClientCertificate::new(chain, served) {
                connection.set_client_certificate(certificate);
            }
        }
        Ok(stream)
    }

    fn has_own_configs(&self) -> bool {
        let snapshot = self.snapshot.load();
        let port = snapshot.ports.get(&self.socket);
        port.and_then(|port| port.tls())
            .is_some_and(|tls| tls.has_own_configs())
    }
}

/// Reads the server name of the ClientHello before anything is answered, since the server name decides about the configuration. The bytes stay available for the handshake. The outer `None` means that the client sent
/// something other than a ClientHello, for which the handshake then sends an alert.
async fn server_name(conn: &mut ClientStream) -> io::Result<Option<Option<String>>> {
    let mut reader = HelloReader::default();
    // A part of the ClientHello may have come with the PROXY header.
    let mut bytes = conn.peeked();
    loop {
        if bytes.is_empty() {
            bytes = conn.peek_more().await?;
        }
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !bytes.is_empty() {
            if reader.read_tls(&mut bytes).is_err() {
                return Ok(None);
            }
            match reader.accept() {
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().map(str::to_owned);
                    return Ok(Some(name));
                }
                Ok(None) => {}
                Err(_) => return Ok(None),
            }
        }
    }
}

/// Selects the certificate of a server name from the current snapshot.
#[derive(Debug)]
struct Resolver {
    socket: SocketKey,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.snapshot.load();
        let port = snapshot.ports.get(&self.socket)?;
        let set = port.tls()?.find(hello.server_name())?;
        set.pick(hello.signature_schemes()).cloned()
    }
}
