//! Reads the headers of HTTP/2 frames (RFC 9113, section 4.1) from input in pieces.

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITY: u8 = 0x20;

/// The size of a frame header: length, type, flags and stream.
pub(crate) const LENGTH: usize = 9;
/// The offset of the flags in a frame header.
pub(crate) const FLAGS: usize = 4;

/// A frame header, of which `have` bytes have been read.
#[derive(Debug, Default)]
pub(crate) struct FrameHeader {
    bytes: [u8; LENGTH],
    have: usize,
}

impl FrameHeader {
    /// Reads the missing bytes and returns the rest.
    pub(crate) fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let length = bytes.len().min(LENGTH - self.have);
        let end = self.have + length;
        let place = self.bytes.get_mut(self.have..end);
        let (Some(place), Some((came, rest))) = (place, bytes.split_at_checked(length)) else {
            return &[];
        };
        place.copy_from_slice(came);
        self.have = end;
        rest
    }

    /// Number of bytes read.
    pub(crate) fn have(&self) -> usize {
        self.have
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.have == LENGTH
    }

    /// Begins the next header. The fields of the last one stay readable until its first byte.
    pub(crate) fn clear(&mut self) {
        self.have = 0;
    }

    /// The length of the frame's payload.
    pub(crate) fn payload(&self) -> usize {
        let [l0, l1, l2, ..] = self.bytes;
        u32::from_be_bytes([0, l0, l1, l2]) as usize
    }

    pub(crate) fn kind(&self) -> u8 {
        let [_, _, _, kind, ..] = self.bytes;
        kind
    }

    pub(crate) fn has_flag(&self, flag: u8) -> bool {
        let [_, _, _, _, flags, ..] = self.bytes;
        flags & flag != 0
    }

    /// The stream identifier; 0 is the connection.
    pub(crate) fn stream(&self) -> u32 {
        let [.., s0, s1, s2, s3] = self.bytes;
        u32::from_be_bytes([s0 & 0x7f, s1, s2, s3])
    }

    /// Whether the frame belongs to a header block.
    pub(crate) fn is_of_header_block(&self) -> bool {
        matches!(self.kind(), HEADERS | CONTINUATION)
    }
}
