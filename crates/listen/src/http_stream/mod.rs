//! The decrypted byte stream of a client connection, below Pingora and above TLS.
//!
//! In: the bytes of both directions. Out: what the client is doing, recorded in its [`Connection`]; the end of a
//! connection that is marked for closing; and what Pingora doesn't write itself: answers to malformed requests, 408,
//! GOAWAY, `100 Continue` over HTTP/2, and the `Date` of the backend. It never changes a body.

mod closing;
pub(crate) mod framing_error;
mod identity;
pub(crate) mod kept_date;
mod preface;

use crate::connection::Connection;
use crate::http_stream::framing_error::FramingError;
use crate::http_stream::kept_date::DatedHeader;
use crate::http1::{Malformed, RequestReader};
use crate::http2::continues::PendingContinues;
use crate::http2::frame_header::END_STREAM;
use crate::http2::frames::FrameReader;
use async_trait::async_trait;
use closing::give_up;
use pingora_core::protocols::{ALPN, IO, Shutdown};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's stream as Pingora reads and writes it. It follows HTTP framing, and ends the connection when it is marked for
/// closing.
#[derive(Debug)]
pub(crate) struct HttpStream<S> {
    stream: S,
    connection: Arc<Connection>,
    /// Follows what the client sends over HTTP/2; `None` unless the client is known to speak HTTP/2.
    frames: Option<FrameReader>,
    /// `100 Continue` responses, written between Pingora's HTTP/2 frames.
    continues: PendingContinues,
    /// Follows what the client sends over HTTP/1.
    requests: RequestReader,
    /// Why a request is refused. Nothing is read after such a request.
    refusal: Option<FramingError>,
    /// The rest of the answer to a refused request.
    answer: Vec<u8>,
    /// The header that is written in place of Pingora's.
    dated: DatedHeader,
    /// Whether the client has closed its side.
    half_closed: bool,
    /// Whether the last write was pending.
    stalled: bool,
    /// The wakers that this stream has registered with the connection.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<S: IO> HttpStream<S> {
    pub(crate) fn new(stream: S, connection: Arc<Connection>) -> Self {
        let http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        HttpStream {
            stream,
            connection,
            frames: http2.then(FrameReader::new),
            continues: PendingContinues::default(),
            requests: RequestReader::default(),
            refusal: None,
            answer: Vec::new(),
            dated: DatedHeader::default(),
            half_closed: false,
            stalled: false,
            reader: None,
            writer: None,
        }
    }

    /// Follows what the client has sent.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    fn follow(&mut self, read: &[u8]) -> Result<(), Malformed> {
        match &mut self.frames {
            None => {
                self.connection.read();
                if self.requests.asks_to_leave() && self.connection.has_switched() {
                    self.requests.leave();
                }
                self.requests.read(read)?;
            }
            Some(frames) => {
                let before = frames.last_stream();
                let progress = frames.read(read);
                let has_request = frames.last_stream() > before;
                self.connection.set_windows(frames.windows().windows());
                self.connection.read_frames(progress, has_request);
                frames
                    .take_awaiting()
                    .for_each(|stream| self.continues.wait(stream));
            }
        }
        Ok(())
    }

    /// Turns trailers with pseudo-header fields into a stream error, by clearing their END_STREAM flag.
    ///
    /// # Errors
    ///
    /// If Pingora has read the flags before: then the connection must end.
    fn refuse_trailers(&mut self, read: Option<&mut [u8]>) -> io::Result<()> {
        let (Some(frames), Some(read)) = (&mut self.frames, read) else {
            return Ok(());
        };
        for place in frames.take_malformed_trailers() {
            match place.and_then(|place| read.get_mut(place)) {
                Some(flags) => *flags &= !END_STREAM,
                None => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    /// Writes frames of Pingora's, after pending `100 Continue` responses.
    fn write_frames(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let continued = self.poll_continues(context);
        if !matches!(continued, Poll::Ready(Ok(()))) {
            return self.track_write(continued.map_ok(|()| 0), context);
        }
        let written = write(Pin::new(&mut self.stream), context);
        if let Poll::Ready(Ok(count)) = &written {
            let mut left = *count;
            for slice in slices {
                let taken = slice.get(..left).unwrap_or(slice);
                self.continues.follow(taken);
                left -= taken.len();
            }
            self.spend_window();
        }
        self.track_write(written, context)
    }

    /// Records how much of the client's connection window is left.
    fn spend_window(&mut self) {
        let data = self.continues.take_data();
        if let (Some(frames), 1..) = (&mut self.frames, data) {
            let windows = frames.windows();
            windows.spend(data);
            self.connection.set_windows(windows.windows());
        }
    }

    #[inline]
    fn poll_continues(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.continues.is_idle() {
            return Poll::Ready(Ok(()));
        }
        let HttpStream {
            stream, continues, ..
        } = self;
        continues.poll(|bytes| Pin::new(&mut *stream).poll_write(context, bytes))
    }

    /// Whether an HTTP/1 request is in flight and all of it has been read.
    fn has_whole_request(&self) -> bool {
        self.frames.is_none()
            && self.connection.is_busy()
            && !self.connection.has_switched()
            && !self.requests.owes_body(self.connection.begun())
    }

    /// The result of a read after malformed bytes: pending while an earlier request is in flight, then an error.
    fn poll_refused(
        &mut self,
        refusal: FramingError,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_whole_request() {
            self.poll_ended(context)
        } else {
            Poll::Ready(Err(refusal.into()))
        }
    }

    /// The result of a read after the client has closed its side: pending while a whole request is in flight, so that the
    /// client gets its response (RFC 9112, section 9.6), then the end of the stream.
    fn poll_half_closed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_whole_request() {
            return Poll::Ready(Ok(()));
        }
        if self.requests.is_at_end(self.connection.begun()) {
            self.connection.expect_no_more();
        }
        self.poll_ended(context)
    }

    /// Ready when the connection has to end.
    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let reason = ready!(self.connection.poll_end(context, &mut self.reader));
        Poll::Ready(self.close(reason, context))
    }

    /// Whether Pingora is answering a request that no hook has seen. The shutdown that follows writes our own answer
    /// instead.
    fn is_refused_by_pingora(&mut self, written: &[u8]) -> bool {
        let refused =
            self.frames.is_none() && !self.connection.is_busy() && written.starts_with(b"HTTP/1.");
        if refused {
            self.refusal.get_or_insert(FramingError::Header);
        }
        refused
    }

    /// Records whether a write made progress, and ends the connection of a client that reads nothing for too long.
    #[inline]
    fn track_write<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.half_closed {
                self.connection.half_close();
            }
            if std::mem::take(&mut self.stalled) {
                self.connection.flow();
            }
            return written;
        }
        self.stalled = true;
        let reason = ready!(self.connection.poll_stalled(context, &mut self.writer));
        Poll::Ready(Err(give_up(&self.connection, reason)))
    }
}

impl<S: IO> AsyncRead for HttpStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(refusal) = this.refusal {
            return this.poll_refused(refusal, context);
        }
        if this.half_closed {
            return this.poll_half_closed(context);
        }
        let before = buffer.filled().len();
        let result = match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(result) => result,
            Poll::Pending => return this.poll_ended(context),
        };
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            let followed = this.follow(read);
            this.refuse_trailers(buffer.filled_mut().get_mut(before..))?;
            if let Err(Malformed { at, refusal }) = followed {
                this.refusal = Some(refusal);
                // `at` is relative to what this call has read.
                buffer.set_filled(before + at);
                if at == 0 {
                    return this.poll_refused(refusal, context);
                }
            }
        } else if result.is_ok() && buffer.remaining() > 0 && this.has_whole_request() {
            this.half_closed = true;
            this.connection.half_close();
            return this.poll_half_closed(context);
        }
        Poll::Ready(result)
    }
}

impl<S: IO> AsyncWrite for HttpStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.frames.is_some() {
            let slices = [IoSlice::new(bytes)];
            return this.write_frames(context, &slices, |stream, context| {
                stream.poll_write(context, bytes)
            });
        }
        if this.is_refused_by_pingora(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let bytes = this.dated.replace(bytes, &this.connection);
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            this.dated.advance(*count);
        }
        this.track_write(written, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let continued = self.poll_continues(context);
        if !matches!(continued, Poll::Ready(Ok(()))) {
            return self.track_write(continued, context);
        }
        let written = Pin::new(&mut self.stream).poll_flush(context);
        self.track_write(written, context)
    }

    /// Does nothing if the connection is to be reset: TLS would otherwise close properly.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_broken() {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_answer_refused(context))?;
        let written = Pin::new(&mut self.stream).poll_shutdown(context);
        self.track_write(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.frames.is_some() {
            return this.write_frames(context, slices, |stream, context| {
                stream.poll_write_vectored(context, slices)
            });
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.track_write(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl<S: IO> Shutdown for HttpStream<S> {
    /// Writes buffered data and closes the write side. Gives up on a client that reads nothing. Does nothing if the
    /// connection is to be reset.
    async fn shutdown(&mut self) {
        if self.connection.is_broken() {
            return;
        }
        let HttpStream {
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

impl<S> Drop for HttpStream<S> {
    fn drop(&mut self) {
        let unfinished = self.frames.is_none() && self.requests.is_unfinished();
        // A connection that was closed for a timeout doesn't linger: its client has used up its time.
        let lingers = self.refusal.is_some() || (unfinished && !self.connection.has_been_ended());
        if lingers && !std::thread::panicking() {
            self.connection.linger();
        }
    }
}
