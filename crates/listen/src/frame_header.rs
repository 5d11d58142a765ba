//! Reads the headers of HTTP/2 frames (RFC 9113, section 4.1) from input in pieces.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 0x20;

/// The size of a frame header: length, type, flags and stream.
pub(super) const LENGTH: usize = 9;
/// The offset of the flags in a frame header.
pub(super) const FLAGS: usize = 4;

/// A frame header, of which `have` bytes have been read.
#[derive(Debug, Default)]
pub(super) struct FrameHeader {
    bytes: [u8; LENGTH],
    have: usize,
}

impl FrameHeader {
    /// Reads the missing bytes and returns the rest.
    pub(super) fn take<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
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
    pub(super) fn have(&self) -> usize {
        self.have
    }

    pub(super) fn is_whole(&self) -> bool {
        self.have == LENGTH
    }

    /// Begins the next header. The fields of the last one stay readable until its first byte.
    pub(super) fn clear(&mut self) {
        self.have = 0;
    }

    /// The length of the frame's payload.
    pub(super) fn payload(&self) -> usize {
        let [l0, l1, l2, ..] = self.bytes;
        u32::from_be_bytes([0, l0, l1, l2]) as usize
    }

    pub(super) fn kind(&self) -> u8 {
        let [_, _, _, kind, ..] = self.bytes;
        kind
    }

    pub(super) fn has_flag(&self, flag: u8) -> bool {
        let [_, _, _, _, flags, ..] = self.bytes;
        flags & flag != 0
    }

    /// The stream identifier; 0 is the connection.
    pub(super) fn stream(&self) -> u32 {
        let [.., s0, s1, s2, s3] = self.bytes;
        u32::from_be_bytes([s0 & 0x7f, s1, s2, s3])
    }

    /// Whether the frame belongs to a header block.
    pub(super) fn is_of_header_block(&self) -> bool {
        matches!(self.kind(), HEADERS | CONTINUATION)
    }
}
