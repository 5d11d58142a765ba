//! Follows the frames of an HTTP/2 client (RFC 9113, section 4.1).
//!
//! In: the bytes that a client sends. Out: whether the client is within a frame or a header block that it must finish; and
//! what Pingora doesn't handle in header blocks: `expect: 100-continue`, and pseudo-header fields in trailers.

use crate::http2::PREFACE;
use crate::http2::frame_header::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FLAGS, FrameHeader, HEADERS, PADDED, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use crate::http2::header_block::HeaderBlockScanner;
use crate::http2::open_bodies::OpenBodies;
use crate::http2::windows::{WindowFrame, WindowReader};

/// Follows the frames that a client sends.
#[derive(Debug)]
pub(crate) struct FrameReader {
    /// Bytes of the preface that haven't arrived.
    preface: usize,
    header: FrameHeader,
    /// Bytes of the frame's payload that haven't arrived.
    payload: usize,
    /// Whether the frame is DATA. A slow body isn't a slow frame: bodies have their own deadline.
    is_data: bool,
    /// Whether a header block has begun and not ended. No other frame may come in between.
    open_header: bool,
    /// Whether the SETTINGS frame that ends the preface has arrived.
    settled: bool,
    last_stream: u32,
    /// The offset of this frame in the bytes that are being read, and the position of its flags in them.
    offset: usize,
    flags: FlagsPlace,
    blocks: HeaderBlockScanner,
    block: HeaderBlock,
    /// Streams whose client waits for `100 Continue` before it sends a body.
    awaiting: Vec<u32>,
    malformed_trailers: Vec<FlagsPlace>,
    bodies: OpenBodies,
    /// The kind of the current frame, if it changes a tracked window.
    window: Option<WindowFrame>,
    windows: WindowReader,
}

/// The current header block.
#[derive(Debug, Default)]
struct HeaderBlock {
    stream: u32,
    is_trailers: bool,
    ends_stream: bool,
    /// Whether the length of the padding comes next.
    padded: bool,
    /// Bytes before the fields: the priority.
    lead: usize,
    /// Bytes of fields that the current frame still has.
    fields: usize,
    flags: FlagsPlace,
}

/// The position of a HEADERS frame's flags in the bytes read last; `None` if the flags were in an earlier read.
type FlagsPlace = Option<usize>;

/// Where the client is in its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameProgress {
    /// Between two frames, or within DATA.
    Between,
    /// Within a frame or header block that began in the bytes read last.
    Began,
    /// Within a frame or header block that began earlier.
    Continued,
}

impl FrameReader {
    /// Begins before the client's preface.
    pub(crate) fn new() -> Self {
        FrameReader {
            preface: PREFACE.len(),
            header: FrameHeader::default(),
            payload: 0,
            is_data: false,
            open_header: false,
            settled: false,
            last_stream: 0,
            offset: 0,
            flags: None,
            blocks: HeaderBlockScanner::default(),
            block: HeaderBlock::default(),
            awaiting: Vec::new(),
            malformed_trailers: Vec::new(),
            bodies: OpenBodies::default(),
            window: None,
            windows: WindowReader::default(),
        }
    }

    /// Follows the next bytes.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> FrameProgress {
        let mut anew = self.is_between();
        (self.flags, self.block.flags) = (None, None);
        let length = bytes.len();
        while !bytes.is_empty() {
            self.offset = length - bytes.len();
            bytes = self.step(bytes);
            anew |= self.is_between();
        }
        match (self.is_between(), anew) {
            (true, _) => FrameProgress::Between,
            (false, true) => FrameProgress::Began,
            (false, false) => FrameProgress::Continued,
        }
    }

    /// The highest stream on which the client has begun a request.
    pub(crate) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// The client's flow-control windows.
    pub(crate) fn windows(&mut self) -> &mut WindowReader {
        &mut self.windows
    }

    /// Streams whose client has begun to wait for `100 Continue` since the last call.
    pub(crate) fn take_awaiting(&mut self) -> impl Iterator<Item = u32> {
        self.awaiting.drain(..)
    }

    /// The flags of trailers with pseudo-header fields in the bytes read last. Without END_STREAM Pingora treats such trailers
    /// as the stream error that they are (RFC 9113, section 8.1).
    pub(crate) fn take_malformed_trailers(&mut self) -> impl Iterator<Item = FlagsPlace> {
        self.malformed_trailers.drain(..)
    }

    fn is_between(&self) -> bool {
        let whole = self.header.have() == 0 || (self.header.is_whole() && self.is_data);
        self.settled && !self.open_header && whole
    }

    /// Follows one part of a frame and returns the remaining bytes.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.preface > 0 {
            return skip(&mut self.preface, bytes);
        }
        if !self.header.is_whole() {
            return self.take_header(bytes);
        }
        if self.header.is_of_header_block() {
            let fields = bytes.get(..self.payload).unwrap_or(bytes);
            self.block.read(fields, &mut self.blocks);
        }
        if let Some(frame) = self.window {
            let payload = bytes.get(..self.payload).unwrap_or(bytes);
            self.windows.read(frame, payload);
        }
        let rest = skip(&mut self.payload, bytes);
        if self.payload == 0 {
            self.end();
        }
        rest
    }

    fn take_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let before = self.header.have();
        let rest = self.header.take(bytes);
        if (before..self.header.have()).contains(&FLAGS) {
            self.flags = Some(self.offset + FLAGS - before);
        }
        if self.header.is_whole() {
            self.begin();
        }
        rest
    }

    fn begin(&mut self) {
        let (kind, stream) = (self.header.kind(), self.header.stream());
        self.payload = self.header.payload();
        self.is_data = kind == DATA;
        self.window = match (kind, stream) {
            (SETTINGS, _) => Some(WindowFrame::Settings),
            (WINDOW_UPDATE, 0) => Some(WindowFrame::Update),
            _ => None,
        };
        let ends_stream = self.is_data && self.header.has_flag(END_STREAM);
        if ends_stream || kind == RST_STREAM {
            self.bodies.end(stream);
        }
        if kind == HEADERS {
            let is_trailers = stream <= self.last_stream;
            self.block.begin(&self.header, is_trailers);
            self.block.flags = self.flags;
            self.last_stream = self.last_stream.max(stream);
        }
        if kind == CONTINUATION {
            self.block.fields = self.payload;
        }
        if self.header.is_of_header_block() {
            self.open_header = !self.header.has_flag(END_HEADERS);
        }
        if self.payload == 0 {
            self.end();
        }
    }

    fn end(&mut self) {
        if self.header.is_of_header_block() && !self.open_header {
            self.end_block();
        }
        self.header.clear();
        self.settled = true;
    }

    fn end_block(&mut self) {
        let found = self.blocks.end();
        if self.block.is_trailers {
            if found.pseudo && self.bodies.is_open(self.block.stream) {
                self.malformed_trailers.push(self.block.flags);
            }
            self.bodies.end(self.block.stream);
        } else if !self.block.ends_stream {
            self.bodies.begin(self.block.stream);
            if found.awaits_continue {
                self.awaiting.push(self.block.stream);
            }
        }
    }
}

impl HeaderBlock {
    fn begin(&mut self, header: &FrameHeader, is_trailers: bool) {
        let padded = header.has_flag(PADDED);
        let priority = if header.has_flag(PRIORITY) { 5 } else { 0 };
        *self = HeaderBlock {
            stream: header.stream(),
            is_trailers,
            ends_stream: header.has_flag(END_STREAM),
            padded,
            lead: priority,
            fields: header
                .payload()
                .saturating_sub(usize::from(padded) + priority),
            ..*self
        };
    }

    /// Follows a part of a frame's payload (RFC 9113, section 6.2).
    fn read(&mut self, mut payload: &[u8], blocks: &mut HeaderBlockScanner) {
        if self.padded {
            let Some((&padding, rest)) = payload.split_first() else {
                return;
            };
            self.padded = false;
            self.fields = self.fields.saturating_sub(usize::from(padding));
            payload = rest;
        }
        let fields = skip(&mut self.lead, payload);
        let fields = fields.get(..self.fields).unwrap_or(fields);
        self.fields -= fields.len();
        blocks.read(fields);
    }
}

/// Skips up to `count` bytes, and subtracts those skipped from `count`.
fn skip<'b>(count: &mut usize, bytes: &'b [u8]) -> &'b [u8] {
    let skipped = bytes.len().min(*count);
    *count -= skipped;
    bytes.get(skipped..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
