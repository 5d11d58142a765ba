use super::connection::Connection;
use super::registry::Registry;
use super::stream::Conn;
use super::tls::Tls;
use crate::dataplane::Snapshot;
use arc_swap::ArcSwap;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::{Ssl, Stream};
use pingora_core::services::listening::Service;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{debug, warn};

/// A client that hasn't finished its TLS handshake by then is cut off.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long accepting rests after an error that isn't one connection's, above all when the process has no
/// file descriptors left: at once it would fail again.
const REST: Duration = Duration::from_millis(100);

/// What a socket does with its connections.
pub(super) struct Acceptance<A> {
    pub(super) socket: SocketAddr,
    pub(super) app: Arc<A>,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) tls: Arc<Tls>,
    pub(super) connections: Arc<Registry>,
    pub(super) stop: watch::Receiver<bool>,
}

impl<A: ServerApp + Send + Sync + 'static> Acceptance<A> {
    pub(super) fn new(
        socket: SocketAddr,
        app: Arc<A>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, rustls::Error> {
        Ok(Acceptance {
            socket,
            app,
            tls: Arc::new(Tls::new(socket, snapshot.clone())?),
            snapshot,
            connections: Arc::default(),
            stop,
        })
    }

    /// Accepts until it is told to stop. Connections that have queued by then are served too: the system
    /// would reset them.
    pub(super) async fn run(mut self, listener: Arc<TcpListener>) {
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => self.take(accepted).await,
                // Told to, or nobody is left who could.
                _ = stop.changed() => break,
            }
        }
        while let Some(accepted) = queued(&listener).await {
            match accepted {
                Ok((tcp, peer)) => self.spawn(tcp, peer),
                Err(_) => break,
            }
        }
    }

    async fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((tcp, peer)) => self.spawn(tcp, peer),
            Err(error) if is_one_connections(&error) => debug!(%error, "a client left the queue"),
            Err(error) => {
                warn!(socket = %self.socket, %error, "can't accept connections, trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// Serves a connection in a task of its own: whatever happens there, a panic too, costs only it.
    fn spawn(&mut self, tcp: TcpStream, peer: SocketAddr) {
        let tls = self
            .snapshot
            .load()
            .ports
            .get(&self.socket)
            .is_some_and(|port| port.tls.is_some());
        let connection = Arc::new(Connection::new(self.socket, peer, tls));
        let entry = self.connections.enter(connection.clone());
        let app = self.app.clone();
        let stop = self.stop.clone();
        let tls = tls.then(|| self.tls.clone());
        tokio::spawn(async move {
            let _entry = entry;
            let local = tcp.local_addr().ok();
            let stream = match Conn::new(tcp, connection.clone(), local) {
                Ok(conn) => match tls {
                    Some(tls) => handshake(&tls, conn, &connection).await,
                    None => Some(Box::new(conn) as Stream),
                },
                Err(error) => {
                    warn!(%error, "can't take a connection");
                    None
                }
            };
            if let Some(stream) = stream {
                Service::<A>::handle_event(stream, app, stop).await;
            }
        });
    }
}

async fn handshake(tls: &Tls, conn: Conn, connection: &Connection) -> Option<Stream> {
    match tokio::time::timeout(HANDSHAKE, tls.handshake(conn, connection)).await {
        Ok(Ok(stream)) => {
            if let Some(name) = stream.get_ssl().and_then(|tls| tls.server_name()) {
                connection.set_server_name(name);
            }
            Some(Box::new(stream))
        }
        Ok(Err(error)) => {
            debug!(peer = %connection.peer(), %error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            debug!(peer = %connection.peer(), "a TLS handshake took too long");
            None
        }
    }
}

/// A connection that waits already; nothing when none does.
async fn queued(listener: &TcpListener) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    poll_fn(|context| match listener.poll_accept(context) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Errors of a connection that ended while it was queued, which `accept` reports (accept(2)).
fn is_one_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
    )
}
