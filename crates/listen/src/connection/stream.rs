//! The TCP stream of a client: buffered, and with what Pingora needs to know of a stream. It knows no protocol above TCP.

use crate::connection::Connection;
use crate::connection::active_request::ConnectionHandle;
use crate::connection::linger::linger;
use crate::connection::registry::RegistryEntry;
use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream, ReadBuf};
use tokio::net::TcpStream;

/// HTTP/1.1 reads header and body in pieces of at least this size, which bypass a buffer that isn't larger. Only the
/// one-byte read that detects a closed connection uses the buffer.
const PLAIN_READ_BUFFER: usize = 4 * 1024;
/// rustls reads 4 KiB at a time; a larger buffer saves system calls on uploads.
const TLS_READ_BUFFER: usize = 16 * 1024;
/// Lets a header and a short body leave in one packet; larger writes bypass the buffer. Pingora uses the same size for
/// its own streams. Without a buffer every response costs one more system call.
const WRITE_BUFFER: usize = 1460;
/// Upper bound on the bytes of a request that are read but not yet forwarded: the buffers here, in TLS and in HTTP/1.
pub(crate) const READ_AHEAD: u64 = 256 * 1024;

/// A client's TCP stream, buffered, as Pingora needs it.
#[derive(Debug)]
pub(crate) struct ClientStream {
    io: BufStream<TcpStream>,
    /// Bytes that were read to detect the protocol or the server name, and are still to be returned by reads.
    peeked: Vec<u8>,
    connection: Arc<Connection>,
    id: UniqueIDType,
    established: SystemTime,
    socket: Arc<SocketDigest>,
    context: Arc<ProxyDigest>,
    /// The connection's entry in the registry of open connections.
    entry: Option<RegistryEntry>,
}

impl ClientStream {
    /// Wraps an accepted stream.
    ///
    /// # Errors
    ///
    /// If Pingora can't build the empty header that carries the context.
    pub(crate) fn new(
        tcp: TcpStream,
        connection: Arc<Connection>,
        entry: RegistryEntry,
    ) -> pingora_core::Result<Self> {
        let id = tcp.as_raw_fd();
        let socket = digest(id, connection.peer());
        let response = Box::new(ResponseHeader::build_no_case(200, Some(0))?);
        let handle = ConnectionHandle(connection.clone());
        let context = ProxyDigest::new(response, Some(Box::new(handle)));
        let read_buffer = if connection.is_tls() {
            TLS_READ_BUFFER
        } else {
            PLAIN_READ_BUFFER
        };
        Ok(ClientStream {
            io: BufStream::with_capacity(read_buffer, WRITE_BUFFER, tcp),
            peeked: Vec::new(),
            connection,
            id,
            established: SystemTime::now(),
            socket: Arc::new(socket),
            context: Arc::new(context),
            entry: Some(entry),
        })
    }

    /// Flushes the buffer after each write of a TLS handshake. If the handshake fails, the alert is the last thing
    /// written, and no flush follows it.
    fn flush_handshake(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.connection.is_handshaking() {
            // Unsent data stays in the buffer, and the next write reports an error again.
            let _ = Pin::new(&mut self.io).poll_flush(context);
        }
        written
    }

    /// Reads more bytes, keeps them for the next reads, and returns them. Returns an empty slice at the end of the stream.
    pub(crate) async fn peek_more(&mut self) -> io::Result<&[u8]> {
        let before = self.peeked.len();
        let available = self.io.fill_buf().await?;
        let length = available.len();
        self.peeked.extend_from_slice(available);
        self.io.consume(length);
        Ok(self.peeked.get(before..).unwrap_or_default())
    }

    /// The bytes that are read and kept for the next reads.
    pub(crate) fn peeked(&self) -> &[u8] {
        &self.peeked
    }

    /// Drops the first bytes that are kept for the next reads.
    pub(crate) fn drop_peeked(&mut self, length: usize) {
        self.peeked.drain(..length.min(self.peeked.len()));
    }

    /// Tells Pingora the address of a client that a PROXY header names.
    pub(crate) fn set_client(&mut self, client: SocketAddr) {
        self.socket = Arc::new(digest(self.id, client));
    }

    /// Reads into `seen` while the bytes match the beginning of `prefix`, and keeps them for the next reads. If the first
    /// bytes differ, this costs one comparison in the buffer and no further copy.
    pub(crate) async fn peek_prefix(&mut self, prefix: &[u8], seen: &mut [u8]) -> io::Result<()> {
        let known = self.peeked.len().min(seen.len());
        let (Some(known), Some(first)) = (self.peeked.get(..known), seen.get_mut(..known)) else {
            return Ok(());
        };
        first.copy_from_slice(known);
        if !known.is_empty() {
            self.connection.read();
        }
        if !prefix.starts_with(known) {
            return Ok(());
        }
        loop {
            let have = self.peeked.len();
            let (Some(rest), Some(wanted)) = (seen.get_mut(have..), prefix.get(have..)) else {
                return Ok(());
            };
            if rest.is_empty() {
                return Ok(());
            }
            let available = self.io.fill_buf().await?;
            if !available.is_empty() {
                self.connection.read();
            }
            let length = available.len().min(rest.len());
            let same = length.min(wanted.len());
            let (Some(available), Some(rest)) = (available.get(..length), rest.get_mut(..length))
            else {
                return Ok(());
            };
            rest.copy_from_slice(available);
            if available.get(..same) != wanted.get(..same) || length == 0 {
                return Ok(());
            }
            self.peeked.extend_from_slice(available);
            self.io.consume(length);
        }
    }
}

/// What Pingora knows of the socket. Setting the client's address saves it a system call. Nothing asks for the local address.
fn digest(id: UniqueIDType, client: SocketAddr) -> SocketDigest {
    let socket = SocketDigest::from_raw_fd(id);
    let _ = socket.peer_addr.set(Some(client.into()));
    socket
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.peeked.is_empty() {
            let length = this.peeked.len().min(buffer.remaining());
            buffer.put_slice(this.peeked.get(..length).unwrap_or_default());
            this.peeked.drain(..length);
            return Poll::Ready(Ok(()));
        }
        this.connection.offer_descriptor(this.io.get_ref());
        Pin::new(&mut this.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.flush_handshake(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.flush_handshake(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        // This fails if the client has closed the connection.
        let _ = AsyncWriteExt::shutdown(&mut self.io).await;
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if self.connection.is_broken() {
            // A socket that is closed without lingering is reset. This fails if the client has closed the connection.
            let socket = SockRef::from(self.io.get_ref());
            let _ = socket.set_linger(Some(Duration::ZERO));
        } else if self.connection.is_lingering() {
            linger(self.io.get_ref(), self.entry.take());
        }
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl Ssl for ClientStream {}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest {
            established_ts: self.established,
            ..TimingDigest::default()
        })]
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.context.clone())
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.socket = Arc::new(digest);
    }
}
