//! Accepts connections on one TCP socket.
//!
//! In: a listening socket. Out: connections, each with a permit of the connection limit, passed to a [`PortServer`]. This
//! module knows no protocol above TCP.

use crate::HttpApp;
use crate::connection::limit::ConnectionPermit;
use crate::log_throttle::LogThrottle;
use crate::meters::AcceptPause;
use crate::shared::SharedState;
use crate::socket::bind::BACKLOG;
use crate::socket::port_server::PortServer;
use gatefold_dataplane::SocketKey;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::{debug, warn};

/// How long accepting pauses after an error that doesn't concern a single connection, usually a lack of file descriptors. An
/// immediate retry would fail again.
const PAUSE: Duration = Duration::from_millis(100);
/// How many queued connections are accepted before other tasks get to run.
const YIELD_AFTER: i32 = 64;

/// Accepts the connections of one socket.
pub(crate) struct AcceptLoop<A> {
    socket: SocketKey,
    server: PortServer<A>,
    shared: Arc<SharedState>,
    stop: watch::Receiver<bool>,
    limit_log: LogThrottle,
    error_log: LogThrottle,
}

impl<A: HttpApp> AcceptLoop<A> {
    /// Creates the loop for `socket`. It runs until `stop` becomes true.
    pub(crate) fn new(
        socket: SocketKey,
        server: PortServer<A>,
        shared: Arc<SharedState>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        AcceptLoop {
            socket,
            server,
            shared,
            stop,
            limit_log: LogThrottle::default(),
            error_log: LogThrottle::default(),
        }
    }

    /// Accepts connections until it must stop. Connections that are queued then are served too, as far as the limit
    /// permits: the kernel would reset them.
    pub(crate) async fn run(mut self, listener: Arc<TcpListener>) {
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                accepted = listener.accept() => self.take(accepted).await,
                () = stopped(&mut stop) => break,
            }
        }
        self.empty_queue(&listener).await;
    }

    async fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((tcp, peer)) => {
                // If the loop was stopped while it waited, the connection is served without a permit: it is accepted, and
                // closing it now would reset it.
                let permit = self.permit().await;
                self.server.spawn(tcp, peer, permit);
            }
            Err(error) if concerns_one_connection(&error) => {
                debug!(%error, "a client left the accept queue");
            }
            Err(error) => self.pause(&error).await,
        }
    }

    /// Accepts queued connections, but no more than can have been queued at the beginning: new ones may arrive as fast.
    async fn empty_queue(&mut self, listener: &TcpListener) {
        for taken in 1..=BACKLOG {
            let Some(permit) = self.shared.limit.try_acquire() else {
                return;
            };
            match queued(listener) {
                None => return,
                Some(Ok((tcp, peer))) => self.server.spawn(tcp, peer, Some(permit)),
                Some(Err(error)) if concerns_one_connection(&error) => {
                    debug!(%error, "a client left the accept queue");
                }
                Some(Err(error)) => {
                    warn!(socket = %self.socket, %error, "can't accept queued connections");
                    return;
                }
            }
            if taken % YIELD_AFTER == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Returns a permit for a connection. If the limit is reached, waits until another connection closes; meanwhile nothing
    /// is accepted, and clients queue in the kernel. Returns `None` if the loop must stop before.
    async fn permit(&mut self) -> Option<ConnectionPermit> {
        if let Some(permit) = self.shared.limit.try_acquire() {
            return Some(permit);
        }
        self.shared.meters.pause(AcceptPause::Limit);
        if self.limit_log.is_due() {
            let limit = self.shared.limit.connections();
            warn!(socket = %self.socket, limit, "the limit of open connections is reached: further clients wait");
        }
        let next = self.shared.limit.acquire();
        tokio::pin!(next);
        let mut stop = self.stop.clone();
        loop {
            self.shared.reclaim();
            tokio::select! {
                permit = &mut next => return permit,
                () = stopped(&mut stop) => return None,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Waits until accepting may succeed again.
    async fn pause(&mut self, error: &io::Error) {
        self.shared.meters.pause(AcceptPause::Descriptors);
        if self.error_log.is_due() {
            warn!(
                socket = %self.socket, %error,
                "can't accept connections and keeps trying; if file descriptors are missing, raise the limit \
                 (`ulimit -n`, systemd's LimitNOFILE) or lower --max-connections"
            );
        }
        self.shared.reclaim();
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopped(&mut stop) => {}
        }
    }
}

/// Waits until the socket must be closed.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which also ends the loop.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Returns a queued connection, or `None` if the queue is empty. This asks the kernel directly: Tokio caches readiness, and
/// its cooperative budget lets a task that accepts many connections find none for a while.
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

/// Whether `accept` reports an error of a single connection that ended while it was queued (accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
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
    use super::*;
    use crate::shared::ListenOptions;
    use crate::socket::Sockets;
    use crate::socket::bind::bind;
    use crate::worker::Workers;
    use arc_swap::ArcSwap;
    use async_trait::async_trait;
    use gatefold_dataplane::{HttpListeners, Port, Snapshot};
    use pingora_core::apps::ServerApp;
    use pingora_core::protocols::Stream;
    use pingora_core::server::ShutdownWatch;
    use std::io::Write as _;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Panics at `!`, and echoes any other byte.
    struct PanickingEcho;

    impl HttpApp for PanickingEcho {}

    #[async_trait]
    impl ServerApp for PanickingEcho {
        async fn process_new(
            self: &Arc<Self>,
            mut stream: Stream,
            _: &ShutdownWatch,
        ) -> Option<Stream> {
            let byte = stream.read_u8().await.ok()?;
            assert_ne!(byte, b'!', "the test asks for this panic");
            stream.write_u8(byte).await.ok()?;
            stream.flush().await.ok()?;
            Some(stream)
        }
    }

    /// Starts the echo on a free port.
    async fn start() -> (SocketAddr, Sockets<PanickingEcho>) {
        let listener = bind(SocketKey::tcp(([127, 0, 0, 1], 0))).expect("a port");
        let address = listener.local_addr().expect("its address");
        let key = SocketKey::tcp(address);
        let snapshot = Snapshot {
            ports: [(key, Arc::new(Port::Http(HttpListeners::default())))].into(),
            ..Snapshot::default()
        };
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        let mut sockets = Sockets::new(
            Workers::on_current_runtime(Arc::new(PanickingEcho)),
            snapshot,
            ListenOptions::default(),
        );
        sockets.adopt(listener.into()).expect("a TCP socket");
        sockets.prepare([key]);
        sockets.commit().await;
        (address, sockets)
    }

    #[tokio::test]
    async fn panic_ends_only_its_own_connection() {
        let (address, sockets) = start().await;
        let mut other = TcpStream::connect(address).await.expect("a connection");
        let mut broken = TcpStream::connect(address).await.expect("a connection");
        broken.write_all(b"!").await.expect("sent");
        assert!(broken.read_u8().await.is_err(), "its connection ended");
        for byte in b"ab" {
            other.write_u8(*byte).await.expect("sent");
            assert_eq!(other.read_u8().await.expect("an echo"), *byte);
        }
        let mut new = TcpStream::connect(address).await.expect("a connection");
        new.write_all(b"c").await.expect("sent");
        assert_eq!(new.read_u8().await.expect("an echo"), b'c');
        assert_eq!(
            sockets.connections(),
            2,
            "the ended connection is no longer counted"
        );
    }

    #[tokio::test]
    async fn serves_queued_connections_when_their_socket_is_closed() {
        /// More than Tokio lets a task accept at once.
        const CLIENTS: usize = 200;
        let (address, mut sockets) = start().await;
        let mut clients = Vec::new();
        // The test has only this thread, so no connection is accepted meanwhile.
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
