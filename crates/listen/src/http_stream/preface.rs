//! Distinguishes HTTP/2 from HTTP/1 by the first bytes of a client.

use super::HttpStream;
use crate::connection::stream::ClientStream;
use crate::http2;
use crate::http2::frames::FrameReader;
use async_trait::async_trait;
use pingora_core::protocols::{IO, Peek};
use std::future::poll_fn;
use std::io;
use std::task::Poll;

#[async_trait]
impl Peek for ClientStream {
    /// Pingora asks for the length of the preface. No HTTP/1 method begins with `PRI `, so HTTP/1 differs at once.
    async fn try_peek(&mut self, seen: &mut [u8]) -> io::Result<bool> {
        self.peek_prefix(http2::PREFACE, seen).await?;
        Ok(true)
    }
}

#[async_trait]
impl<S: IO> Peek for HttpStream<S> {
    async fn try_peek(&mut self, seen: &mut [u8]) -> io::Result<bool> {
        let HttpStream {
            stream,
            connection,
            frames,
            reader,
            ..
        } = self;
        let end = poll_fn(|context| connection.poll_end(context, reader));
        let reason = tokio::select! {
            // Peek first, so that data that has arrived isn't lost.
            biased;
            peeked = stream.try_peek(seen) => {
                if seen == http2::PREFACE {
                    *frames = Some(FrameReader::new());
                }
                return peeked;
            }
            reason = end => reason,
        };
        poll_fn(|context| Poll::Ready(self.close(reason, context))).await?;
        Err(io::ErrorKind::TimedOut.into())
    }
}
