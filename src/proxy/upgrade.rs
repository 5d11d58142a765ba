//! Connections to endpoints for requests that want to go on with another protocol.
//!
//! Pingora 0.9.1 tears a WebSocket down when the endpoint's 101 is there before Pingora has looked at the end of
//! the request's (empty) body: it takes that end for the end of the new protocol. Both wait in one `select!`,
//! which asks them in random order, so with an endpoint that is quick it happens now and then. On the
//! connections made here the first attempt to read says "not yet", once; by the second one the end of the
//! body has been looked at.

use super::peer::Exchange;
use async_trait::async_trait;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_core::{Error, ErrorType, Result};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Makes such connections.
#[derive(Debug)]
pub(super) struct Patient;

#[async_trait]
impl L4Connect for Patient {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        Ok(stream(connect(address).await?, Exchange::Upgrade))
    }
}

/// Connects to an endpoint.
///
/// # Errors
///
/// When the connection can't be made.
pub(super) async fn connect(address: &SocketAddr) -> Result<TcpStream> {
    let address = address
        .as_inet()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "an endpoint without IP"))?;
    TcpStream::connect(address).await.map_err(|error| {
        let etype = match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
            io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
            _ => ErrorType::ConnectError,
        };
        Error::because(etype, "connecting to an endpoint", error)
    })
}

/// A connection as Pingora wants it, for what it is needed for.
pub(super) fn stream(tcp: TcpStream, exchange: Exchange) -> Stream {
    match exchange {
        Exchange::Http1 | Exchange::Http2 => tcp.into(),
        Exchange::Upgrade => {
            let patient = PatientStream {
                tcp,
                read: First::NotYet,
            };
            VirtualSocketStream::new(Box::new(patient)).into()
        }
    }
}

#[derive(Debug)]
struct PatientStream {
    tcp: TcpStream,
    read: First,
}

/// Whether anybody has tried to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    NotYet,
    Done,
}

impl AsyncRead for PatientStream {
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
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

impl VirtualSocket for PatientStream {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            VirtualSockOpt::KeepAlive(keepalive) => {
                let options = socket2::TcpKeepalive::new()
                    .with_time(keepalive.idle)
                    .with_interval(keepalive.interval);
                socket2::SockRef::from(&self.tcp).set_tcp_keepalive(&options)
            }
            // The enum is open; what a later Pingora may want is no condition for this one.
            _ => Ok(()),
        }
    }
}
