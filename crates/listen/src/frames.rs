//! HTTP/2 as far as its frames go (RFC 9113, section 4.1): whether a client is in the middle of something
//! that it has to finish, and what of its header blocks Pingora doesn't see to.

use super::frame_header::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, FLAGS, FrameHeader, HEADERS, PADDED, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE,
};
use super::header_block::HeaderBlocks;
use super::open_bodies::OpenBodies;
use super::windows::{WindowFrame, WindowReader};

/// The length of what a client begins with (RFC 9113, section 3.4).
const PREFACE: usize = 24;

/// Follows what a client sends.
#[derive(Debug)]
pub(super) struct Frames {
    /// How much of the preface is still to come.
    preface: usize,
    header: FrameHeader,
    /// How much of the frame's payload is still to come.
    payload: usize,
    /// Data may come as slowly as it does: its reader has a deadline of its own.
    is_data: bool,
    /// A request's header is under way, and nothing else may come before its end.
    open_header: bool,
    /// The preface ends with a SETTINGS frame.
    settled: bool,
    last_stream: u32,
    /// How much of what is read now came before this frame, and where its flags are.
    offset: usize,
    flags: FlagsPlace,
    blocks: HeaderBlocks,
    block: Block,
    /// Streams whose client waits for 100 before it sends a body.
    awaiting: Vec<u32>,
    malformed_trailers: Vec<FlagsPlace>,
    bodies: OpenBodies,
    /// The frame under way, if it changes a window that is followed.
    window: Option<WindowFrame>,
    windows: WindowReader,
}

/// A header block that is under way.
#[derive(Debug, Default)]
struct Block {
    stream: u32,
    is_trailers: bool,
    ends_stream: bool,
    /// Whether the length of the padding comes next, and how much comes before the fields.
    padded: bool,
    lead: usize,
    /// How many bytes of fields the frame still has.
    fields: usize,
    flags: FlagsPlace,
}

/// Where the flags of a HEADERS frame are in what was read last; `None` if they have been passed on before.
type FlagsPlace = Option<usize>;

/// Where a client is after what it has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It owes nothing.
    Between,
    /// It has begun something in what it sent just now.
    Began,
    /// It is still at what it began before.
    Continued,
}

impl Frames {
    /// Nothing has come yet.
    pub(super) fn new() -> Self {
        Frames {
            preface: PREFACE,
            header: FrameHeader::default(),
            payload: 0,
            is_data: false,
            open_header: false,
            settled: false,
            last_stream: 0,
            offset: 0,
            flags: None,
            blocks: HeaderBlocks::default(),
            block: Block::default(),
            awaiting: Vec::new(),
            malformed_trailers: Vec::new(),
            bodies: OpenBodies::default(),
            window: None,
            windows: WindowReader::default(),
        }
    }

    /// Takes note of what has come.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Progress {
        let mut anew = self.is_between();
        (self.flags, self.block.flags) = (None, None);
        let length = bytes.len();
        while !bytes.is_empty() {
            self.offset = length - bytes.len();
            bytes = self.step(bytes);
            anew |= self.is_between();
        }
        match (self.is_between(), anew) {
            (true, _) => Progress::Between,
            (false, true) => Progress::Began,
            (false, false) => Progress::Continued,
        }
    }

    /// The highest stream that the client has begun a request on.
    pub(super) fn last_stream(&self) -> u32 {
        self.last_stream
    }

    /// What the client takes on its streams.
    pub(super) fn windows(&mut self) -> &mut WindowReader {
        &mut self.windows
    }

    /// The streams whose client waits for 100, since the last call.
    pub(super) fn take_awaiting(&mut self) -> impl Iterator<Item = u32> {
        self.awaiting.drain(..)
    }

    /// Trailers with pseudo-header fields in what was read last. Without END_STREAM they are an error of their stream for
    /// Pingora, too (RFC 9113, section 8.1).
    pub(super) fn take_malformed_trailers(&mut self) -> impl Iterator<Item = FlagsPlace> {
        self.malformed_trailers.drain(..)
    }

    fn is_between(&self) -> bool {
        let whole = self.header.have() == 0 || (self.header.is_whole() && self.is_data);
        self.settled && !self.open_header && whole
    }

    /// Takes one piece and gives what is left.
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

impl Block {
    fn begin(&mut self, header: &FrameHeader, is_trailers: bool) {
        let padded = header.has_flag(PADDED);
        let priority = if header.has_flag(PRIORITY) { 5 } else { 0 };
        *self = Block {
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

    /// Takes a piece of a frame's payload (RFC 9113, section 6.2).
    fn read(&mut self, mut payload: &[u8], blocks: &mut HeaderBlocks) {
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

fn skip<'b>(count: &mut usize, bytes: &'b [u8]) -> &'b [u8] {
    let skipped = bytes.len().min(*count);
    *count -= skipped;
    bytes.get(skipped..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
