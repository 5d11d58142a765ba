use super::connection::Connection;
use super::frames::Frames;
use super::meters::Closed;
use super::stream::HTTP2_PREFACE;
use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::tls::{SslDigest, TlsRef};
use pingora_core::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client is told whose request takes too long (RFC 9110, section 15.5.9).
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nServer: gatefold\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What comes out of a client's connection in clear, watched for what the client is at, and ended when it has
/// to be.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    connection: Arc<Connection>,
    /// Once the client is known to speak HTTP/2.
    frames: Option<Frames>,
    /// Whether the client took nothing when it was written to last.
    stalled: bool,
    /// What the connection wakes, so far as it is known.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<S: IO> Watched<S> {
    pub(super) fn new(stream: S, connection: Arc<Connection>) -> Self {
        let http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        Watched {
            stream,
            connection,
            frames: http2.then(Frames::new),
            stalled: false,
            reader: None,
            writer: None,
        }
    }

    fn note(&mut self, read: &[u8]) {
        match &mut self.frames {
            None => self.connection.read(),
            Some(frames) => {
                let before = frames.last_stream();
                let progress = frames.read(read);
                let has_request = frames.last_stream() > before;
                self.connection.read_frames(progress, has_request);
            }
        }
    }

    /// Takes note of how writing went, and ends the connection of a client that takes nothing for too long.
    fn watch<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if std::mem::take(&mut self.stalled) {
                self.connection.flow();
            }
            return written;
        }
        self.stalled = true;
        let reason = ready!(self.connection.poll_stalled(context, &mut self.writer));
        Poll::Ready(Err(give_up(&self.connection, reason)))
    }

    /// Says goodbye, as far as the client takes it at once, and ends the connection.
    fn close(&mut self, reason: Closed, context: &mut Context<'_>) -> io::Result<()> {
        if reason == Closed::Write {
            return Err(give_up(&self.connection, reason));
        }
        self.connection.ended(reason);
        let words = self.last_words(reason);
        let mut stream = Pin::new(&mut self.stream);
        if !words.is_empty() && stream.as_mut().poll_write(context, &words).is_ready() {
            let _ = stream.as_mut().poll_flush(context);
        }
        if !self.connection.is_broken() {
            let _ = stream.poll_shutdown(context);
        }
        match reason {
            // As if the client had closed it.
            Closed::FirstByte | Closed::Idle | Closed::Reclaimed | Closed::Drained => Ok(()),
            Closed::Handshake | Closed::Header => Err(io::ErrorKind::TimedOut.into()),
            Closed::Write | Closed::DrainTimeout => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn last_words(&self, reason: Closed) -> Vec<u8> {
        match (&self.frames, reason) {
            (None, Closed::Header) => REQUEST_TIMEOUT.to_vec(),
            (Some(frames), Closed::Idle | Closed::Reclaimed) => {
                goaway(frames.last_stream()).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// Ends the connection of a client that takes nothing, not even a goodbye. What waits in the system's buffer for it
/// goes, too.
fn give_up(connection: &Connection, reason: Closed) -> io::Error {
    connection.ended(reason);
    connection.break_off();
    io::ErrorKind::ConnectionAborted.into()
}

/// Tells an HTTP/2 client up to which stream its requests were taken, so that it can send others again
/// (RFC 9113, section 6.8).
fn goaway(last_stream: u32) -> [u8; 17] {
    let [s0, s1, s2, s3] = last_stream.to_be_bytes();
    // Length 8, type GOAWAY, no flags, the connection itself; then the stream, and NO_ERROR.
    [0, 0, 8, 7, 0, 0, 0, 0, 0, s0, s1, s2, s3, 0, 0, 0, 0]
}

impl<S: IO> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(result) => {
                let read = buffer.filled().get(before..).unwrap_or_default();
                if !read.is_empty() {
                    this.note(read);
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                let reason = ready!(this.connection.poll_end(context, &mut this.reader));
                Poll::Ready(this.close(reason, context))
            }
        }
    }
}

impl<S: IO> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(written, context)
    }

    /// Nothing where the connection is to be reset: TLS would end in order, too.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_broken() {
            return Poll::Ready(Ok(()));
        }
        let written = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl<S: IO> Shutdown for Watched<S> {
    /// Writes what waits still, and so may find a client that takes nothing. Nothing where the connection is to be
    /// reset.
    async fn shutdown(&mut self) {
        if self.connection.is_broken() {
            return;
        }
        let Watched {
            stream,
            connection,
            writer,
            ..
        } = self;
        let mut shutdown = stream.shutdown();
        poll_fn(|context| {
            if shutdown.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            let reason = ready!(connection.poll_stalled(context, writer));
            give_up(connection, reason);
            Poll::Ready(())
        })
        .await;
    }
}

#[async_trait]
impl<S: IO> Peek for Watched<S> {
    async fn try_peek(&mut self, seen: &mut [u8]) -> io::Result<bool> {
        let Watched {
            stream,
            connection,
            frames,
            reader,
            ..
        } = self;
        let end = poll_fn(|context| connection.poll_end(context, reader));
        let reason = tokio::select! {
            // First: what has arrived is not lost.
            biased;
            peeked = stream.try_peek(seen) => {
                if seen == HTTP2_PREFACE {
                    *frames = Some(Frames::new());
                }
                return peeked;
            }
            reason = end => reason,
        };
        poll_fn(|context| Poll::Ready(self.close(reason, context))).await?;
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl<S: IO> UniqueID for Watched<S> {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl<S: IO> Ssl for Watched<S> {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl<S: IO> GetTimingDigest for Watched<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl<S: IO> GetProxyDigest for Watched<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl<S: IO> GetSocketDigest for Watched<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.stream.set_socket_digest(digest);
    }
}
