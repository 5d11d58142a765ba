//! What a client is told at the end of its connection, where Pingora says nothing.

use super::Watched;
use crate::connection::Connection;
use crate::meters::Closed;
use crate::refusal;
use http::StatusCode;
use pingora_core::protocols::IO;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tracing::debug;

impl<S: IO> Watched<S> {
    /// Answers a request that was refused before a hook has seen it. Ready when that is done, or not to be done.
    pub(super) fn poll_answer_refused(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(refusal) = self.refusal.filter(|_| !self.connection.is_busy())
            && !self.connection.has_been_ended()
        {
            debug!(peer = %self.connection.peer(), %refusal, "a malformed request");
            self.connection.ended(Closed::Malformed);
            self.answer = refusal.response(self.requests.is_head());
        }
        while !self.answer.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.answer) {
                Poll::Ready(Ok(count @ 1..)) => drop(self.answer.drain(..count)),
                // The client is gone.
                Poll::Ready(_) => self.answer.clear(),
                Poll::Pending => return self.watch(Poll::Pending, context),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye, as far as the client takes it at once, and ends the connection.
    pub(super) fn close(&mut self, reason: Closed, context: &mut Context<'_>) -> io::Result<()> {
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
            Closed::FirstByte
            | Closed::Idle
            | Closed::OneSided
            | Closed::Reclaimed
            | Closed::Drained => Ok(()),
            Closed::Handshake | Closed::Header => Err(io::ErrorKind::TimedOut.into()),
            Closed::Malformed => Err(io::ErrorKind::InvalidData.into()),
            Closed::Write | Closed::DrainTimeout => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    fn last_words(&self, reason: Closed) -> Vec<u8> {
        match (&self.frames, reason) {
            (None, Closed::Header) => {
                let text = "the request header took too long to arrive\n";
                refusal::response(StatusCode::REQUEST_TIMEOUT, text, self.requests.is_head())
            }
            (Some(frames), Closed::Idle | Closed::Reclaimed) => {
                goaway(frames.last_stream()).to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// Ends the connection of a client that takes nothing, not even a goodbye. What waits in the system's buffer for it
/// goes, too.
pub(super) fn give_up(connection: &Connection, reason: Closed) -> io::Error {
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
