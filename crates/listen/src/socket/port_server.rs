//! Serves the connections of one socket.
//!
//! In: accepted TCP connections. Out: streams for the application, with the layers (TLS, HTTP) that the current snapshot
//! requires for the port. A protocol that a port can serve is an arm here.

use crate::HttpApp;
use crate::connection::Connection;
use crate::connection::limit::ConnectionPermit;
use crate::connection::registry::Registry;
use crate::connection::stream::ClientStream;
use crate::http_stream::HttpStream;
use crate::shared::SharedState;
use crate::tls::SocketTls;
use crate::worker::{WorkerId, Workers};
use arc_swap::ArcSwap;
use gatefold_dataplane::{Port, Snapshot, SocketKey};
use pingora_core::protocols::IO;
use pingora_core::services::listening::Service;
use pingora_core::{ErrorType, OrErr as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::warn;

/// The clients that a socket accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpFamilies {
    /// Clients of the address's family.
    Own,
    /// IPv4 clients too: `[::]` without IPV6_V6ONLY.
    Both,
}

/// What all connections of one socket need to be served.
pub(crate) struct PortServer<A> {
    own: PortKey,
    /// The port of IPv4 clients, on a socket that accepts both families.
    ipv4: Option<PortKey>,
    workers: Arc<Workers<A>>,
    /// The worker that accepts the socket's connections.
    accepting: WorkerId,
    snapshot: Arc<ArcSwap<Snapshot>>,
    connections: Arc<Registry>,
    shared: Arc<SharedState>,
    /// Tells the application that the socket is closed.
    stop: watch::Receiver<bool>,
}

/// The key of a port in snapshots, and its TLS if it needs it.
struct PortKey {
    socket: SocketKey,
    tls: Arc<SocketTls>,
}

/// The layers between a TCP stream and the application.
enum Layers {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https(Arc<SocketTls>),
}

/// An accepted TCP stream, on its way to its worker.
enum AcceptedStream {
    /// Registered with the runtime of the accepting worker, which serves it too.
    Registered(TcpStream),
    /// For the runtime of another worker.
    Unregistered(std::net::TcpStream),
}

impl AcceptedStream {
    fn new(tcp: TcpStream, stays: bool) -> io::Result<Self> {
        Ok(if stays {
            AcceptedStream::Registered(tcp)
        } else {
            AcceptedStream::Unregistered(tcp.into_std()?)
        })
    }

    /// Registers the stream with the current runtime.
    fn registered(self) -> io::Result<TcpStream> {
        match self {
            AcceptedStream::Registered(tcp) => Ok(tcp),
            AcceptedStream::Unregistered(tcp) => TcpStream::from_std(tcp),
        }
    }
}

impl<A: HttpApp> PortServer<A> {
    /// Creates a server for the connections of `socket`.
    ///
    /// # Errors
    ///
    /// If no TLS configuration can be created.
    pub(crate) fn new(
        socket: SocketKey,
        families: IpFamilies,
        workers: Arc<Workers<A>>,
        accepting: WorkerId,
        snapshot: Arc<ArcSwap<Snapshot>>,
        shared: Arc<SharedState>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, rustls::Error> {
        let port = |socket| -> Result<PortKey, rustls::Error> {
            let tls = Arc::new(SocketTls::new(socket, snapshot.clone())?);
            Ok(PortKey { socket, tls })
        };
        let ipv4 = match families {
            IpFamilies::Own => None,
            IpFamilies::Both => Some(port(socket.with_ip(Ipv4Addr::UNSPECIFIED))?),
        };
        Ok(PortServer {
            own: port(socket)?,
            ipv4,
            workers,
            accepting,
            snapshot,
            connections: shared.registries.open(socket, &shared.meters),
            shared,
            stop,
        })
    }

    /// The open connections of the socket.
    pub(crate) fn connections(&self) -> &Arc<Registry> {
        &self.connections
    }

    /// Serves a connection in its own task, so that a panic ends only this connection.
    pub(crate) fn spawn(&self, tcp: TcpStream, peer: SocketAddr, permit: Option<ConnectionPermit>) {
        let worker = self.workers.for_connection(self.accepting);
        let tcp = match AcceptedStream::new(tcp, worker == self.accepting) {
            Ok(tcp) => tcp,
            Err(error) => {
                warn!(%error, "can't serve a connection");
                return;
            }
        };
        let (socket, layers) = self.select(peer);
        let tls = matches!(layers, Layers::Https(_));
        let connection = Arc::new(Connection::new(socket, peer, tls, self.shared.clone()));
        let entry = self.connections.enter(connection.clone(), permit);
        let stop = self.stop.clone();
        let deadline = self.shared.deadlines.handshake;
        let task = self.workers.spawn(worker, |app| {
            let connection = connection.clone();
            async move {
                let stream = tcp
                    .registered()
                    .or_err(ErrorType::InternalError, "a runtime refuses its socket")
                    .and_then(|tcp| ClientStream::new(tcp, connection.clone(), entry));
                let stream = match stream {
                    Ok(stream) => stream,
                    Err(error) => {
                        warn!(%error, "can't serve a connection");
                        return;
                    }
                };
                match layers {
                    Layers::Http => serve_http(stream, connection, app, stop).await,
                    Layers::Https(tls) => {
                        if let Some(stream) = tls.accept(stream, &connection, deadline).await {
                            serve_http(stream, connection, app, stop).await;
                        }
                    }
                }
            }
        });
        connection.set_task(task.abort_handle());
    }

    /// Returns the key of a client's port in snapshots, and what is served there. A socket for both families has two keys;
    /// a client gets the other one if its own isn't in the snapshot.
    fn select(&self, peer: SocketAddr) -> (SocketKey, Layers) {
        let snapshot = self.snapshot.load();
        let is_wanted = |port: &PortKey| snapshot.ports.contains_key(&port.socket);
        let port = match &self.ipv4 {
            Some(ipv4) => {
                let is_ipv4 = peer.ip().to_canonical().is_ipv4();
                if (is_ipv4 && is_wanted(ipv4)) || !is_wanted(&self.own) {
                    ipv4
                } else {
                    &self.own
                }
            }
            None => &self.own,
        };
        let layers = match snapshot.ports.get(&port.socket).map(|port| &**port) {
            Some(Port::Https(..)) => Layers::Https(port.tls.clone()),
            // Without a port, the proxy answers from the last snapshot that had it, or with 404.
            Some(Port::Http(_)) | None => Layers::Http,
        };
        (port.socket, layers)
    }
}

/// Serves HTTP on a stream until it ends.
async fn serve_http<A: HttpApp>(
    stream: impl IO + 'static,
    connection: Arc<Connection>,
    app: Arc<A>,
    stop: watch::Receiver<bool>,
) {
    let stream = Box::new(HttpStream::new(stream, connection));
    Service::<A>::handle_event(stream, app, stop).await;
}
