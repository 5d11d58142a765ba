//! Deadlines of requests, enforced on the connection to the endpoint, where Pingora waits.
//!
//! Pingora bounds each single wait and starts again with every byte received: it waits forever for an endpoint that sends a
//! byte now and then. Nor does it call a hook while it waits. So a request whose rule has a time limit has its own connection,
//! which is aborted at the deadline; the pending read or write then fails. Without a limit, [`super::watch`] decides when to
//! abort a connection.

use crate::upstream::peer::Exchange;
use crate::upstream::pool_key::{self, PoolFlag};
use crate::upstream::read_ahead::ReadAhead;
use crate::upstream::upgrade;
use crate::upstream::watch::EndpointState;
use async_trait::async_trait;
use gatefold_dataplane::backend_tls::BackendTls;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{Digest, GetProxyDigest};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tracing::debug;

/// Returns the error of a request whose endpoint was silent for too long.
pub(crate) fn silent() -> Box<Error> {
    let what = "the endpoint was silent for too long";
    Error::explain(ErrorType::ReadTimedout, what).into_up()
}

/// Returns the error of a request whose time limit is over.
pub(crate) fn late() -> Box<Error> {
    let what = "the time limit of the rule has passed";
    Error::explain(ErrorType::ReadTimedout, what).into_up()
}

/// Returns the error of a request whose time limit is over while its client was still sending it.
pub(crate) fn unsent() -> Box<Error> {
    let what = "the time limit of the rule has passed, and the client hasn't sent the whole body";
    Error::explain(ErrorType::ReadTimedout, what).into_down()
}

/// Limits an upstream operation to `deadline`. `now` is passed in so that callers read the clock once.
///
/// # Errors
/// If the deadline has already passed.
pub(crate) fn limit(
    peer: &mut HttpPeer,
    exchange: Exchange,
    tls: Option<&Arc<BackendTls>>,
    (deadline, now): (Instant, Instant),
) -> Result<()> {
    let left = deadline.saturating_duration_since(now);
    if left.is_zero() {
        return Err(late());
    }
    let options = &mut peer.options;
    for timeout in [
        &mut options.connection_timeout,
        &mut options.total_connection_timeout,
    ] {
        *timeout = Some(timeout.map_or(left, |timeout| timeout.min(left)));
    }
    // All HTTP/1.1 connections can be aborted.
    if exchange != Exchange::Http1 {
        options.custom_l4 = Some(Arc::new(Timed {
            exchange,
            tls: tls.cloned(),
        }));
    }
    // The deadline belongs to one request and closes the connection, so no other request may share it.
    options.max_h2_streams = 1;
    pool_key::set(peer, PoolFlag::Timed);
    Ok(())
}

/// Opens connections that can be aborted.
#[derive(Debug)]
struct Timed {
    exchange: Exchange,
    tls: Option<Arc<BackendTls>>,
}

#[async_trait]
impl L4Connect for Timed {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let (exchange, tls) = (self.exchange, self.tls.as_deref());
        // Over HTTP/2 the window of the stream bounds what is read ahead. `watch` opens HTTP/1.1 connections.
        let connected = connect(address, exchange, ReadAhead::Full, tls).await;
        connected.map(|(stream, _)| stream)
    }
}

/// Opens a connection that can be aborted.
///
/// # Errors
/// If connecting fails.
pub(crate) async fn connect(
    address: &SocketAddr,
    exchange: Exchange,
    read_ahead: ReadAhead,
    tls: Option<&BackendTls>,
) -> Result<(Stream, Arc<EndpointConnection>)> {
    let tcp = upgrade::connect(address, read_ahead.receive_buffer()).await?;
    let watched = EndpointConnection::new(&tcp)?;
    let mut stream = upgrade::stream(tcp, exchange, tls).await?;
    let response = Box::new(ResponseHeader::build_no_case(200, Some(0))?);
    stream.set_proxy_digest(ProxyDigest::new(response, Some(Box::new(watched.clone()))));
    Ok((stream, watched))
}

/// Returns our handle on the connection of a request, if it has one.
pub(crate) fn watched(digest: Option<&Digest>) -> Option<&Arc<EndpointConnection>> {
    let digest = digest?.proxy_digest.as_ref()?;
    digest.user_data.as_ref()?.downcast_ref()
}

/// Our handle on a connection to an endpoint, in addition to the stream that Pingora has.
#[derive(Debug)]
pub(crate) struct EndpointConnection {
    /// Another descriptor of the same socket.
    socket: OwnedFd,
    /// Its phase, maintained by [`super::watch`].
    pub(crate) state: EndpointState,
    /// Whether the endpoint had received everything that was sent to it at the deadline.
    kept_up: AtomicBool,
    /// Changes with every deadline, so that the deadline of a finished request can't affect the next one.
    turn: Mutex<u64>,
}

impl EndpointConnection {
    fn new(tcp: &TcpStream) -> Result<Arc<EndpointConnection>> {
        let socket = tcp.as_fd().try_clone_to_owned().map_err(|error| {
            let what = "a second descriptor for a connection";
            Error::because(ErrorType::InternalError, what, error)
        })?;
        Ok(Arc::new(EndpointConnection {
            socket,
            state: EndpointState::default(),
            kept_up: AtomicBool::new(false),
            turn: Mutex::default(),
        }))
    }

    /// Sets the deadline for the request that uses the connection.
    pub(crate) fn arm(this: &Arc<Self>, until: Instant) -> ArmedDeadline {
        let turn = this.next_turn();
        let watched = this.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(until.into()).await;
            watched.abort(turn);
        });
        ArmedDeadline {
            watched: this.clone(),
            turn,
            timer: timer.abort_handle(),
        }
    }

    /// Resets the connection if the turn is still `turn`. Closing it or shutting it down is not enough: data from the endpoint
    /// could still be read, and its end would look like the end of the response.
    fn abort(&self, turn: u64) {
        let current = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == turn {
            self.kept_up.store(self.is_writable(), Ordering::Release);
            self.reset();
        }
    }

    pub(crate) fn reset(&self) {
        if let Err(error) = rustix::net::connect_unspec(&self.socket) {
            debug!(%error, "a connection that exceeded its time had already ended");
        }
    }

    /// Closes the connection gracefully. A pending read returns the end of the stream.
    pub(crate) fn close(&self) {
        if let Err(error) = rustix::net::shutdown(&self.socket, Shutdown::Both) {
            debug!(%error, "an idle connection had already ended");
        }
    }

    /// Whether the endpoint had received everything that was sent to it at the deadline.
    pub(crate) fn kept_up(&self) -> bool {
        self.kept_up.load(Ordering::Acquire)
    }

    /// Whether unread data from the endpoint, or its end of the stream, has arrived.
    pub(crate) fn has_unread(&self) -> bool {
        self.is_ready(PollFlags::IN)
    }

    /// Whether a write to the endpoint would return immediately, if only with an error.
    pub(crate) fn is_writable(&self) -> bool {
        self.is_ready(PollFlags::OUT)
    }

    fn is_ready(&self, wanted: PollFlags) -> bool {
        let mut sockets = [PollFd::new(&self.socket, wanted)];
        let immediately = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut sockets, Some(&immediately)).is_ok_and(|ready| ready > 0)
    }

    /// Ends the stream to the endpoint gracefully. A pending write fails; data from the endpoint can still be read.
    pub(crate) fn end_writing(&self) {
        if let Err(error) = rustix::net::shutdown(&self.socket, Shutdown::Write) {
            debug!(%error, "a connection that a request was being written to had already ended");
        }
    }

    fn next_turn(&self) -> u64 {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        *turn += 1;
        *turn
    }

    fn end_turn(&self, turn: u64) {
        let mut current = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == turn {
            *current += 1;
        }
    }
}

impl AsFd for EndpointConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A deadline that is set. Dropping it cancels the deadline.
#[derive(Debug)]
pub(crate) struct ArmedDeadline {
    watched: Arc<EndpointConnection>,
    turn: u64,
    timer: AbortHandle,
}

impl Drop for ArmedDeadline {
    fn drop(&mut self) {
        self.timer.abort();
        self.watched.end_turn(self.turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    fn pair() -> (TcpStream, TcpStream, Arc<EndpointConnection>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("its address"));
        let near = near.expect("a connection");
        let (far, _) = listener.accept().expect("the connection");
        let watched = EndpointConnection {
            socket: near.as_fd().try_clone_to_owned().expect("a descriptor"),
            state: EndpointState::default(),
            kept_up: AtomicBool::new(false),
            turn: Mutex::default(),
        };
        (near, far, Arc::new(watched))
    }

    #[tokio::test]
    async fn deadline_resets_connection_despite_unread_data() {
        let (mut near, mut far, watched) = pair();
        far.write_all(b"unread").expect("sent");
        let armed = EndpointConnection::arm(&watched, Instant::now());
        while !armed.timer.is_finished() {
            tokio::task::yield_now().await;
        }
        let error = near.read(&mut [0]).expect_err("the near end is reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = far.read(&mut [0]).expect_err("the far end is reset");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn deadline_of_finished_request_does_not_affect_the_next() {
        let (_near, mut far, watched) = pair();
        let later = Instant::now() + Duration::from_secs(60);
        let first = EndpointConnection::arm(&watched, later);
        let turn = first.turn;
        drop(first);
        watched.abort(turn);
        let second = EndpointConnection::arm(&watched, later);
        watched.abort(turn);
        far.set_nonblocking(true).expect("an option");
        let error = far.read(&mut [0]).expect_err("nothing was sent");
        assert_eq!(
            error.kind(),
            ErrorKind::WouldBlock,
            "the connection is still open"
        );
        drop(second);
    }

    #[test]
    fn detects_unread_data_and_end_of_stream() {
        let (mut near, mut far, watched) = pair();
        let wait_until = |wanted| while watched.has_unread() != wanted {};
        assert!(!watched.has_unread());
        far.write_all(b"1").expect("sent");
        wait_until(true);
        near.read_exact(&mut [0]).expect("read");
        assert!(!watched.has_unread());
        far.shutdown(std::net::Shutdown::Write).expect("ended");
        wait_until(true);
    }

    #[test]
    fn refuses_to_connect_after_the_deadline() {
        let endpoint = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let mut peer = HttpPeer::new(endpoint, false, String::new());
        let now = Instant::now();
        let error = limit(&mut peer, Exchange::Http1, None, (now, now)).unwrap_err();
        assert_eq!(error.etype(), &ErrorType::ReadTimedout);
        let second = Duration::from_secs(1);
        limit(&mut peer, Exchange::Http1, None, (now + second, now)).unwrap();
        assert_eq!(peer.options.connection_timeout, Some(second));
    }
}
