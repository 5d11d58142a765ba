//! Connections to endpoints for requests that switch to another protocol.
//!
//! Pingora 0.9.1 closes a WebSocket if the endpoint's 101 arrives before Pingora has processed the end of the request's (empty)
//! body: it takes that end for the end of the new protocol. Both are branches of one `select!`, which polls in random order, so
//! this happens occasionally if the endpoint is fast. On connections opened here, the first read returns "pending" once; by the
//! second read, the end of the body has been processed.

use crate::upstream::backend_tls;
use crate::upstream::peer::Exchange;
use gatefold_dataplane::backend_tls::BackendTls;
use http::Version;
use http::header::UPGRADE;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

/// Whether a request asks for an upgrade to WebSocket. Pingora removes the header from all other requests, as it may (RFC 9110,
/// section 7.8).
pub(crate) fn is_asked(request: &RequestHeader) -> bool {
    request.version == Version::HTTP_11
        && request
            .headers
            .get(UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Connects to an endpoint. The system chooses the receive buffer if it is `None`.
///
/// # Errors
/// If connecting fails.
pub(crate) async fn connect(
    address: &SocketAddr,
    receive_buffer: Option<u32>,
) -> Result<TcpStream> {
    let address = address
        .as_inet()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "an endpoint without IP"))?;
    let connected = match receive_buffer {
        None => TcpStream::connect(address).await,
        Some(size) => connect_with(*address, size).await,
    };
    connected.map_err(|error| {
        let etype = match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
            io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
            _ => ErrorType::ConnectError,
        };
        Error::because(etype, "connecting to an endpoint", error)
    })
}

/// Sets the size before connecting, so that the endpoint is never offered a larger window.
async fn connect_with(address: std::net::SocketAddr, receive_buffer: u32) -> io::Result<TcpStream> {
    let socket = match address {
        std::net::SocketAddr::V4(_) => TcpSocket::new_v4(),
        std::net::SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_recv_buffer_size(receive_buffer)?;
    socket.connect(address).await
}

/// Wraps a connection for its use. Upgrades get TLS here; Pingora adds it for HTTP.
///
/// # Errors
/// If the handshake fails.
pub(crate) async fn stream(
    tcp: TcpStream,
    exchange: Exchange,
    tls: Option<&BackendTls>,
) -> Result<Stream> {
    match (exchange, tls) {
        (Exchange::Http1 | Exchange::Http2, _) => Ok(tcp.into()),
        (Exchange::Upgrade, None) => Ok(patient(tcp)),
        (Exchange::Upgrade, Some(tls)) => match backend_tls::connect(tls, tcp).await {
            Ok(secure) => Ok(patient(secure)),
            Err(error) => {
                let why = "speaking TLS for an upgrade";
                Err(Error::because(ErrorType::TLSHandshakeFailure, why, error))
            }
        },
    }
}

fn patient<S: UpgradeTransport + 'static>(stream: S) -> Stream {
    let connection = PatientStream {
        stream,
        read: First::NotYet,
    };
    VirtualSocketStream::new(Box::new(connection)).into()
}

/// A TCP connection, plain or below TLS.
trait UpgradeTransport: AsyncRead + AsyncWrite + Unpin + Send + Sync + Debug {
    fn tcp(&self) -> &TcpStream;
}

impl UpgradeTransport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl UpgradeTransport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

#[derive(Debug)]
struct PatientStream<S> {
    stream: S,
    read: First,
}

/// Whether a read was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    NotYet,
    Done,
}

impl<S: UpgradeTransport> AsyncRead for PatientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read == First::NotYet {
            self.read = First::Done;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: UpgradeTransport> AsyncWrite for PatientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: UpgradeTransport> VirtualSocket for PatientStream<S> {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.tcp().set_nodelay(true),
            VirtualSockOpt::KeepAlive(keepalive) => {
                let options = socket2::TcpKeepalive::new()
                    .with_time(keepalive.idle)
                    .with_interval(keepalive.interval);
                socket2::SockRef::from(self.stream.tcp()).set_tcp_keepalive(&options)
            }
            // The enum is non-exhaustive. Options of a later Pingora can be ignored.
            _ => Ok(()),
        }
    }
}
