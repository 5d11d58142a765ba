use super::bind::BACKLOG;
use super::connection::Connection;
use super::limit::Place;
use super::meters::{Closed, Pause};
use super::registry::{Entry, Registry};
use super::shared::Shared;
use super::stream::Conn;
use super::tls::Tls;
use super::watched::Watched;
use crate::log_throttle::LogThrottle;
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::{Ssl, Stream};
use pingora_core::services::listening::Service;
use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{debug, warn};

/// How long accepting rests after an error that isn't one connection's, above all when the process has no
/// file descriptors left: at once it would fail again.
const REST: Duration = Duration::from_millis(100);
/// How many connections are taken from a queue before other tasks have their turn.
const AT_ONCE: i32 = 64;

/// Whose clients a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Families {
    /// Those of its address's family.
    Own,
    /// IPv4's, too: `[::]` without IPV6_V6ONLY.
    Both,
}

/// What a socket does with its connections.
pub(super) struct Acceptance<A> {
    pub(super) socket: SocketAddr,
    pub(super) app: Arc<A>,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) tls: Arc<Tls>,
    /// What IPv4 clients of a socket for both families came by.
    pub(super) ipv4: Option<(SocketAddr, Arc<Tls>)>,
    pub(super) connections: Arc<Registry>,
    pub(super) shared: Arc<Shared>,
    pub(super) stop: watch::Receiver<bool>,
    full: LogThrottle,
    failing: LogThrottle,
}

impl<A: ServerApp + Send + Sync + 'static> Acceptance<A> {
    pub(super) fn new(
        socket: SocketAddr,
        families: Families,
        app: Arc<A>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        shared: Arc<Shared>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, rustls::Error> {
        let tls = |socket| Tls::new(socket, snapshot.clone()).map(Arc::new);
        let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, socket.port()));
        let ipv4 = match families {
            Families::Own => None,
            Families::Both => Some((ipv4, tls(ipv4)?)),
        };
        Ok(Acceptance {
            socket,
            app,
            tls: tls(socket)?,
            ipv4,
            snapshot,
            connections: shared.registries.open(socket, &shared.meters),
            shared,
            stop,
            full: LogThrottle::default(),
            failing: LogThrottle::default(),
        })
    }

    /// Accepts until it is told to stop. Connections that have queued by then are served too, as far as there
    /// are places: the system would reset them.
    pub(super) async fn run(mut self, listener: Arc<TcpListener>) {
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => self.take(accepted).await,
                () = told(&mut stop) => break,
            }
        }
        self.empty_queue(&listener).await;
    }

    async fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((tcp, peer)) => {
                // Without a place when it was told to stop meanwhile: the connection is accepted, and to close it
                // now would be to reset it.
                let place = self.place().await;
                self.spawn(tcp, peer, place);
            }
            Err(error) if is_one_connections(&error) => debug!(%error, "a client left the queue"),
            Err(error) => self.rest(&error).await,
        }
    }

    /// Takes what waits, and no more than can have waited when this began: others may come as fast.
    async fn empty_queue(&mut self, listener: &TcpListener) {
        for taken in 1..=BACKLOG {
            let Some(place) = self.shared.limit.place() else {
                return;
            };
            match queued(listener) {
                None => return,
                Some(Ok((tcp, peer))) => self.spawn(tcp, peer, Some(place)),
                Some(Err(error)) if is_one_connections(&error) => {
                    debug!(%error, "a client left the queue");
                }
                Some(Err(error)) => {
                    warn!(socket = %self.socket, %error, "can't accept connections that wait");
                    return;
                }
            }
            if taken % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// A place for a connection: at once, or as soon as another one closes. Meanwhile nothing is accepted;
    /// clients queue in the system. Nothing when it is told to stop before.
    async fn place(&mut self) -> Option<Place> {
        if let Some(place) = self.shared.limit.place() {
            return Some(place);
        }
        self.shared.meters.pause(Pause::Limit);
        if self.full.is_due() {
            let limit = self.shared.limit.connections();
            warn!(socket = %self.socket, limit, "as many connections are open as may be: others wait");
        }
        let next = self.shared.limit.next_place();
        tokio::pin!(next);
        let mut stop = self.stop.clone();
        loop {
            self.shared.reclaim();
            tokio::select! {
                place = &mut next => return place,
                () = told(&mut stop) => return None,
                () = tokio::time::sleep(REST) => {}
            }
        }
    }

    /// Waits until accepting may work again.
    async fn rest(&mut self, error: &io::Error) {
        self.shared.meters.pause(Pause::Descriptors);
        if self.failing.is_due() {
            warn!(
                socket = %self.socket, %error,
                "can't accept connections and keeps trying; if it lacks file descriptors, raise the limit \
                 (`ulimit -n`, systemd's LimitNOFILE) or lower --max-connections"
            );
        }
        self.shared.reclaim();
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(REST) => {}
            () = told(&mut stop) => {}
        }
    }

    /// The key into the snapshot's ports, and what does TLS if it is spoken there. A socket for both families
    /// stands for two keys; a client finds the other one where its own isn't wanted.
    fn way(&self, peer: SocketAddr) -> (SocketAddr, Option<Arc<Tls>>) {
        let snapshot = self.snapshot.load();
        let own = (self.socket, &self.tls);
        let (socket, tls) = match &self.ipv4 {
            Some((ipv4, tls)) => {
                let is_ipv4 = peer.ip().to_canonical().is_ipv4();
                let wanted = |socket| snapshot.ports.contains_key(socket);
                match (is_ipv4 && wanted(ipv4)) || !wanted(&self.socket) {
                    true => (*ipv4, tls),
                    false => own,
                }
            }
            None => own,
        };
        let port = snapshot.ports.get(&socket);
        let speaks_tls = port.is_some_and(|port| port.tls.is_some());
        (socket, speaks_tls.then(|| tls.clone()))
    }

    /// Serves a connection in a task of its own: whatever happens there, a panic too, costs only it.
    fn spawn(&mut self, tcp: TcpStream, peer: SocketAddr, place: Option<Place>) {
        let (socket, tls) = self.way(peer);
        let connection = Connection::new(socket, peer, tls.is_some(), self.shared.clone());
        let connection = Arc::new(connection);
        let entry = self.connections.enter(connection.clone(), place);
        let app = self.app.clone();
        let stop = self.stop.clone();
        let deadline = self.shared.deadlines.handshake;
        let task = tokio::spawn({
            let connection = connection.clone();
            async move {
                if let Some(stream) = open(tcp, connection, entry, tls, deadline).await {
                    Service::<A>::handle_event(stream, app, stop).await;
                }
            }
        });
        connection.set_task(task.abort_handle());
    }
}

/// What the application reads and writes: after the TLS handshake if there is one.
async fn open(
    tcp: TcpStream,
    connection: Arc<Connection>,
    entry: Entry,
    tls: Option<Arc<Tls>>,
    deadline: Duration,
) -> Option<Stream> {
    let conn = Conn::new(tcp, connection.clone(), entry)
        .inspect_err(|error| warn!(%error, "can't take a connection"))
        .ok()?;
    let Some(tls) = tls else {
        return Some(Box::new(Watched::new(conn, connection)));
    };
    match tokio::time::timeout(deadline, tls.handshake(conn, &connection)).await {
        Ok(Ok(stream)) => {
            if let Some(name) = stream.get_ssl().and_then(|tls| tls.server_name()) {
                connection.set_server_name(name);
            }
            connection.shake_hands();
            Some(Box::new(Watched::new(stream, connection)))
        }
        Ok(Err(error)) => {
            debug!(peer = %connection.peer(), %error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            connection.ended(Closed::Handshake);
            None
        }
    }
}

/// Waits until the socket shall be closed.
async fn told(stop: &mut watch::Receiver<bool>) {
    // An error: nobody is left who could say so.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A connection that waits already; nothing when none does. The system itself is asked: Tokio answers from what
/// it was told of the socket before, and lets a task that takes many find nothing for a while.
fn queued(listener: &TcpListener) -> Option<io::Result<(TcpStream, SocketAddr)>> {
    let accepted = match SockRef::from(listener).accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
        accepted => accepted,
    };
    Some(accepted.and_then(|(socket, peer)| {
        socket.set_nonblocking(true)?;
        let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidData)?;
        Ok((TcpStream::from_std(socket.into())?, peer))
    }))
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

#[cfg(test)]
mod tests {
    use super::super::bind::bind;
    use super::super::shared::Options;
    use super::super::sockets::Sockets;
    use super::*;
    use async_trait::async_trait;
    use gatefold_dataplane::Port;
    use pingora_core::server::ShutdownWatch;
    use std::io::Write as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Panics at `!`, and sends anything else back.
    struct Touchy;

    #[async_trait]
    impl ServerApp for Touchy {
        async fn process_new(
            self: &Arc<Self>,
            mut stream: Stream,
            _: &ShutdownWatch,
        ) -> Option<Stream> {
            let byte = stream.read_u8().await.ok()?;
            assert_ne!(byte, b'!', "this test wants it");
            stream.write_u8(byte).await.ok()?;
            stream.flush().await.ok()?;
            Some(stream)
        }
    }

    /// Echoes on a port of its own.
    async fn touchy() -> (SocketAddr, Sockets<Touchy>) {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
        let address = listener.local_addr().expect("its address");
        let snapshot = Snapshot {
            ports: [(address, Arc::new(Port::default()))].into(),
            ..Snapshot::default()
        };
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        let mut sockets = Sockets::new(Arc::new(Touchy), snapshot, Options::default());
        sockets.adopt(listener.into()).expect("a TCP socket");
        sockets.prepare([address]);
        sockets.commit().await;
        (address, sockets)
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_connection_only() {
        let (address, sockets) = touchy().await;
        let mut other = TcpStream::connect(address).await.expect("a connection");
        let mut broken = TcpStream::connect(address).await.expect("a connection");
        broken.write_all(b"!").await.expect("sent");
        assert!(broken.read_u8().await.is_err(), "it ended");
        for byte in b"ab" {
            other.write_u8(*byte).await.expect("sent");
            assert_eq!(other.read_u8().await.expect("an echo"), *byte);
        }
        let mut new = TcpStream::connect(address).await.expect("a connection");
        new.write_all(b"c").await.expect("sent");
        assert_eq!(new.read_u8().await.expect("an echo"), b'c');
        assert_eq!(sockets.connections(), 2, "the broken one is forgotten");
    }

    #[tokio::test]
    async fn all_that_wait_when_their_socket_is_closed_are_served() {
        /// More than Tokio lets a task take at once.
        const CLIENTS: usize = 200;
        let (address, mut sockets) = touchy().await;
        let mut clients = Vec::new();
        // The test's only thread is here, so nobody accepts meanwhile.
        for _ in 0..CLIENTS {
            let mut client = std::net::TcpStream::connect(address).expect("a place in the queue");
            client.write_all(b"a").expect("sent");
            client.set_nonblocking(true).expect("nonblocking");
            clients.push(TcpStream::from_std(client).expect("registered"));
        }
        sockets.prepare([]);
        sockets.commit().await;
        for (index, client) in clients.iter_mut().enumerate() {
            let echo = client.read_u8().await;
            assert!(matches!(echo, Ok(b'a')), "client {index}: {echo:?}");
        }
    }
}
