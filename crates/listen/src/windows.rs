//! How much an HTTP/2 client has offered to take: its flow-control windows (RFC 9113, section 5.2).
//!
//! In: the payloads of its SETTINGS and WINDOW_UPDATE frames, and the length of the DATA that is written to it. Out: the
//! window that its streams begin with, and what is left of the window of its connection.

/// Both windows before the client has said anything (RFC 9113, section 6.9.2).
const DEFAULT: u32 = 65_535;
/// The setting of the window that streams begin with (RFC 9113, section 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

/// A frame that changes a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WindowFrame {
    /// SETTINGS, an entry of six bytes for each.
    Settings,
    /// WINDOW_UPDATE of the connection, four bytes.
    Update,
}

/// The windows of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// The bytes that the client takes on a stream that has just begun.
    pub of_new_streams: u32,
    /// The bytes that it still takes on all streams together, as far as they have been written.
    pub of_connection: u32,
}

impl Default for Windows {
    fn default() -> Self {
        Windows {
            of_new_streams: DEFAULT,
            of_connection: DEFAULT,
        }
    }
}

/// Follows the frames that change windows.
#[derive(Debug, Default)]
pub(super) struct WindowReader {
    windows: Windows,
    /// An entry, as far as it has come.
    entry: [u8; 6],
    have: usize,
}

impl WindowReader {
    pub(super) fn windows(&self) -> Windows {
        self.windows
    }

    /// Takes a piece of a frame's payload. Frames of a wrong length end the connection in Pingora.
    pub(super) fn read(&mut self, frame: WindowFrame, payload: &[u8]) {
        let length = match frame {
            WindowFrame::Settings => 6,
            WindowFrame::Update => 4,
        };
        for &byte in payload {
            if let Some(place) = self.entry.get_mut(self.have) {
                *place = byte;
            }
            self.have += 1;
            if self.have == length {
                self.have = 0;
                self.apply(frame);
            }
        }
    }

    /// Data has been written.
    pub(super) fn spend(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let left = &mut self.windows.of_connection;
        *left = left.saturating_sub(bytes);
    }

    fn apply(&mut self, frame: WindowFrame) {
        let [a, b, c, d, e, f] = self.entry;
        match frame {
            WindowFrame::Settings if u16::from_be_bytes([a, b]) == INITIAL_WINDOW_SIZE => {
                self.windows.of_new_streams = u32::from_be_bytes([c, d, e, f]);
            }
            WindowFrame::Settings => {}
            WindowFrame::Update => {
                let more = u32::from_be_bytes([a & 0x7f, b, c, d]);
                let left = &mut self.windows.of_connection;
                *left = left.saturating_add(more);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_settings_updates_and_data_in_pieces_of_every_size() {
        // MAX_CONCURRENT_STREAMS, then INITIAL_WINDOW_SIZE.
        let settings = [0, 3, 0, 0, 0, 100, 0, 4, 0, 0x60, 0, 0];
        let update = [0, 0xef, 0, 1];
        for size in 1..=settings.len() {
            let mut reader = WindowReader::default();
            assert_eq!(reader.windows(), Windows::default());
            for piece in settings.chunks(size) {
                reader.read(WindowFrame::Settings, piece);
            }
            for piece in update.chunks(size) {
                reader.read(WindowFrame::Update, piece);
            }
            reader.spend(65_536);
            let expected = Windows {
                of_new_streams: 6 << 20,
                of_connection: 0xef_0000,
            };
            assert_eq!(reader.windows(), expected, "pieces of {size} bytes");
        }
    }

    #[test]
    fn nothing_is_left_of_a_window_that_is_spent() {
        let mut reader = WindowReader::default();
        reader.spend(70_000);
        assert_eq!(reader.windows().of_connection, 0);
    }
}
