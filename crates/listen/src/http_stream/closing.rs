//! The last bytes written to a connection that gatefold ends: an answer to a malformed request, 408, or GOAWAY.

use super::HttpStream;
use crate::connection::Connection;
use crate::http_stream::framing_error;
use crate::meters::CloseReason;
use http::StatusCode;
use pingora_core::protocols::IO;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tracing::debug;

impl<S: IO> HttpStream<S> {
    /// Answers a request that was refused before a hook has seen it. Ready when the answer is written, or if there is none.
    pub(crate) fn poll_answer_refused(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(refusal) = self.refusal.filter(|_| !self.connection.is_busy())
            && !self.connection.has_been_ended()
        {
            debug!(peer = %self.connection.peer(), %refusal, "refusing a malformed request");
            self.connection.ended(CloseReason::Malformed);
            self.answer = refusal.response(self.requests.is_head());
        }
        while !self.answer.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.answer) {
                Poll::Ready(Ok(count @ 1..)) => drop(self.answer.drain(..count)),
                // The client has closed the connection.
                Poll::Ready(_) => self.answer.clear(),
                Poll::Pending => return self.track_write(Poll::Pending, context),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ends the connection, after 408 or GOAWAY if those can be written without waiting.
    pub(crate) fn close(
        &mut self,
        reason: CloseReason,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        if reason == CloseReason::Write {
            return Err(give_up(&self.connection, reason));
        }
        self.connection.ended(reason);
        let message = self.final_message(reason);
        let mut stream = Pin::new(&mut self.stream);
        if !message.is_empty() && stream.as_mut().poll_write(context, &message).is_ready() {
            let _ = stream.as_mut().poll_flush(context);
        }
        if !self.connection.is_broken() {
            let _ = stream.poll_shutdown(context);
        }
        match reason {
            // Pingora sees the same as if the client had closed the connection.
            CloseReason::FirstByte
            | CloseReason::Idle
            | CloseReason::OneSided
            | CloseReason::Reclaimed
            | CloseReason::Drained => Ok(()),
            CloseReason::Handshake | CloseReason::Header => Err(io::ErrorKind::TimedOut.into()),
            CloseReason::Malformed | CloseReason::ProxyHeader | CloseReason::SocketLimit => {
                Err(io::ErrorKind::InvalidData.into())
            }
            CloseReason::Write | CloseReason::DrainTimeout => {
                Err(io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    /// What to write before the connection is closed for `reason`.
    fn final_message(&self, reason: CloseReason) -> Vec<u8> {
        match (&self.frames, reason) {
            (None, CloseReason::Header) => {
                let text = "the request header took too long to arrive\n";
                framing_error::response(StatusCode::REQUEST_TIMEOUT, text, self.requests.is_head())
            }
            (Some(frames), CloseReason::Idle | CloseReason::Reclaimed) => {
                goaway(frames.last_stream()).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// Ends the connection of a client that reads nothing, without a last message. The reset also discards what is in the
/// kernel's send buffer.
pub(crate) fn give_up(connection: &Connection, reason: CloseReason) -> io::Error {
    connection.ended(reason);
    connection.break_off();
    io::ErrorKind::ConnectionAborted.into()
}

/// A GOAWAY frame with the last stream that was processed, so that the client can retry requests on later streams
/// (RFC 9113, section 6.8).
fn goaway(last_stream: u32) -> [u8; 17] {
    let [s0, s1, s2, s3] = last_stream.to_be_bytes();
    // Length 8, type GOAWAY, no flags, stream 0; then the last stream, and NO_ERROR.
    [0, 0, 8, 7, 0, 0, 0, 0, 0, s0, s1, s2, s3, 0, 0, 0, 0]
}
