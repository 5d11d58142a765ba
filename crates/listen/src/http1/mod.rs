//! Follows the framing of HTTP/1 requests (RFC 9112): where each request of a client begins and ends.
//!
//! In: the bytes that a client sends. Out: the position of the first byte that must not reach Pingora, with the reason.
//! Pingora's parsers accept bare line feeds, chunks without a size, and spaces in a target, which they escape. A backend
//! could parse such bytes differently, so these requests are refused here. The meaning of header fields is checked by the
//! proxy, which refuses every request whose length is ambiguous.

use crate::http_stream::framing_error::FramingError;
use std::mem;

/// Maximum size of a request header, including the request line. HTTP/2 has the same limit here. nginx allows 32 KiB,
/// Envoy 60.
const MAX_HEADER: usize = 64 * 1024;
/// Maximum number of header fields, which is that of Pingora's parser.
const MAX_FIELDS: usize = 256;
/// Maximum length of a chunk's size and extensions, which is that of Pingora.
const MAX_CHUNK_LINE: usize = 8 * 1024;

/// Follows the requests that a client sends.
#[derive(Debug, Default)]
pub(crate) struct RequestReader {
    state: RequestPart,
    /// The beginning of a line whose end hasn't arrived.
    partial: Vec<u8>,
    /// Bytes of the current header, chunk line or trailers that have arrived.
    seen: usize,
    fields: usize,
    framing: Framing,
    /// Number of complete headers. It wraps around.
    headers: u32,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RequestPart {
    #[default]
    RequestLine,
    Field,
    /// A body with so many bytes left.
    Body(u64),
    ChunkSize,
    /// A chunk with so many bytes left.
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// A body of ambiguous length. The proxy refuses the request and closes the connection after its answer.
    Unbounded,
    /// A protocol other than HTTP.
    Tunnel,
}

/// The fields of a header that determine what follows it.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    ambiguous: bool,
    websocket: bool,
    head: bool,
}

/// Bytes that must not reach Pingora.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Number of bytes before them that may be passed on. They never include the end of the malformed line, so Pingora never
    /// gets a complete message.
    pub(crate) at: usize,
    pub(crate) refusal: FramingError,
}

impl RequestReader {
    /// Follows the next bytes.
    ///
    /// # Errors
    ///
    /// If they are malformed. Don't call this again then.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            // Pingora must get at least one byte of a request, or it closes the connection without an answer.
            let unseen = self.state == RequestPart::RequestLine && self.seen == 0;
            match self.step(rest) {
                Ok(taken) => at += taken,
                Err(Malformed { at: more, refusal }) => {
                    let at = at + more.max(usize::from(unseen));
                    return Err(Malformed { at, refusal });
                }
            }
        }
        Ok(())
    }

    /// Stops following: the connection has switched to another protocol.
    pub(crate) fn leave(&mut self) {
        self.state = RequestPart::Tunnel;
    }

    /// Whether the last request asks to switch to another protocol.
    pub(crate) fn asks_to_leave(&self) -> bool {
        self.framing.websocket && self.state != RequestPart::Tunnel
    }

    /// Whether a part of the body of request number `begun` hasn't arrived.
    pub(crate) fn owes_body(&self, begun: u32) -> bool {
        match self.state {
            RequestPart::RequestLine | RequestPart::Field => false,
            RequestPart::Unbounded | RequestPart::Tunnel => true,
            RequestPart::Body(_)
            | RequestPart::ChunkSize
            | RequestPart::Chunk(_)
            | RequestPart::ChunkEnd
            | RequestPart::Trailer => self.headers == begun,
        }
    }

    /// Whether nothing has arrived after request number `begun`.
    pub(crate) fn is_at_end(&self, begun: u32) -> bool {
        self.headers == begun && !self.is_unfinished()
    }

    /// Whether the client may be in the middle of sending a request.
    pub(crate) fn is_unfinished(&self) -> bool {
        match self.state {
            RequestPart::RequestLine => self.seen > 0,
            RequestPart::Tunnel => false,
            RequestPart::Field
            | RequestPart::Body(_)
            | RequestPart::ChunkSize
            | RequestPart::Chunk(_)
            | RequestPart::ChunkEnd
            | RequestPart::Trailer
            | RequestPart::Unbounded => true,
        }
    }

    /// Whether the last request is a HEAD request.
    pub(crate) fn is_head(&self) -> bool {
        self.framing.head
    }

    /// Follows the next part of a request and returns its length.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self.state {
            RequestPart::Body(left) => {
                let (taken, left) = skip(left, bytes);
                match left {
                    0 => self.begin_request(),
                    left => self.state = RequestPart::Body(left),
                }
                Ok(taken)
            }
            RequestPart::Chunk(left) => {
                let (taken, left) = skip(left, bytes);
                self.state = match left {
                    0 => RequestPart::ChunkEnd,
                    left => RequestPart::Chunk(left),
                };
                Ok(taken)
            }
            RequestPart::Unbounded | RequestPart::Tunnel => Ok(bytes.len()),
            RequestPart::RequestLine
            | RequestPart::Field
            | RequestPart::ChunkSize
            | RequestPart::ChunkEnd
            | RequestPart::Trailer => self.take_line(bytes),
        }
    }

    fn take_line(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let end = memchr::memchr(b'\n', bytes);
        let length = end.map_or(bytes.len(), |end| end + 1);
        self.check_size(length)
            .map_err(|refusal| Malformed { at: 0, refusal })?;
        let Some(end) = end else {
            self.partial.extend_from_slice(bytes);
            self.seen += length;
            return Ok(length);
        };
        let rest = bytes.get(..end).unwrap_or_default();
        // `line` counts the whole line, so don't count its beginning twice.
        self.seen -= self.partial.len();
        let read = if self.partial.is_empty() {
            self.line(rest)
        } else {
            let mut whole = mem::take(&mut self.partial);
            whole.extend_from_slice(rest);
            let read = self.line(&whole);
            if self.state == RequestPart::Field {
                whole.clear();
                self.partial = whole;
            }
            read
        };
        read.map_err(|refusal| Malformed { at: end, refusal })?;
        Ok(length)
    }

    fn check_size(&self, more: usize) -> Result<(), FramingError> {
        let (limit, refusal) = match self.state {
            RequestPart::RequestLine => (MAX_HEADER, FramingError::LongTarget),
            RequestPart::Field => (MAX_HEADER, FramingError::LargeHeader),
            RequestPart::Trailer => (MAX_HEADER, FramingError::LargeTrailer),
            RequestPart::ChunkSize | RequestPart::ChunkEnd => {
                (MAX_CHUNK_LINE, FramingError::ChunkLine)
            }
            // These don't consist of lines.
            RequestPart::Body(_)
            | RequestPart::Chunk(_)
            | RequestPart::Unbounded
            | RequestPart::Tunnel => return Ok(()),
        };
        if self.seen + more > limit {
            Err(refusal)
        } else {
            Ok(())
        }
    }

    /// Follows a line, without its line feed.
    fn line(&mut self, line: &[u8]) -> Result<(), FramingError> {
        let length = line.len() + 1;
        let line = line.strip_suffix(b"\r").ok_or(FramingError::BareLineFeed)?;
        match self.state {
            // RFC 9112, section 2.2: empty lines before a request are ignored.
            RequestPart::RequestLine if line.is_empty() => self.seen += length,
            RequestPart::RequestLine => {
                self.framing = Framing {
                    head: line.starts_with(b"HEAD "),
                    ..Framing::default()
                };
                check_request_line(line)?;
                self.fields = 0;
                self.seen += length;
                self.state = RequestPart::Field;
            }
            RequestPart::Field if line.is_empty() => self.begin_body(),
            RequestPart::Field => {
                self.fields += 1;
                if self.fields > MAX_FIELDS {
                    return Err(FramingError::ManyFields);
                }
                self.framing.note(line);
                self.seen += length;
            }
            RequestPart::ChunkSize => self.begin_chunk(line)?,
            RequestPart::ChunkEnd if line.is_empty() => {
                self.seen = 0;
                self.state = RequestPart::ChunkSize;
            }
            RequestPart::ChunkEnd => return Err(FramingError::ChunkEnd),
            RequestPart::Trailer if line.is_empty() => self.begin_request(),
            RequestPart::Trailer => {
                if !is_field(line) {
                    return Err(FramingError::Trailer);
                }
                self.seen += length;
            }
            RequestPart::Body(_)
            | RequestPart::Chunk(_)
            | RequestPart::Unbounded
            | RequestPart::Tunnel => {}
        }
        Ok(())
    }

    fn begin_request(&mut self) {
        self.seen = 0;
        self.state = RequestPart::RequestLine;
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), FramingError> {
        self.seen = 0;
        self.state = match chunk_size(line).ok_or(FramingError::ChunkLine)? {
            0 => RequestPart::Trailer,
            size => RequestPart::Chunk(size),
        };
        Ok(())
    }

    fn begin_body(&mut self) {
        self.seen = 0;
        // Free the buffer: a header that arrived in pieces may have made it large.
        self.partial = Vec::new();
        self.headers = self.headers.wrapping_add(1);
        self.state = self.framing.body();
    }
}

impl Framing {
    /// Records a field that determines what follows the header.
    fn note(&mut self, field: &[u8]) {
        match field.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = value_of(field, b"content-length:") {
                    let length = decimal(value);
                    self.ambiguous |= self.length.is_some() || length.is_none();
                    self.length = length;
                }
            }
            Some(b't') => {
                if let Some(value) = value_of(field, b"transfer-encoding:") {
                    self.ambiguous |= self.chunked || !value.eq_ignore_ascii_case(b"chunked");
                    self.chunked = true;
                }
            }
            Some(b'u') => {
                if let Some(value) = value_of(field, b"upgrade:") {
                    self.websocket |= value.eq_ignore_ascii_case(b"websocket");
                }
            }
            _ => {}
        }
    }

    /// What follows the header (RFC 9112, section 6.3).
    fn body(self) -> RequestPart {
        match (self.chunked, self.length) {
            _ if self.ambiguous => RequestPart::Unbounded,
            (true, Some(_)) => RequestPart::Unbounded,
            (true, None) => RequestPart::ChunkSize,
            (false, None | Some(0)) => RequestPart::RequestLine,
            (false, Some(length)) => RequestPart::Body(length),
        }
    }
}

/// Checks for `method SP request-target SP HTTP-version` (RFC 9112, section 3). Pingora checks the method and the version.
fn check_request_line(line: &[u8]) -> Result<(), FramingError> {
    let is_blank = |byte: &&u8| **byte <= b' ' || **byte == 0x7f;
    let mut parts = line.split(|&byte| byte == b' ');
    let parts = (parts.next(), parts.next(), parts.next());
    let has_parts = matches!(parts, (Some([_, ..]), Some([_, ..]), Some([_, ..])));
    // Three parts and exactly two blanks: the blanks are the two spaces, and there are no control characters.
    if has_parts && line.iter().filter(is_blank).count() == 2 {
        Ok(())
    } else {
        Err(FramingError::RequestLine)
    }
}

/// Parses `chunk-size [ chunk-ext ]` (RFC 9112, section 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    let (digits, extensions) = line.split_at_checked(line.iter().take_while(is_digit).count())?;
    if !matches!(extensions.trim_ascii_start().first(), None | Some(b';')) || has_control(line) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether the bytes of a line are allowed in `field-name ":" field-value` (RFC 9112, section 5).
fn is_field(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    let named = !name.is_empty() && name.len() < line.len();
    named && name.iter().all(u8::is_ascii_graphic) && !has_control(line)
}

fn has_control(line: &[u8]) -> bool {
    let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    line.iter().any(is_control)
}

/// Returns the value of a field if it has this name. `name` is in lower case and includes the colon.
fn value_of<'f>(field: &'f [u8], name: &[u8]) -> Option<&'f [u8]> {
    let (found, value) = field.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

fn decimal(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value)
        .ok()
        .filter(|_| digits)?
        .parse()
        .ok()
}

/// Returns how many of the bytes belong to the `left` remaining ones, and how many remain after them.
fn skip(left: u64, bytes: &[u8]) -> (usize, u64) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if left > length {
        (bytes.len(), left - length)
    } else {
        (usize::try_from(left).unwrap_or(bytes.len()), 0)
    }
}

#[cfg(test)]
mod tests;
