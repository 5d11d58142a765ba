use super::connection::Connection;
use super::stream::Conn;
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::client_validation::ClientMode;
use gatefold_dataplane::tls::server_config;
use pingora_core::listeners::tls::Acceptor;
use pingora_core::protocols::tls::TlsStream;
use pingora_core::{ErrorType, OrErr, Result};
use rustls::crypto::ring;
use rustls::server::{Acceptor as HelloReader, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// What speaks TLS on one socket. It stays for the socket's whole life, and with it the keys of the session
/// tickets: a reload costs no client its session. Certificates are taken from the snapshot in force.
pub(super) struct Tls {
    socket: SocketAddr,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// For listeners that ask clients for no certificates.
    open: Acceptor,
}

impl Tls {
    pub(super) fn new(
        socket: SocketAddr,
        snapshot: Arc<ArcSwap<Snapshot>>,
    ) -> Result<Self, rustls::Error> {
        let resolver = Resolver {
            socket,
            snapshot: snapshot.clone(),
        };
        let config = server_config(Arc::new(resolver), None, ring::Ticketer::new()?)?;
        Ok(Tls {
            socket,
            snapshot,
            open: Acceptor::from_server_config(Arc::new(config)),
        })
    }

    /// Does the handshake.
    pub(super) async fn handshake(
        &self,
        mut conn: Conn,
        connection: &Connection,
    ) -> Result<TlsStream<Conn>> {
        let server_name = match self.checks_clients() {
            true => server_name(&mut conn).await,
            false => Ok(None),
        };
        let read = server_name.or_err(ErrorType::TLSHandshakeFailure, "no ClientHello came")?;
        let Some(server_name) = read else {
            return self.open.tls_handshake(conn).await;
        };
        let snapshot = self.snapshot.load_full();
        let port = snapshot.ports.get(&self.socket);
        let tls = port.and_then(|port| port.tls.as_ref());
        let set = tls.and_then(|tls| tls.find(server_name.as_deref()));
        let Some(clients) = set.and_then(|set| set.clients.as_ref()) else {
            return self.open.tls_handshake(conn).await;
        };
        let acceptor = Acceptor::from_server_config(clients.config.clone());
        let stream = acceptor.tls_handshake(conn).await?;
        match clients.validation.mode {
            ClientMode::ValidOnly => connection.set_client_of(clients.validation.scope.clone()),
            ClientMode::InsecureFallback => {}
        }
        Ok(stream)
    }

    fn checks_clients(&self) -> bool {
        let snapshot = self.snapshot.load();
        let port = snapshot.ports.get(&self.socket);
        port.and_then(|port| port.tls.as_ref())
            .is_some_and(|tls| tls.checks_clients())
    }
}

/// The server name of a ClientHello, if it has one, before anything is answered: what the listener asks of
/// clients depends on it. All that was read is there to be read again. Nothing when the client sent something
/// else; the handshake that follows says so to it.
async fn server_name(conn: &mut Conn) -> io::Result<Option<Option<String>>> {
    let mut reader = HelloReader::default();
    loop {
        let mut bytes = conn.peek_more().await?;
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

#[derive(Debug)]
struct Resolver {
    socket: SocketAddr,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let snapshot = self.snapshot.load();
        let port = snapshot.ports.get(&self.socket)?;
        let set = port.tls.as_ref()?.find(hello.server_name())?;
        set.pick(hello.signature_schemes()).cloned()
    }
}
