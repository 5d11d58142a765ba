//! `100 Continue` for HTTP/2 clients that wait for it before they send a body (RFC 9110, section 10.1.1).
//!
//! Pingora 0.9.1 sends no informational responses to HTTP/2 clients, so they are written here, between Pingora's frames.
//! They are sent at once, as Envoy does: flow control limits how much of a body a client can send in vain.

use crate::http2::frame_header::{DATA, END_HEADERS, FrameHeader, HEADERS, RST_STREAM};
use std::io;
use std::task::Poll;

/// Upper bound on waiting streams. Pingora allows 100 concurrent streams.
const MOST_STREAMS: usize = 128;

/// Follows the frames that are written to a client, and writes `100 Continue` between them.
#[derive(Debug, Default)]
pub(crate) struct PendingContinues {
    /// Streams whose client waits for a 100.
    due: Vec<u32>,
    /// The frame of ours that is being written, and the number of bytes written.
    frame: Option<([u8; 14], usize)>,
    written: OutputPosition,
}

/// The position in Pingora's output.
#[derive(Debug, Default)]
struct OutputPosition {
    /// Whether anything has been written: SETTINGS come first (RFC 9113, section 3.4).
    begun: bool,
    header: FrameHeader,
    payload: usize,
    open_header: bool,
    /// Total length of the DATA frames that have begun since the last call of `take_data`.
    data: usize,
}

impl PendingContinues {
    /// Records that the client waits for a 100 on a stream. Streams beyond the limit are ignored: Pingora refuses them.
    pub(crate) fn wait(&mut self, stream: u32) {
        if self.due.len() < MOST_STREAMS {
            self.due.push(stream);
        }
    }

    /// Whether there is nothing to write, as nearly always.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty() && self.frame.is_none()
    }

    /// Writes the pending responses, if Pingora is between two frames. Returns pending only while a frame of ours is partly
    /// written.
    pub(crate) fn poll(
        &mut self,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.frame.is_none() && self.written.is_between() {
                self.frame = self.due.pop().map(|stream| (frame(stream), 0));
            }
            let Some((frame, done)) = &mut self.frame else {
                return Poll::Ready(Ok(()));
            };
            match write(frame.get(*done..).unwrap_or_default()) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => *done += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            if *done >= frame.len() {
                self.frame = None;
            }
        }
    }

    /// Bytes of DATA frames, padding included, that Pingora has begun to write since the last call.
    pub(crate) fn take_data(&mut self) -> usize {
        std::mem::take(&mut self.written.data)
    }

    /// Follows what Pingora has written.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = self.written.step(bytes);
            // A stream that was answered or reset must not get a 100 any more.
            if let Some(stream) = self.written.answered()
                && !self.due.is_empty()
            {
                self.due.retain(|due| *due != stream);
            }
        }
    }
}

/// A HEADERS frame with END_HEADERS and `:status: 100`, as a literal without indexing (RFC 7541, section 6.2.2), so that the
/// client's dynamic table stays in step with Pingora's.
fn frame(stream: u32) -> [u8; 14] {
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [
        0,
        0,
        5,
        HEADERS,
        END_HEADERS,
        s0,
        s1,
        s2,
        s3,
        0x08,
        3,
        b'1',
        b'0',
        b'0',
    ]
}

impl OutputPosition {
    fn is_between(&self) -> bool {
        self.begun && self.header.have() == 0 && !self.open_header
    }

    /// Follows one part of a frame and returns the remaining bytes.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.header.is_whole() {
            let length = bytes.len().min(self.payload);
            self.payload -= length;
            if self.payload == 0 {
                self.header.clear();
            }
            return bytes.get(length..).unwrap_or_default();
        }
        let rest = self.header.take(bytes);
        if self.header.is_whole() {
            self.begin();
        }
        rest
    }

    fn begin(&mut self) {
        self.begun = true;
        if self.header.is_of_header_block() {
            self.open_header = !self.header.has_flag(END_HEADERS);
        }
        self.payload = self.header.payload();
        if self.header.kind() == DATA {
            self.data += self.payload;
        }
        if self.payload == 0 {
            self.header.clear();
        }
    }

    /// The stream that the current frame answers or resets.
    fn answered(&self) -> Option<u32> {
        let ends = self.header.is_whole() && matches!(self.header.kind(), HEADERS | RST_STREAM);
        ends.then(|| self.header.stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that are written if each write takes at most `at_once` bytes.
    fn written(continues: &mut PendingContinues, at_once: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let done = continues.poll(|bytes| {
            let count = bytes.len().min(at_once);
            out.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        });
        assert!(done.is_ready());
        out
    }

    #[test]
    fn writes_100_only_between_frames() {
        let mut continues = PendingContinues::default();
        // DATA of another stream.
        continues.follow(&[0, 0, 3, 0, 0, 0, 0, 0, 9, b'a']);
        continues.wait(1);
        assert!(written(&mut continues, 100).is_empty());
        continues.follow(b"bc");
        assert_eq!(written(&mut continues, 4), frame(1));
        assert!(
            written(&mut continues, 100).is_empty(),
            "it is written once"
        );
        // HEADERS without their end.
        continues.follow(&[0, 0, 1, 1, 0, 0, 0, 0, 9, 0x88]);
        continues.wait(3);
        assert!(written(&mut continues, 100).is_empty());
        continues.follow(&[0, 0, 0, 9, 4, 0, 0, 0, 9]);
        assert_eq!(written(&mut continues, 100), frame(3));
    }

    #[test]
    fn keeps_at_most_as_many_streams_as_can_be_open() {
        let mut continues = PendingContinues::default();
        (0..1000).for_each(|stream| continues.wait(stream));
        assert_eq!(continues.due.len(), MOST_STREAMS);
    }

    #[test]
    fn writes_nothing_before_the_settings() {
        let mut continues = PendingContinues::default();
        continues.wait(1);
        assert!(written(&mut continues, 100).is_empty());
        continues.follow(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(written(&mut continues, 100), frame(1));
    }

    #[test]
    fn answered_or_reset_streams_get_no_100() {
        let mut continues = PendingContinues::default();
        continues.wait(1);
        continues.wait(3);
        continues.wait(5);
        continues.follow(&[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]);
        continues.follow(&[0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 1]);
        assert_eq!(written(&mut continues, 100), frame(5));
    }
}
