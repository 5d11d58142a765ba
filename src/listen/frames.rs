//! HTTP/2 as far as its frames go (RFC 9113, section 4.1): whether a client is in the middle of something
//! that it has to finish.

/// The length of what a client begins with (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Length, type, flags and stream of a frame.
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// Follows what a client sends.
#[derive(Debug)]
pub(super) struct Frames {
    /// How much of the preface is still to come.
    preface: usize,
    /// The beginning of the next frame, as far as it has come.
    header: [u8; HEADER],
    have: usize,
    /// How much of the frame's payload is still to come.
    payload: usize,
    /// Data may come as slowly as it does: its reader has a deadline of its own.
    is_data: bool,
    /// A request's header is under way, and nothing else may come before its end.
    open_header: bool,
    /// The preface ends with a SETTINGS frame.
    settled: bool,
    last_stream: u32,
}

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
            header: [0; HEADER],
            have: 0,
            payload: 0,
            is_data: false,
            open_header: false,
            settled: false,
            last_stream: 0,
        }
    }

    /// Takes note of what has come.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Progress {
        let mut anew = self.is_between();
        while !bytes.is_empty() {
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

    fn is_between(&self) -> bool {
        let whole = self.have == 0 || (self.have == HEADER && self.is_data);
        self.settled && !self.open_header && whole
    }

    /// Takes one piece and gives what is left.
    fn step<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        if self.preface > 0 {
            return skip(&mut self.preface, bytes);
        }
        if self.have < HEADER {
            return self.take_header(bytes);
        }
        let rest = skip(&mut self.payload, bytes);
        if self.payload == 0 {
            self.end();
        }
        rest
    }

    fn take_header<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let length = bytes.len().min(HEADER - self.have);
        let end = self.have + length;
        let place = self.header.get_mut(self.have..end);
        let (Some(place), Some((came, rest))) = (place, bytes.split_at_checked(length)) else {
            return &[];
        };
        place.copy_from_slice(came);
        self.have = end;
        if self.have == HEADER {
            self.begin();
        }
        rest
    }

    fn begin(&mut self) {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.header;
        self.payload = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        self.is_data = kind == DATA;
        if kind == HEADERS {
            let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
            self.last_stream = self.last_stream.max(stream);
        }
        if matches!(kind, HEADERS | CONTINUATION) {
            self.open_header = flags & END_HEADERS == 0;
        }
        if self.payload == 0 {
            self.end();
        }
    }

    fn end(&mut self) {
        self.have = 0;
        self.settled = true;
    }
}

fn skip<'b>(count: &mut usize, bytes: &'b [u8]) -> &'b [u8] {
    let skipped = bytes.len().min(*count);
    *count -= skipped;
    bytes.get(skipped..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Progress::{Began, Between, Continued};
    use super::*;

    const SETTINGS: [u8; HEADER] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    fn frame(length: u8, kind: u8, flags: u8, stream: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, stream];
        frame.resize(HEADER + usize::from(length), 0);
        frame
    }

    /// After a preface.
    fn settled() -> Frames {
        let mut frames = Frames::new();
        assert_eq!(frames.read(&[b'x'; PREFACE]), Continued);
        assert_eq!(frames.read(&SETTINGS), Between);
        frames
    }

    #[test]
    fn a_preface_ends_with_its_settings() {
        let mut frames = Frames::new();
        for byte in [b'x'; PREFACE].iter().chain(&SETTINGS[..8]) {
            assert_eq!(frames.read(&[*byte]), Continued);
        }
        assert_eq!(frames.read(&SETTINGS[8..]), Between);
    }

    #[test]
    fn a_header_lasts_to_the_end_of_its_last_continuation() {
        let mut frames = settled();
        assert_eq!(frames.read(&frame(5, HEADERS, 0, 3)), Began);
        assert_eq!(frames.read(&frame(5, CONTINUATION, 0, 3)), Continued);
        assert_eq!(
            frames.read(&frame(0, CONTINUATION, END_HEADERS, 3)),
            Between
        );
        assert_eq!(frames.last_stream(), 3);
        assert_eq!(frames.read(&frame(5, HEADERS, END_HEADERS, 5)), Between);
        assert_eq!(frames.last_stream(), 5);
    }

    #[test]
    fn data_may_come_slowly_and_other_frames_may_not() {
        let mut frames = settled();
        let data = frame(9, DATA, 0, 1);
        assert_eq!(frames.read(&data[..4]), Began, "the frame's own header");
        assert_eq!(frames.read(&data[4..12]), Between);
        assert_eq!(frames.read(&data[12..]), Between);
        let update = frame(4, 8, 0, 1);
        assert_eq!(frames.read(&update[..10]), Began);
        assert_eq!(frames.read(&update[10..12]), Continued);
        let next: Vec<u8> = [&update[12..], &update[..3]].concat();
        assert_eq!(frames.read(&next), Began, "another one");
    }
}
