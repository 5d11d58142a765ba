//! `100 Continue` for HTTP/2 clients that wait for it before they send a body (RFC 9110, section 10.1.1).
//!
//! Pingora 0.9.1 sends HTTP/2 clients no informational responses, so they are written here, between the frames that Pingora
//! writes. Like Envoy we send them at once: streams have windows, so what a client may send in vain is little.

use super::frame_header::{DATA, END_HEADERS, FrameHeader, HEADERS, RST_STREAM};
use std::io;
use std::task::Poll;

/// At least as many as Pingora lets be open (100).
const MOST_STREAMS: usize = 128;

/// Follows what is written to a client, and what has to be written between.
#[derive(Debug, Default)]
pub(super) struct Continues {
    /// Streams that wait.
    due: Vec<u32>,
    /// A frame of ours that is being written, and how much of it has been.
    frame: Option<([u8; 14], usize)>,
    written: Written,
}

/// Where Pingora is in what it writes.
#[derive(Debug, Default)]
struct Written {
    /// Whether anything has been written: SETTINGS come first (RFC 9113, section 3.4).
    begun: bool,
    header: FrameHeader,
    payload: usize,
    open_header: bool,
    /// The lengths of the DATA frames that have begun since the last call of `take_data`.
    data: usize,
}

impl Continues {
    /// A client waits on a stream. More streams than can be open are refused anyway.
    pub(super) fn wait(&mut self, stream: u32) {
        if self.due.len() < MOST_STREAMS {
            self.due.push(stream);
        }
    }

    /// Whether nothing is due, as nearly always.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.due.is_empty() && self.frame.is_none()
    }

    /// Writes what is due, if Pingora is between two frames. Pending only if a frame of ours has to be written first.
    pub(super) fn poll(
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

    /// How much data Pingora has begun to write since the last call, padding included.
    pub(super) fn take_data(&mut self) -> usize {
        std::mem::take(&mut self.written.data)
    }

    /// Follows what Pingora has written.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = self.written.step(bytes);
            // Once a stream is answered or reset, 100 would be out of place.
            if let Some(stream) = self.written.answered()
                && !self.due.is_empty()
            {
                self.due.retain(|due| *due != stream);
            }
        }
    }
}

/// HEADERS with END_HEADERS: `:status: 100` as a literal that isn't indexed, so that the client's table stays as Pingora
/// knows it (RFC 7541, section 6.2.2).
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

impl Written {
    fn is_between(&self) -> bool {
        self.begun && self.header.have() == 0 && !self.open_header
    }

    /// Takes one piece and returns the rest.
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

    /// The stream that the frame under way answers or resets.
    fn answered(&self) -> Option<u32> {
        let ends = self.header.is_whole() && matches!(self.header.kind(), HEADERS | RST_STREAM);
        ends.then(|| self.header.stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out when so many bytes are taken at once.
    fn written(continues: &mut Continues, at_once: usize) -> Vec<u8> {
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
    fn a_100_is_written_between_frames_only() {
        let mut continues = Continues::default();
        // DATA of another stream.
        continues.follow(&[0, 0, 3, 0, 0, 0, 0, 0, 9, b'a']);
        continues.wait(1);
        assert!(written(&mut continues, 100).is_empty());
        continues.follow(b"bc");
        assert_eq!(written(&mut continues, 4), frame(1));
        assert!(written(&mut continues, 100).is_empty(), "once");
        // HEADERS without their end.
        continues.follow(&[0, 0, 1, 1, 0, 0, 0, 0, 9, 0x88]);
        continues.wait(3);
        assert!(written(&mut continues, 100).is_empty());
        continues.follow(&[0, 0, 0, 9, 4, 0, 0, 0, 9]);
        assert_eq!(written(&mut continues, 100), frame(3));
    }

    #[test]
    fn no_more_streams_are_kept_than_can_be_open() {
        let mut continues = Continues::default();
        (0..1000).for_each(|stream| continues.wait(stream));
        assert_eq!(continues.due.len(), MOST_STREAMS);
    }

    #[test]
    fn nothing_is_written_before_the_settings() {
        let mut continues = Continues::default();
        continues.wait(1);
        assert!(written(&mut continues, 100).is_empty());
        continues.follow(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
        assert_eq!(written(&mut continues, 100), frame(1));
    }

    #[test]
    fn a_stream_that_is_answered_or_reset_gets_none() {
        let mut continues = Continues::default();
        continues.wait(1);
        continues.wait(3);
        continues.wait(5);
        continues.follow(&[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88]);
        continues.follow(&[0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 1]);
        assert_eq!(written(&mut continues, 100), frame(5));
    }
}
