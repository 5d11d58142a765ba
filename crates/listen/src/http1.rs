//! HTTP/1 as far as its framing goes (RFC 9112): where each request of a client begins and ends.
//!
//! In: the bytes that a client sends. Out: the place of the first byte that must not reach Pingora, with the reason.
//! Pingora's parsers accept bare line feeds, chunks without a size and blanks in a target, which they escape. A second parser
//! behind it could read such bytes differently, so the request is refused here. What header fields mean is checked by
//! `proxy/request.rs`, which refuses every request whose length isn't certain.

use super::refusal::Refusal;
use std::mem;

/// The largest header of a request, request line included: what HTTP/2 allows here too. nginx takes 32 KiB, Envoy 60.
const LARGEST_HEADER: usize = 64 * 1024;
/// Pingora's parser has room for as many fields.
const MOST_FIELDS: usize = 256;
/// Pingora's bound of a chunk's size and extensions.
const LONGEST_CHUNK_LINE: usize = 8 * 1024;

/// Follows what a client sends.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    /// The beginning of a line whose end is still to come.
    partial: Vec<u8>,
    /// How many bytes of the header, of the chunk's line or of the trailers have come.
    seen: usize,
    fields: usize,
    framing: Framing,
    /// The number of complete headers. It wraps around.
    headers: u32,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    RequestLine,
    Field,
    /// So many bytes of a body.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailer,
    /// A body whose length isn't certain. The request is refused and the connection closed after the answer.
    Unbounded,
    /// Another protocol than HTTP.
    Tunnel,
}

/// What a header says about the length of the body.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    uncertain: bool,
    websocket: bool,
    head: bool,
}

/// Bytes that must not be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// How many bytes before them may be passed on: never the end of a line, so what is passed on is no whole message.
    pub(super) at: usize,
    pub(super) refusal: Refusal,
}

impl Requests {
    /// Follows the next bytes.
    ///
    /// # Errors
    ///
    /// If they are malformed. No further bytes may be given then.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            // Pingora closes a connection without an answer if it hasn't got a single byte of a request.
            let unseen = self.state == State::RequestLine && self.seen == 0;
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

    /// HTTP was left for another protocol.
    pub(super) fn leave(&mut self) {
        self.state = State::Tunnel;
    }

    /// Whether the last request wants to leave HTTP.
    pub(super) fn asks_to_leave(&self) -> bool {
        self.framing.websocket && self.state != State::Tunnel
    }

    /// Whether a part of the body is still to come, of the request that is the `begun`th one.
    pub(super) fn owes_body(&self, begun: u32) -> bool {
        match self.state {
            State::RequestLine | State::Field => false,
            State::Unbounded | State::Tunnel => true,
            State::Body(_)
            | State::ChunkSize
            | State::Chunk(_)
            | State::ChunkEnd
            | State::Trailer => self.headers == begun,
        }
    }

    /// Whether nothing has come after the `begun`th request.
    pub(super) fn is_at_end(&self, begun: u32) -> bool {
        self.headers == begun && !self.is_unfinished()
    }

    /// Whether the client may be in the middle of sending a request.
    pub(super) fn is_unfinished(&self) -> bool {
        match self.state {
            State::RequestLine => self.seen > 0,
            State::Tunnel => false,
            _ => true,
        }
    }

    /// Whether the request whose header came last is a HEAD request.
    pub(super) fn is_head(&self) -> bool {
        self.framing.head
    }

    /// Takes the next piece and returns its length.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self.state {
            State::Body(left) => {
                let (taken, left) = skip(left, bytes);
                match left {
                    0 => self.begin_request(),
                    left => self.state = State::Body(left),
                }
                Ok(taken)
            }
            State::Chunk(left) => {
                let (taken, left) = skip(left, bytes);
                self.state = match left {
                    0 => State::ChunkEnd,
                    left => State::Chunk(left),
                };
                Ok(taken)
            }
            State::Unbounded | State::Tunnel => Ok(bytes.len()),
            State::RequestLine
            | State::Field
            | State::ChunkSize
            | State::ChunkEnd
            | State::Trailer => self.take_line(bytes),
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
        // It is counted with its whole line.
        self.seen -= self.partial.len();
        let read = if self.partial.is_empty() {
            self.line(rest)
        } else {
            let mut whole = mem::take(&mut self.partial);
            whole.extend_from_slice(rest);
            let read = self.line(&whole);
            if self.state == State::Field {
                whole.clear();
                self.partial = whole;
            }
            read
        };
        read.map_err(|refusal| Malformed { at: end, refusal })?;
        Ok(length)
    }

    fn check_size(&self, more: usize) -> Result<(), Refusal> {
        let (most, refusal) = match self.state {
            State::RequestLine => (LARGEST_HEADER, Refusal::LongTarget),
            State::Field => (LARGEST_HEADER, Refusal::LargeHeader),
            State::Trailer => (LARGEST_HEADER, Refusal::LargeTrailer),
            _ => (LONGEST_CHUNK_LINE, Refusal::ChunkLine),
        };
        match self.seen + more > most {
            true => Err(refusal),
            false => Ok(()),
        }
    }

    /// Takes a line, whose line feed has been taken away.
    fn line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let length = line.len() + 1;
        let line = line.strip_suffix(b"\r").ok_or(Refusal::BareLineFeed)?;
        match self.state {
            // RFC 9112, section 2.2: empty lines before a request are ignored.
            State::RequestLine if line.is_empty() => self.seen += length,
            State::RequestLine => {
                self.framing = Framing {
                    head: line.starts_with(b"HEAD "),
                    ..Framing::default()
                };
                check_request_line(line)?;
                self.fields = 0;
                self.seen += length;
                self.state = State::Field;
            }
            State::Field if line.is_empty() => self.begin_body(),
            State::Field => {
                self.fields += 1;
                if self.fields > MOST_FIELDS {
                    return Err(Refusal::ManyFields);
                }
                self.framing.note(line);
                self.seen += length;
            }
            State::ChunkSize => {
                self.seen = 0;
                self.state = match chunk_size(line).ok_or(Refusal::ChunkLine)? {
                    0 => State::Trailer,
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd if line.is_empty() => {
                self.seen = 0;
                self.state = State::ChunkSize;
            }
            State::ChunkEnd => return Err(Refusal::ChunkEnd),
            State::Trailer if line.is_empty() => self.begin_request(),
            State::Trailer => {
                if !is_field(line) {
                    return Err(Refusal::Trailer);
                }
                self.seen += length;
            }
            State::Body(_) | State::Chunk(_) | State::Unbounded | State::Tunnel => {}
        }
        Ok(())
    }

    fn begin_request(&mut self) {
        self.seen = 0;
        self.state = State::RequestLine;
    }

    fn begin_body(&mut self) {
        self.seen = 0;
        // A header that came in pieces may have made it large.
        self.partial = Vec::new();
        self.headers = self.headers.wrapping_add(1);
        self.state = self.framing.body();
    }
}

impl Framing {
    /// Notes a field if it says something about the length.
    fn note(&mut self, field: &[u8]) {
        match field.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = value_of(field, b"content-length:") {
                    let length = decimal(value);
                    self.uncertain |= self.length.is_some() || length.is_none();
                    self.length = length;
                }
            }
            Some(b't') => {
                if let Some(value) = value_of(field, b"transfer-encoding:") {
                    self.uncertain |= self.chunked || !value.eq_ignore_ascii_case(b"chunked");
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

    /// What comes after the header (RFC 9112, section 6.3).
    fn body(self) -> State {
        match (self.chunked, self.length) {
            _ if self.uncertain => State::Unbounded,
            (true, Some(_)) => State::Unbounded,
            (true, None) => State::ChunkSize,
            (false, None | Some(0)) => State::RequestLine,
            (false, Some(length)) => State::Body(length),
        }
    }
}

/// `method SP request-target SP HTTP-version` (RFC 9112, section 3). What a method or a version is Pingora checks.
fn check_request_line(line: &[u8]) -> Result<(), Refusal> {
    let is_blank = |byte: &&u8| **byte <= b' ' || **byte == 0x7f;
    let mut parts = line.split(|&byte| byte == b' ');
    let parts = (parts.next(), parts.next(), parts.next());
    let whole = matches!(parts, (Some([_, ..]), Some([_, ..]), Some([_, ..])));
    // Two blanks and three parts: both blanks are spaces, and there is no control character.
    match whole && line.iter().filter(is_blank).count() == 2 {
        true => Ok(()),
        false => Err(Refusal::RequestLine),
    }
}

/// `chunk-size [ chunk-ext ]` (RFC 9112, section 7.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    let is_digit = |byte: &&u8| byte.is_ascii_hexdigit();
    let (digits, extensions) = line.split_at_checked(line.iter().take_while(is_digit).count())?;
    if !matches!(extensions.trim_ascii_start().first(), None | Some(b';')) || has_control(line) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// `field-name ":" field-value` (RFC 9112, section 5), as far as its bytes go.
fn is_field(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    let named = !name.is_empty() && name.len() < line.len();
    named && name.iter().all(u8::is_ascii_graphic) && !has_control(line)
}

fn has_control(line: &[u8]) -> bool {
    let is_control = |byte: &u8| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f;
    line.iter().any(is_control)
}

/// The value of a field that has this name, which is in lower case and ends with the colon.
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

/// How many bytes belong to what is left, and what is left after them.
fn skip(left: u64, bytes: &[u8]) -> (usize, u64) {
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    match left > length {
        true => (bytes.len(), left - length),
        false => (usize::try_from(left).unwrap_or(bytes.len()), 0),
    }
}

#[cfg(test)]
mod tests;
