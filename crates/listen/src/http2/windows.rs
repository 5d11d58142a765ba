//! The flow-control windows of an HTTP/2 client (RFC 9113, section 5.2).
//!
//! In: the payloads of its SETTINGS and WINDOW_UPDATE frames, and the length of the DATA written to it. Out: the initial
//! window of its streams, and what is left of the connection's window.

use std::sync::atomic::{AtomicU32, Ordering};

/// The initial size of both windows (RFC 9113, section 6.9.2).
const DEFAULT: u32 = 65_535;
/// The setting for the initial window of streams (RFC 9113, section 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

/// A frame that changes a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowFrame {
    /// SETTINGS: entries of six bytes.
    Settings,
    /// WINDOW_UPDATE of the connection: four bytes.
    Update,
}

/// The flow-control windows of an HTTP/2 client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Bytes that the client accepts on a new stream.
    pub of_new_streams: u32,
    /// Bytes that the client still accepts on all streams together, minus those already written.
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

/// The windows of a client, written by its stream and read when a request begins.
#[derive(Debug)]
pub(crate) struct SharedWindows {
    of_new_streams: AtomicU32,
    of_connection: AtomicU32,
}

impl Default for SharedWindows {
    fn default() -> Self {
        SharedWindows {
            of_new_streams: AtomicU32::new(DEFAULT),
            of_connection: AtomicU32::new(DEFAULT),
        }
    }
}

impl SharedWindows {
    pub(crate) fn set(&self, windows: Windows) {
        self.of_new_streams
            .store(windows.of_new_streams, Ordering::Relaxed);
        self.of_connection
            .store(windows.of_connection, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Windows {
        Windows {
            of_new_streams: self.of_new_streams.load(Ordering::Relaxed),
            of_connection: self.of_connection.load(Ordering::Relaxed),
        }
    }
}

/// Follows the frames that change windows.
#[derive(Debug, Default)]
pub(crate) struct WindowReader {
    windows: Windows,
    /// The current entry, and how many of its bytes have been read.
    entry: [u8; 6],
    have: usize,
}

impl WindowReader {
    pub(crate) fn windows(&self) -> Windows {
        self.windows
    }

    /// Reads a part of a frame's payload. Pingora ends the connection for a frame of a wrong length.
    pub(crate) fn read(&mut self, frame: WindowFrame, payload: &[u8]) {
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

    /// Records that `bytes` of DATA have been written.
    pub(crate) fn spend(&mut self, bytes: usize) {
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
    fn follows_settings_updates_and_data_in_pieces_of_every_size() {
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
    fn spent_window_stays_at_zero() {
        let mut reader = WindowReader::default();
        reader.spend(70_000);
        assert_eq!(reader.windows().of_connection, 0);
    }
}
