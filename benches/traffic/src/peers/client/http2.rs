//! HTTP/2 (RFC 9113), one stream after the other on a connection.
//!
//! The first request fills the server's header table, and later ones refer to it, as browsers do (RFC 7541). Of an answer's
//! header block only the status is read, which must be the indexed 200.

use super::ByteStream;
use crate::backend::BODY;
use crate::subjects::HOST;
use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// ReceivedFrame types (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Flags. The value of the first one means ACK in SETTINGS and PING.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
/// The window of the connection is enlarged each time that this much has been received.
const WINDOW_STEP: usize = 1 << 20;

/// A connection.
pub struct Http2Connection {
    stream: Box<dyn ByteStream>,
    /// The identifier of the next stream.
    next: u32,
    /// `:scheme` as an index.
    scheme: u8,
    /// Frames to send with the next request.
    pending: Vec<u8>,
    /// Received bytes that aren't consumed.
    received: Vec<u8>,
    /// The number of received bytes of bodies since the connection's window was enlarged.
    consumed: usize,
}

/// The progress of an answer.
#[derive(Default)]
struct Answer {
    status: bool,
    body: usize,
    complete: bool,
}

impl Http2Connection {
    /// Sends the preface. The server's settings are read together with the first answer.
    pub(super) async fn start(stream: Box<dyn ByteStream>, scheme: &str) -> anyhow::Result<Self> {
        let mut connection = Http2Connection {
            stream,
            next: 1,
            scheme: if scheme == "https" { 0x87 } else { 0x86 },
            pending: PREFACE.to_vec(),
            received: Vec::with_capacity(4096),
            consumed: 0,
        };
        connection.push(SETTINGS, 0, 0, &[]);
        // On top of the 64 KiB that a connection begins with.
        connection.push_window(2 * WINDOW_STEP);
        connection.send().await?;
        Ok(connection)
    }

    pub(super) async fn ask(&mut self) -> anyhow::Result<()> {
        let stream = self.next;
        self.next += 2;
        let block = self.header_block(stream);
        self.push(HEADERS, END_STREAM | END_HEADERS, stream, &block);
        self.send().await?;
        let mut answer = Answer::default();
        while !answer.complete {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the server has closed a connection");
            }
            self.read_frames(stream, &mut answer)?;
            // Acknowledgements must not wait for the next request.
            if !self.pending.is_empty() && !answer.complete {
                self.send().await?;
            }
        }
        if !answer.status || answer.body != BODY {
            bail!("an answer of {} bytes instead of {BODY}", answer.body);
        }
        self.consumed += answer.body;
        if self.consumed >= WINDOW_STEP {
            self.push_window(self.consumed);
            self.consumed = 0;
        }
        Ok(())
    }

    /// The fields of a request. The first one adds three of them to the server's table (RFC 7541, section 6.2.1).
    fn header_block(&self, stream: u32) -> Vec<u8> {
        // :method GET, :scheme, :path /
        let mut block = vec![0x82, self.scheme, 0x84];
        if stream > 1 {
            block.extend([0xc0, 0xbf, 0xbe]);
            return block;
        }
        for (name, value) in [(1, HOST), (58, "gatefold-bench"), (19, "*/*")] {
            block.extend([0x40 | name, value.len() as u8]);
            block.extend(value.as_bytes());
        }
        block
    }

    fn push(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        self.pending
            .extend([length[1], length[2], length[3], kind, flags]);
        self.pending.extend(stream.to_be_bytes());
        self.pending.extend(payload);
    }

    fn push_window(&mut self, bytes: usize) {
        self.push(WINDOW_UPDATE, 0, 0, &(bytes as u32).to_be_bytes());
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.pending).await?;
        self.pending.clear();
        Ok(self.stream.flush().await?)
    }

    /// Consumes all complete frames.
    fn read_frames(&mut self, stream: u32, answer: &mut Answer) -> anyhow::Result<()> {
        let received = std::mem::take(&mut self.received);
        let mut rest = received.as_slice();
        while let Some((frame, after)) = ReceivedFrame::parse(rest) {
            self.read_frame(&frame, stream, answer)?;
            rest = after;
        }
        let consumed = received.len() - rest.len();
        self.received = received;
        self.received.drain(..consumed);
        Ok(())
    }

    fn read_frame(
        &mut self,
        frame: &ReceivedFrame<'_>,
        stream: u32,
        answer: &mut Answer,
    ) -> anyhow::Result<()> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.push(SETTINGS, ACK, 0, &[]),
            PING if frame.flags & ACK == 0 => self.push(PING, ACK, 0, frame.payload),
            GOAWAY => bail!("the server ends a connection"),
            RST_STREAM => bail!("the server has reset a stream"),
            HEADERS | DATA if frame.stream != stream => bail!("an answer of another stream"),
            HEADERS | DATA if frame.flags & PADDED != 0 => bail!("padding isn't supported"),
            HEADERS if !answer.status => {
                let skipped = if frame.flags & PRIORITY == 0 { 0 } else { 5 };
                let block = frame.payload.get(skipped..).context("a short frame")?;
                answer.status = is_200(block);
                if !answer.status {
                    bail!("an answer other than 200");
                }
            }
            DATA => answer.body += frame.payload.len(),
            _ => {}
        }
        let ends = matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
        answer.complete |= ends;
        Ok(())
    }
}

/// Whether a header block begins with the indexed field `:status: 200`, after any changes of the table's size.
fn is_200(block: &[u8]) -> bool {
    let mut bytes = block.iter();
    while let Some(&byte) = bytes.next() {
        if byte & 0xe0 != 0x20 {
            return byte == 0x88;
        }
        // A size of 31 or more continues until a byte without the highest bit (RFC 7541, section 5.1).
        if byte & 0x1f == 0x1f {
            bytes.by_ref().find(|byte| **byte & 0x80 == 0);
        }
    }
    false
}

struct ReceivedFrame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl<'a> ReceivedFrame<'a> {
    /// The first frame and the bytes after it; `None` if it isn't complete.
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_first_chunk::<9>()?;
        let [a, b, c, kind, flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let (payload, rest) = rest.split_at_checked(length)?;
        let frame = ReceivedFrame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
            payload,
        };
        Some((frame, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_status_after_changes_of_the_tables_size() {
        assert!(is_200(&[0x88, 0x76]), "the status alone");
        assert!(is_200(&[0x20, 0x88]), "after a size of 0");
        assert!(is_200(&[0x3f, 0xe1, 0x1f, 0x88]), "after a size of 4,096");
        assert!(!is_200(&[0x8d]), "404 is another status");
    }

    #[test]
    fn waits_for_the_rest_of_a_frame() {
        let bytes = [0, 0, 2, DATA, END_STREAM, 0, 0, 0, 3, 7, 8, 9];
        let (frame, rest) = ReceivedFrame::parse(&bytes).expect("a frame");
        assert_eq!((frame.stream, frame.payload), (3, &[7, 8][..]));
        assert_eq!(rest, [9]);
        assert!(
            ReceivedFrame::parse(&bytes[..10]).is_none(),
            "a byte is missing"
        );
    }
}
