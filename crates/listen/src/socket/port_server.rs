//! Serves the connections of one socket.
//!
//! In: accepted TCP connections. Out: a task for each, on one of the workers, that serves it through the layers that the current
//! snapshot requires for the port.

use crate::HttpApp;
use crate::connection::Connection;
use crate::connection::limit::ConnectionPermit;
use crate::connection::registry::Registry;
use crate::connection::stream::ClientStream;
use crate::log_throttle::LogThrottle;
use crate::meters::CloseReason;
use crate::proxy_protocol::ProxyHeaders;
use crate::shared::SharedState;
use crate::socket::keep_alive;
use crate::socket::layers::{Layers, Protocol};
use crate::tls::SocketTls;
use crate::worker::{WorkerId, Workers};
use arc_swap::ArcSwap;
use gatefold_dataplane::client_traffic::socket_settings::{ConnectionLimit, ProxyProtocol};
use gatefold_dataplane::{Port, Snapshot, SocketKey};
use pingora_core::{ErrorType, OrErr as _};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{debug, warn};

/// A deadline that never passes.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

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
    limit_log: Mutex<LogThrottle>,
    /// Counted by the connections beyond the limit that are kept for a while.
    refused: Arc<()>,
    /// Tells the application that the socket is closed.
    stop: watch::Receiver<bool>,
}

/// The key of a port in snapshots, and its TLS if it needs it.
struct PortKey {
    socket: SocketKey,
    tls: Arc<SocketTls>,
    proxy_headers: Arc<ProxyHeaders>,
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
            Ok(PortKey {
                socket,
                tls,
                proxy_headers: Arc::new(ProxyHeaders::new(socket)),
            })
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
            limit_log: Mutex::default(),
            refused: Arc::default(),
            stop,
        })
    }

    /// The open connections of the socket.
    pub(crate) fn connections(&self) -> &Arc<Registry> {
        &self.connections
    }

    /// Serves a connection in its own task, so that a panic ends only this connection.
    pub(crate) fn spawn(&self, tcp: TcpStream, peer: SocketAddr, permit: Option<ConnectionPermit>) {
        let layers = self.layers(peer);
        let settings = layers.settings.clone();
        let settings = settings.as_deref();
        if let Some(limit) = settings.and_then(|it| it.connection_limit)
            && self.connections.count() >= limit.connections.get()
        {
            let refused = (tcp, permit, self.refused.clone());
            return self.refuse(refused, peer, limit);
        }
        if let Some(keep_alive) = settings.and_then(|it| it.keep_alive)
            && let Err(error) = keep_alive::set(&tcp, &keep_alive)
        {
            debug!(%peer, %error, "can't set the keep-alive of a connection");
        }
        let worker = self.workers.for_connection(self.accepting);
        let tcp = match AcceptedStream::new(tcp, worker == self.accepting) {
            Ok(tcp) => tcp,
            Err(error) => {
                warn!(%error, "can't serve a connection");
                return;
            }
        };
        let shared = self.shared.clone();
        let connection = Connection::new(layers.socket, peer, layers.is_tls(), shared);
        let limits = settings.map(|it| it.limits).unwrap_or_default();
        let lifetime = settings.and_then(|it| it.lifetime);
        let connection = connection.with_limits(&limits).with_lifetime(lifetime);
        let connection = Arc::new(connection);
        if layers.proxy_protocol() != ProxyProtocol::Off {
            connection.await_proxy_header();
        }
        let entry = self.connections.enter(connection.clone(), permit);
        let stop = self.stop.clone();
        let time = connection.deadlines().handshake;
        let task = self.workers.spawn(worker, |app| {
            let connection = connection.clone();
            async move {
                let stream = tcp
                    .registered()
                    .or_err(ErrorType::InternalError, "a runtime refuses its socket")
                    .and_then(|tcp| ClientStream::new(tcp, connection.clone(), entry));
                let now = Instant::now();
                let deadline = now.checked_add(time).unwrap_or_else(|| now + FOREVER);
                match stream {
                    Ok(stream) => layers.serve(stream, connection, app, deadline, stop).await,
                    Err(error) => warn!(%error, "can't serve a connection"),
                }
            }
        });
        connection.set_task(task.abort_handle());
    }

    /// Closes a connection beyond the limit of the socket, after its delay. It doesn't count towards the limit, but as many
    /// connections as the limit permits are delayed at most, since each keeps a permit of all sockets. Further ones are closed at
    /// once.
    fn refuse(
        &self,
        (tcp, permit, delayed): (TcpStream, Option<ConnectionPermit>, Arc<()>),
        peer: SocketAddr,
        limit: ConnectionLimit,
    ) {
        self.shared.meters.closed(CloseReason::SocketLimit);
        let mut log = self
            .limit_log
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if log.is_due() {
            warn!(socket = %self.own.socket, %peer, "the socket has as many connections as its policy permits: further ones are closed");
        }
        drop(log);
        let delay = limit.close_delay;
        // Beside those of the delayed connections, there are the socket's and this one.
        if delay.is_zero() || Arc::strong_count(&delayed) >= limit.connections.get() + 2 {
            return;
        }
        let mut stop = self.stop.clone();
        self.workers.runtime(self.accepting).spawn(async move {
            let _refused = (tcp, permit, delayed);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// Returns the layers of a client's connection. A socket for both families has two keys; a client gets the other one if its
    /// own isn't in the snapshot.
    fn layers(&self, peer: SocketAddr) -> Layers {
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
        // A connection that was queued when the snapshot lost its port is served by the last one that had it.
        let last = (!is_wanted(port)).then(|| self.connections.last_snapshot());
        let last = last.flatten();
        let snapshot = last.as_ref().unwrap_or(&snapshot);
        let protocol = match snapshot.ports.get(&port.socket).map(|port| &**port) {
            Some(Port::Https(..)) => Protocol::Https(port.tls.clone()),
            // Without a port, the proxy answers 404.
            Some(Port::Http(_)) | None => Protocol::Http,
        };
        Layers {
            socket: port.socket,
            protocol,
            settings: snapshot.socket_settings.get(&port.socket).cloned(),
            proxy_headers: port.proxy_headers.clone(),
        }
    }
}
