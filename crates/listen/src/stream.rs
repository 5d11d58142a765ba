use super::connection::Connection;
use super::linger::linger;
use super::registry::Entry;
use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream, ReadBuf};
use tokio::net::TcpStream;

/// HTTP/1.1 reads its header and body in pieces of at least this size, which go past a buffer that isn't
/// larger; only the look for a client that is gone, one byte, goes through it.
const PLAIN_READ_BUFFER: usize = 4 * 1024;
/// rustls reads by 4 KiB; this many at once save system calls on uploads.
const TLS_READ_BUFFER: usize = 16 * 1024;
/// Header and a short body go out in one packet; what is larger goes past the buffer. The size that Pingora
/// uses for its own streams; without a buffer every answer costs one more system call.
const WRITE_BUFFER: usize = 1460;
/// Upper bound of what has been read of a client's request and not yet handed on: the buffers here, in TLS and in HTTP/1.
pub(super) const READ_AHEAD: u64 = 256 * 1024;

/// What a client with prior knowledge of HTTP/2 begins with (RFC 9113, section 3.4).
pub(super) const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A client's connection as Pingora wants it: the TCP stream, buffered, and what is known of it.
#[derive(Debug)]
pub(super) struct Conn {
    io: BufStream<TcpStream>,
    /// Read to tell protocols apart, and not yet given on.
    peeked: Vec<u8>,
    connection: Arc<Connection>,
    id: UniqueIDType,
    established: SystemTime,
    socket: Arc<SocketDigest>,
    context: Arc<ProxyDigest>,
    /// Its place among the open connections.
    entry: Option<Entry>,
}

impl Conn {
    /// Wraps an accepted stream.
    ///
    /// # Errors
    ///
    /// When Pingora can't build the empty header that carries the context.
    pub(super) fn new(
        tcp: TcpStream,
        connection: Arc<Connection>,
        entry: Entry,
    ) -> pingora_core::Result<Self> {
        let id = tcp.as_raw_fd();
        let socket = SocketDigest::from_raw_fd(id);
        // Else Pingora asks the system for it. The local address nobody wants to know.
        let _ = socket.peer_addr.set(Some(connection.peer().into()));
        let response = Box::new(ResponseHeader::build_no_case(200, Some(0))?);
        let context = ProxyDigest::new(response, Some(Box::new(connection.clone())));
        let read_buffer = if connection.is_tls() {
            TLS_READ_BUFFER
        } else {
            PLAIN_READ_BUFFER
        };
        Ok(Conn {
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

    /// Lets nothing of a handshake wait in the buffer: when it fails, the alert that says why is the last thing
    /// written, and nobody flushes.
    fn push(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.connection.is_handshaking() {
            // What can't be sent now stays in the buffer, and an error comes again with the next write.
            let _ = Pin::new(&mut self.io).poll_flush(context);
        }
        written
    }

    /// Reads on, keeps what was read for whoever reads next, and shows it. Nothing at the end of the stream.
    pub(super) async fn peek_more(&mut self) -> io::Result<&[u8]> {
        let before = self.peeked.len();
        let available = self.io.fill_buf().await?;
        let length = available.len();
        self.peeked.extend_from_slice(available);
        self.io.consume(length);
        Ok(self.peeked.get(before..).unwrap_or_default())
    }

    /// Reads on while what comes is the beginning of HTTP/2's preface. HTTP/1 differs in the first bytes
    /// (no method begins with `PRI `), so it costs one look into the buffer and no copy.
    async fn peek_preface(&mut self, seen: &mut [u8]) -> io::Result<()> {
        loop {
            let have = self.peeked.len();
            let (Some(rest), Some(wanted)) = (seen.get_mut(have..), HTTP2_PREFACE.get(have..))
            else {
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

impl AsyncRead for Conn {
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

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.push(context, written)
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
        self.push(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[async_trait]
impl Shutdown for Conn {
    async fn shutdown(&mut self) {
        // The client may have gone first.
        let _ = AsyncWriteExt::shutdown(&mut self.io).await;
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.connection.is_broken() {
            // Closed without lingering a connection is reset. The client may have gone first.
            let socket = SockRef::from(self.io.get_ref());
            let _ = socket.set_linger(Some(Duration::ZERO));
        } else if self.connection.is_lingering() {
            linger(self.io.get_ref(), self.entry.take());
        }
    }
}

#[async_trait]
impl Peek for Conn {
    async fn try_peek(&mut self, seen: &mut [u8]) -> io::Result<bool> {
        self.peek_preface(seen).await?;
        Ok(true)
    }
}

impl UniqueID for Conn {
    fn id(&self) -> UniqueIDType {
        self.id
    }
}

impl Ssl for Conn {}

impl GetTimingDigest for Conn {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest {
            established_ts: self.established,
            ..TimingDigest::default()
        })]
    }
}

impl GetProxyDigest for Conn {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.context.clone())
    }
}

impl GetSocketDigest for Conn {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.socket.clone())
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.socket = Arc::new(digest);
    }
}
