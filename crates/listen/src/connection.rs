mod descriptor;
mod ending;

use super::frames::Progress;
use super::phase::{Phase, State};
use super::shared::Shared;
use super::windows::Windows;
use crate::clock::Tick;
use descriptor::Descriptor;
use ending::Wakers;
use gatefold_dataplane::{Port, Snapshot};
use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::task::AbortHandle;

/// What is known of a client's connection, for every request that comes over it.
#[derive(Debug)]
pub struct Connection {
    socket: SocketAddr,
    peer: SocketAddr,
    peer_text: HeaderValue,
    tls: bool,
    server_name: OnceLock<Box<str>>,
    client_of: OnceLock<Arc<str>>,
    shared: Arc<Shared>,
    state: State,
    /// Requests under way over HTTP/2; over HTTP/1.1 there is one at most, and the state tells of it.
    in_hand: AtomicU32,
    /// What an HTTP/2 client takes: on a new stream, and on all together.
    stream_window: AtomicU32,
    connection_window: AtomicU32,
    /// When the last one was done.
    finished: AtomicU32,
    /// The tick since which the client has taken nothing of what is to be written, plus one; 0 when nothing waits.
    stalled: AtomicU32,
    draining: AtomicBool,
    /// How many HTTP/1 requests have begun. It wraps around.
    begun: AtomicU32,
    /// The tick since which the client has ended its side and has been sent nothing, plus one; 0 if it hasn't ended it.
    half_closed: AtomicU32,
    /// Whether no request comes after the one under way.
    last_request: AtomicBool,
    /// Whether HTTP was left for another protocol.
    switched: AtomicBool,
    /// Whether the client may still be sending when the connection is closed.
    lingering: AtomicBool,
    /// What its listener was before it went.
    last: OnceLock<Arc<Port>>,
    /// Why it shall end although the client hasn't asked for it; 0 when it needn't.
    verdict: AtomicU8,
    /// The date of the response that is written next, where it has one of its own.
    pub(super) date: Mutex<Option<HeaderValue>>,
    pub(super) dated: AtomicBool,
    /// Whether it was ended by us.
    ended: AtomicBool,
    broken: AtomicBool,
    wakers: Mutex<Wakers>,
    descriptor: Descriptor,
    task: OnceLock<AbortHandle>,
}

/// A request under way. The connection knows of it until this is dropped.
#[derive(Debug)]
pub struct InHand {
    connection: Arc<Connection>,
    in_flight: u32,
    windows: Windows,
}

impl Connection {
    /// A connection that came in by the socket bound to `socket`.
    pub(super) fn new(
        socket: SocketAddr,
        peer: SocketAddr,
        tls: bool,
        shared: Arc<Shared>,
    ) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let now = shared.clock.now();
        Connection {
            socket,
            peer,
            peer_text: address_value(peer.ip()),
            tls,
            server_name: OnceLock::new(),
            client_of: OnceLock::new(),
            state: State::new(if tls { Phase::Handshake } else { Phase::Fresh }, now),
            shared,
            stream_window: AtomicU32::new(Windows::default().of_new_streams),
            connection_window: AtomicU32::new(Windows::default().of_connection),
            in_hand: AtomicU32::new(0),
            finished: AtomicU32::new(now),
            stalled: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            half_closed: AtomicU32::new(0),
            last_request: AtomicBool::new(false),
            switched: AtomicBool::new(false),
            lingering: AtomicBool::new(false),
            last: OnceLock::new(),
            verdict: AtomicU8::new(0),
            date: Mutex::default(),
            dated: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            wakers: Mutex::default(),
            descriptor: Descriptor::default(),
            task: OnceLock::new(),
        }
    }

    /// The address that the listening socket is bound to: the key into a snapshot's ports. Unspecified when
    /// it listens on every interface.
    pub fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// What requests over this connection are routed by. When its listener isn't in the snapshot any more, they
    /// are answered as they would have been before.
    pub fn port<'a>(&'a self, snapshot: &'a Snapshot) -> Option<&'a Port> {
        let current = snapshot.ports.get(&self.socket);
        current.or_else(|| self.last.get()).map(|port| &**port)
    }

    /// The client. An IPv4 client of an IPv6 socket is shown as IPv4.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The client's address without its port, as header fields write it.
    pub fn peer_text(&self) -> &HeaderValue {
        &self.peer_text
    }

    /// Whether the client speaks TLS to us.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The server name that the client asked for in its TLS handshake, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.get().map(|name| &**name)
    }

    /// The scope of the [`ClientValidation`](gatefold_dataplane::client_validation::ClientValidation) that the
    /// client's certificate has passed.
    pub fn client_of(&self) -> Option<&str> {
        self.client_of.get().map(|scope| &**scope)
    }

    /// Whether the answer to the request in hand shall be the last one: the socket is gone, the process is
    /// about to end, others wait for this connection's place, or the client won't send another request.
    pub fn is_ending(&self) -> bool {
        self.is_draining()
            || self.shared.limit.is_reached()
            || self.last_request.load(Ordering::Relaxed)
    }

    /// Notes that a request's header is complete. Until the result is dropped the connection isn't idle.
    pub fn begin(self: &Arc<Self>) -> InHand {
        let before = if self.state.phase().is_http2() {
            self.in_hand.fetch_add(1, Ordering::Relaxed)
        } else {
            self.begun.fetch_add(1, Ordering::Relaxed);
            self.state.set(Phase::Busy, self.shared.clock.now());
            0
        };
        InHand {
            connection: self.clone(),
            in_flight: before.saturating_add(1),
            windows: self.windows(),
        }
    }

    pub(super) fn set_windows(&self, windows: Windows) {
        self.stream_window
            .store(windows.of_new_streams, Ordering::Relaxed);
        self.connection_window
            .store(windows.of_connection, Ordering::Relaxed);
    }

    fn windows(&self) -> Windows {
        Windows {
            of_new_streams: self.stream_window.load(Ordering::Relaxed),
            of_connection: self.connection_window.load(Ordering::Relaxed),
        }
    }

    fn finish(&self) {
        self.close_descriptor();
        let now = self.shared.clock.now();
        if self.state.phase().is_http2() {
            self.finished.store(now, Ordering::Relaxed);
            self.in_hand.fetch_sub(1, Ordering::Release);
        } else {
            self.state.set(Phase::Idle, now);
        }
    }

    /// Whether the answers under way are the last ones because the socket is gone.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Lets the connection end with a reset, whatever ends it: its end must not look like the end of a response, which a
    /// client of HTTP/1.0 would take for complete (RFC 9112, section 8).
    pub fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Takes [`break_off`](Self::break_off) back.
    pub fn end_in_order(&self) {
        if self.is_broken() {
            self.broken.store(false, Ordering::Release);
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Notes that HTTP is left for another protocol.
    pub fn switch_protocols(&self) {
        self.switched.store(true, Ordering::Release);
    }

    pub(super) fn has_switched(&self) -> bool {
        self.switched.load(Ordering::Acquire)
    }

    /// Whether an HTTP/1 request is under way, or another protocol.
    pub(super) fn is_busy(&self) -> bool {
        self.state.phase() == Phase::Busy
    }

    /// How many HTTP/1 requests have begun.
    pub(super) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Notes that the client has ended its side, or has been sent something since.
    pub(super) fn half_close(&self) {
        let since = self.shared.clock.now().saturating_add(1);
        self.half_closed.store(since, Ordering::Relaxed);
    }

    /// Notes that the client sends no request after the one under way.
    pub(super) fn expect_no_more(&self) {
        self.last_request.store(true, Ordering::Relaxed);
    }

    /// Since when a client that has ended its side has been sent nothing.
    pub(super) fn half_closed_since(&self) -> Option<Tick> {
        self.half_closed.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Lets the connection stay for a while after its end, for what the client still sends.
    pub(super) fn linger(&self) {
        self.lingering.store(true, Ordering::Release);
    }

    pub(super) fn is_lingering(&self) -> bool {
        self.lingering.load(Ordering::Acquire)
    }

    pub(super) fn set_server_name(&self, name: &str) {
        let _ = self.server_name.set(name.into());
    }

    pub(super) fn set_client_of(&self, scope: Arc<str>) {
        let _ = self.client_of.set(scope);
    }

    pub(super) fn set_task(&self, task: AbortHandle) {
        let _ = self.task.set(task);
    }

    /// The TLS handshake is done.
    pub(super) fn shake_hands(&self) {
        self.state.set(Phase::Fresh, self.shared.clock.now());
    }

    /// Whether the TLS handshake is under way.
    pub(super) fn is_handshaking(&self) -> bool {
        self.state.phase() == Phase::Handshake
    }

    /// Something came that isn't HTTP/2: the beginning of a request, or a piece of the one under way.
    pub(super) fn read(&self) {
        if matches!(self.state.phase(), Phase::Fresh | Phase::Idle) {
            self.state.set(Phase::Header, self.shared.clock.now());
            self.acquit();
        }
    }

    /// HTTP/2 frames came, the header of a request among them or not.
    pub(super) fn read_frames(&self, progress: Progress, has_request: bool) {
        let before = self.state.phase();
        let after = match progress {
            Progress::Between => Phase::Http2,
            Progress::Began | Progress::Continued => Phase::Http2Frame,
        };
        let now = self.shared.clock.now();
        if has_request {
            // It will be in hand soon, and isn't yet.
            self.finished.store(now, Ordering::Relaxed);
            self.acquit();
        }
        if before != after || progress == Progress::Began {
            self.state.set(after, now);
        }
    }

    /// Keeps what its listener is in a snapshot, which is the last one that has it.
    pub(super) fn keep(&self, last: &Snapshot) {
        if let Some(port) = last.ports.get(&self.socket) {
            let _ = self.last.set(port.clone());
        }
    }
}

impl InHand {
    /// How many requests the connection had in flight when this one began, this one included.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// What an HTTP/2 client offered to take when this request began. Over HTTP/1 it says nothing.
    pub fn windows(&self) -> Windows {
        self.windows
    }
}

impl std::ops::Deref for InHand {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.connection.finish();
    }
}

fn address_value(address: IpAddr) -> HeaderValue {
    // An address is made of digits, letters, dots and colons, which every header value may contain.
    HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests;
