//! A client's connection: its addresses, its TLS state, and what its client is doing.
//!
//! The stream of the connection, the proxy and the periodic sweep share a [`Connection`] and update it without locks.

pub(crate) mod active_request;
pub(crate) mod deadline_sweep;
pub(crate) mod deadlines;
mod descriptor;
mod ending;
pub(crate) mod lifetime;
pub(crate) mod limit;
mod linger;
pub(crate) mod phase;
pub(crate) mod registry;
pub(crate) mod stream;

use crate::clock::Tick;
use crate::connection::phase::{ClientPhase, PhaseCell};
use crate::http2::frames::FrameProgress;
use crate::http2::windows::{SharedWindows, Windows};
use crate::shared::SharedState;
use active_request::ActiveRequest;
use deadlines::Deadlines;
use descriptor::Descriptor;
use ending::Wakers;
use gatefold_dataplane::client_certificate::ClientCertificate;
use gatefold_dataplane::client_traffic::socket_settings::{ClientLimits, ConnectionLifetime};
use gatefold_dataplane::{Port, Snapshot, SocketKey};
use http::HeaderValue;
use lifetime::Lifetime;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::task::AbortHandle;

/// A client's connection, shared by the requests on it.
#[derive(Debug)]
pub struct Connection {
    number: u64,
    socket: SocketKey,
    peer: ClientName,
    /// The client that the PROXY header names.
    proxied: OnceLock<ClientName>,
    tls: bool,
    server_name: OnceLock<Box<str>>,
    client_of: OnceLock<Arc<str>>,
    client_certificate: OnceLock<Box<ClientCertificate>>,
    shared: Arc<SharedState>,
    /// Time limits that differ from those of every connection.
    deadlines: Option<Box<Deadlines>>,
    /// Limits of its lifetime, if there are any.
    lifetime: Option<Box<Lifetime>>,
    state: PhaseCell,
    /// Number of HTTP/2 requests in flight. HTTP/1.1 has one at most, which `state` shows.
    active: AtomicU32,
    windows: SharedWindows,
    /// The tick in which the last HTTP/2 request ended.
    finished: AtomicU32,
    /// The tick since which the client has read nothing of the data that is pending for it, plus one; 0 if no data is
    /// pending.
    stalled: AtomicU32,
    draining: AtomicBool,
    /// Number of HTTP/1 requests so far. It wraps around.
    begun: AtomicU32,
    /// The tick since which the client has closed its side and was sent nothing, plus one; 0 if it hasn't closed it.
    half_closed: AtomicU32,
    /// Whether the client sends no request after the one in flight.
    last_request: AtomicBool,
    /// Whether the connection was switched to another protocol (WebSocket).
    switched: AtomicBool,
    /// Whether the client may still be sending when the connection is closed.
    lingering: AtomicBool,
    /// The configuration of its port in the last snapshot that has the port.
    last_port: OnceLock<Arc<Port>>,
    /// The code of the reason for which the connection is marked for closing; 0 if it isn't.
    close_mark: AtomicU8,
    /// The tick in which it was marked. Meaningless if it isn't.
    marked: AtomicU32,
    /// The `Date` of the next response, if it must replace Pingora's.
    pub(crate) date: Mutex<Option<HeaderValue>>,
    pub(crate) dated: AtomicBool,
    /// Whether gatefold has ended the connection.
    ended: AtomicBool,
    /// Whether the connection must end with a reset.
    broken: AtomicBool,
    wakers: Mutex<Wakers>,
    descriptor: Descriptor,
    task: OnceLock<AbortHandle>,
}

/// The address of a client, also as a header value without the port.
#[derive(Debug)]
struct ClientName {
    address: SocketAddr,
    text: HeaderValue,
}

impl ClientName {
    /// An IPv4 address never has the form of an IPv6 address.
    fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        // Never fails: an address consists of digits, letters, dots and colons.
        let text = HeaderValue::try_from(ip.to_string());
        ClientName {
            address: SocketAddr::new(ip, address.port()),
            text: text.unwrap_or(HeaderValue::from_static("unknown")),
        }
    }
}

impl Connection {
    /// Creates a connection that was accepted on the listening socket `socket`.
    pub(crate) fn new(
        socket: SocketKey,
        peer: SocketAddr,
        tls: bool,
        shared: Arc<SharedState>,
    ) -> Self {
        let now = shared.clock.now();
        Connection {
            number: next_number(),
            socket,
            peer: ClientName::new(peer),
            proxied: OnceLock::new(),
            tls,
            server_name: OnceLock::new(),
            client_of: OnceLock::new(),
            client_certificate: OnceLock::new(),
            state: PhaseCell::new(
                if tls {
                    ClientPhase::Handshake
                } else {
                    ClientPhase::Fresh
                },
                now,
            ),
            shared,
            deadlines: None,
            lifetime: None,
            windows: SharedWindows::default(),
            active: AtomicU32::new(0),
            finished: AtomicU32::new(now),
            stalled: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            half_closed: AtomicU32::new(0),
            last_request: AtomicBool::new(false),
            switched: AtomicBool::new(false),
            lingering: AtomicBool::new(false),
            last_port: OnceLock::new(),
            close_mark: AtomicU8::new(0),
            marked: AtomicU32::new(now),
            date: Mutex::default(),
            dated: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            wakers: Mutex::default(),
            descriptor: Descriptor::default(),
            task: OnceLock::new(),
        }
    }

    /// Sets time limits that differ from those of every connection.
    pub(crate) fn with_limits(mut self, limits: &ClientLimits) -> Self {
        if *limits != ClientLimits::default() {
            self.deadlines = Some(Box::new(self.shared.deadlines.limited(limits)));
        }
        self
    }

    /// Limits its lifetime.
    pub(crate) fn with_lifetime(mut self, limits: Option<ConnectionLifetime>) -> Self {
        self.lifetime = limits.map(|limits| Box::new(Lifetime::new(limits)));
        self
    }

    /// The limits of its lifetime.
    pub(crate) fn lifetime(&self) -> Option<&Lifetime> {
        self.lifetime.as_deref()
    }

    /// Its time limits.
    pub(crate) fn deadlines(&self) -> &Deadlines {
        self.deadlines.as_deref().unwrap_or(&self.shared.deadlines)
    }

    /// The number of the connection, counted from 1 in this process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The listening socket, which is the key into a snapshot's ports.
    pub fn socket(&self) -> SocketKey {
        self.socket
    }

    /// The port configuration that routes this connection's requests. If the snapshot no longer has the port, this is
    /// the configuration from the last snapshot that had it.
    pub fn port<'a>(&'a self, snapshot: &'a Snapshot) -> Option<&'a Port> {
        let current = snapshot.ports.get(&self.socket);
        current.or_else(|| self.last_port.get()).map(|port| &**port)
    }

    /// The client's address: that of the PROXY header if there was one, else the other end of the connection. An IPv4 client of
    /// an IPv6 socket has its IPv4 address here.
    pub fn peer(&self) -> SocketAddr {
        self.client().address
    }

    /// The client's IP address without the port, as a header value.
    pub fn peer_text(&self) -> &HeaderValue {
        &self.client().text
    }

    fn client(&self) -> &ClientName {
        self.proxied.get().unwrap_or(&self.peer)
    }

    /// The other end of the connection, which is a proxy if there was a PROXY header.
    pub fn sender(&self) -> SocketAddr {
        self.peer.address
    }

    /// Records the client that the PROXY header names.
    pub(crate) fn set_client(&self, client: SocketAddr) {
        let _ = self.proxied.set(ClientName::new(client));
    }

    /// Whether the client uses TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The server name (SNI) of the client's TLS handshake, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.get().map(|name| &**name)
    }

    /// The scope of the [`ClientValidation`](gatefold_dataplane::client_validation::ClientValidation) that accepted
    /// the client's certificate.
    pub fn client_of(&self) -> Option<&str> {
        self.client_of.get().map(|scope| &**scope)
    }

    /// The certificate that the client has presented. Whether it has been validated, and how, depends on the listener. `None` if the
    /// client has presented none.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.client_certificate.get().map(|it| &**it)
    }

    /// Whether the response to the current request should be the last one on this connection: its socket is closed,
    /// the process is shutting down, the connection limit is reached, or the client won't send another request.
    pub fn is_ending(&self) -> bool {
        self.is_draining()
            || self.shared.limit.is_reached()
            || self.last_request.load(Ordering::Relaxed)
    }

    /// Records that a request's header is complete. The connection isn't idle until the result is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> ActiveRequest {
        let before = if self.state.phase().is_http2() {
            self.active.fetch_add(1, Ordering::Relaxed)
        } else {
            self.begun.fetch_add(1, Ordering::Relaxed);
            self.state.set(ClientPhase::Busy, self.shared.clock.now());
            0
        };
        if let Some(lifetime) = &self.lifetime {
            lifetime.count(self);
        }
        ActiveRequest::new(self.clone(), before.saturating_add(1), self.windows.get())
    }

    pub(crate) fn set_windows(&self, windows: Windows) {
        self.windows.set(windows);
    }

    /// Records that a request has ended.
    fn finish(&self) {
        self.close_descriptor();
        let now = self.shared.clock.now();
        if self.state.phase().is_http2() {
            self.finished.store(now, Ordering::Relaxed);
            self.active.fetch_sub(1, Ordering::Release);
        } else {
            self.state.set(ClientPhase::Idle, now);
        }
    }

    /// Whether the responses in flight are the last ones, since the socket is closed.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Makes the connection end with a reset, so that its end can't be mistaken for the end of a response: an HTTP/1.0
    /// client would take the response for complete (RFC 9112, section 8).
    pub fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Reverts [`break_off`](Self::break_off).
    pub fn end_in_order(&self) {
        if self.is_broken() {
            self.broken.store(false, Ordering::Release);
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Records that the connection has switched to another protocol.
    pub fn switch_protocols(&self) {
        self.switched.store(true, Ordering::Release);
    }

    pub(crate) fn has_switched(&self) -> bool {
        self.switched.load(Ordering::Acquire)
    }

    /// Whether an HTTP/1 request is in flight, or the connection has switched to another protocol.
    pub(crate) fn is_busy(&self) -> bool {
        self.state.phase() == ClientPhase::Busy
    }

    /// Number of HTTP/1 requests so far. It wraps around.
    pub(crate) fn begun(&self) -> u32 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Records that the client has closed its side, or was sent something since. Restarts its deadline.
    pub(crate) fn half_close(&self) {
        let since = self.shared.clock.now().saturating_add(1);
        self.half_closed.store(since, Ordering::Relaxed);
    }

    /// Records that the client sends no request after the one in flight.
    pub(crate) fn expect_no_more(&self) {
        self.last_request.store(true, Ordering::Relaxed);
    }

    /// The tick since which a client that has closed its side was sent nothing.
    pub(crate) fn half_closed_since(&self) -> Option<Tick> {
        self.half_closed.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Makes the connection linger after its end, so that data the client still sends doesn't cause a reset.
    pub(crate) fn linger(&self) {
        self.lingering.store(true, Ordering::Release);
    }

    pub(crate) fn is_lingering(&self) -> bool {
        self.lingering.load(Ordering::Acquire)
    }

    pub(crate) fn set_server_name(&self, name: &str) {
        let _ = self.server_name.set(name.into());
    }

    pub(crate) fn set_client_of(&self, scope: Arc<str>) {
        let _ = self.client_of.set(scope);
    }

    pub(crate) fn set_client_certificate(&self, certificate: ClientCertificate) {
        let _ = self.client_certificate.set(Box::new(certificate));
    }

    pub(crate) fn set_task(&self, task: AbortHandle) {
        let _ = self.task.set(task);
    }

    /// Records that the client first sends a PROXY header.
    pub(crate) fn await_proxy_header(&self) {
        let now = self.shared.clock.now();
        self.state.set(ClientPhase::Handshake, now);
    }

    /// Records that the PROXY header and the TLS handshake are complete, as far as there are any.
    pub(crate) fn finish_handshake(&self) {
        self.state.set(ClientPhase::Fresh, self.shared.clock.now());
    }

    /// Whether the PROXY header or the TLS handshake is in progress.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.state.phase() == ClientPhase::Handshake
    }

    /// Records that HTTP/1 data was read: the beginning of a request, or a part of the current one.
    pub(crate) fn read(&self) {
        if matches!(self.state.phase(), ClientPhase::Fresh | ClientPhase::Idle) {
            self.state.set(ClientPhase::Header, self.shared.clock.now());
            self.clear_mark();
        }
    }

    /// Records that HTTP/2 frames were read, and whether a request's header was among them.
    pub(crate) fn read_frames(&self, progress: FrameProgress, has_request: bool) {
        let before = self.state.phase();
        let after = match progress {
            FrameProgress::Between => ClientPhase::Http2,
            FrameProgress::Began | FrameProgress::Continued => ClientPhase::Http2Frame,
        };
        let now = self.shared.clock.now();
        if has_request {
            // The request isn't counted yet: its task begins a moment later.
            self.finished.store(now, Ordering::Relaxed);
            self.clear_mark();
        }
        if before != after || progress == FrameProgress::Began {
            self.state.set(after, now);
        }
    }

    /// Keeps the configuration of its port from `last`, the last snapshot that has the port.
    pub(crate) fn keep_port(&self, last: &Snapshot) {
        if let Some(port) = last.ports.get(&self.socket) {
            let _ = self.last_port.set(port.clone());
        }
    }
}

/// Returns the number of the next connection.
fn next_number() -> u64 {
    static BEFORE: AtomicU64 = AtomicU64::new(0);
    BEFORE.fetch_add(1, Ordering::Relaxed).saturating_add(1)
}

#[cfg(test)]
mod tests;
