use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

/// What is known of a client's connection, for every request that comes over it.
#[derive(Debug)]
pub struct Connection {
    socket: SocketAddr,
    peer: SocketAddr,
    peer_text: HeaderValue,
    tls: bool,
    server_name: OnceLock<Box<str>>,
    client_of: OnceLock<Arc<str>>,
    idle: AtomicBool,
    draining: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Connection {
    /// A connection that came in by the socket bound to `socket`.
    pub(super) fn new(socket: SocketAddr, peer: SocketAddr, tls: bool) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Connection {
            socket,
            peer,
            peer_text: address_value(peer.ip()),
            tls,
            server_name: OnceLock::new(),
            client_of: OnceLock::new(),
            idle: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            reader: Mutex::new(None),
        }
    }

    /// The address that the listening socket is bound to: the key into a snapshot's ports. Unspecified when
    /// it listens on every interface.
    pub fn socket(&self) -> SocketAddr {
        self.socket
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

    /// The scope of the [`ClientValidation`](crate::dataplane::client_validation::ClientValidation) that the
    /// client's certificate has passed.
    pub fn client_of(&self) -> Option<&str> {
        self.client_of.get().map(|scope| &**scope)
    }

    /// Whether the socket is gone or the process is about to end: the answer to the request in hand is the
    /// last one.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Says that an HTTP/1.1 request was answered. Until the next one begins the connection may be closed
    /// at any time.
    pub fn request_finished(&self) {
        self.idle.store(true, Ordering::Release);
    }

    pub(super) fn set_server_name(&self, name: &str) {
        let _ = self.server_name.set(name.into());
    }

    pub(super) fn set_client_of(&self, scope: Arc<str>) {
        let _ = self.client_of.set(scope);
    }

    /// Something was read: a request is under way.
    pub(super) fn active(&self) {
        if self.idle.load(Ordering::Relaxed) {
            self.idle.store(false, Ordering::Relaxed);
        }
    }

    /// Ready when nothing is under way and the connection shall end. Else the task is woken when that
    /// changes. To be asked only after the socket had nothing to read, so no request that has arrived is
    /// lost.
    pub(super) fn poll_closing(&self, context: &mut Context<'_>) -> Poll<()> {
        if !self.idle.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *reader {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        // Looked at under the lock, which `drain` takes after it has set the flag: one of both sees the other.
        if self.is_draining() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Lets the request in hand finish and ends the connection.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        let reader = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = reader {
            waker.wake();
        }
    }
}

fn address_value(address: IpAddr) -> HeaderValue {
    // An address is made of digits, letters, dots and colons, which every header value may contain.
    HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_shown_as_ipv4() {
        let socket = SocketAddr::from(([0u16; 8], 80));
        let peer: SocketAddr = "[::ffff:203.0.113.9]:1234".parse().expect("an address");
        let connection = Connection::new(socket, peer, false);
        assert_eq!(connection.peer_text(), "203.0.113.9");
    }

    #[test]
    fn only_an_idle_connection_is_closed_when_it_drains() {
        let any = SocketAddr::from(([127, 0, 0, 1], 80));
        let connection = Connection::new(any, any, false);
        let mut context = Context::from_waker(Waker::noop());
        connection.drain();
        assert!(connection.poll_closing(&mut context).is_pending());
        connection.request_finished();
        assert!(connection.poll_closing(&mut context).is_ready());
        connection.active();
        assert!(connection.poll_closing(&mut context).is_pending());
    }
}
