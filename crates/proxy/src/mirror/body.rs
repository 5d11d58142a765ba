//! The body of a request, passed to copies that may be slower than the backend.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum backlog of a body for a mirror that is slower than the backend, in bytes. With the maximum number of copies in
/// flight, this bounds the memory to 64 MiB.
const BACKLOG: usize = 256 * 1024;
/// Approximate overhead of a piece, in bytes. Without it, a backlog could have a quarter of a million one-byte pieces.
const PIECE: usize = 128;

/// The copies of a request that get its body.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    taps: Vec<Tap>,
    /// The number of bytes passed to the backend in the current attempt.
    position: usize,
    /// The number of bytes passed to the copies.
    copied: usize,
}

impl Copies {
    /// Adds copies. Nothing of the body has been read yet.
    pub(crate) fn add(&mut self, taps: Vec<Tap>) {
        self.taps.extend(taps);
    }

    /// Restarts the body for another attempt.
    pub(crate) fn rewind(&mut self) {
        self.position = 0;
    }

    /// Passes a piece of the body to the copies, unless they already have it from a previous attempt.
    pub(crate) fn offer(&mut self, piece: Option<&Bytes>, end: bool) {
        if let Some(piece) = piece {
            let known = self.copied.saturating_sub(self.position).min(piece.len());
            self.position += piece.len();
            self.copied = self.copied.max(self.position);
            let new = piece.slice(known..);
            if !new.is_empty() {
                self.taps.iter_mut().for_each(|tap| tap.offer(&new));
            }
        }
        if end {
            self.taps.iter_mut().for_each(Tap::end);
        }
    }
}

/// The sending end of a copy's body.
#[derive(Debug)]
pub(crate) struct Tap {
    /// `None` after the end, or if the copy was aborted.
    pieces: Option<UnboundedSender<Piece>>,
    /// One permit per byte, plus the overhead of each piece.
    room: Arc<Semaphore>,
    overrun: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes, with the permits that are released once they are sent.
    Bytes(Bytes, OwnedSemaphorePermit),
    End,
}

impl Tap {
    /// Returns both ends of a body. The flag is set if the body was aborted because its reader was too slow.
    pub(super) fn new() -> (Tap, UnboundedReceiver<Piece>, Arc<AtomicBool>) {
        let (sender, pieces) = unbounded_channel();
        let overrun = Arc::new(AtomicBool::new(false));
        let tap = Tap {
            pieces: Some(sender),
            room: Arc::new(Semaphore::new(BACKLOG)),
            overrun: overrun.clone(),
        };
        (tap, pieces, overrun)
    }

    fn offer(&mut self, bytes: &Bytes) {
        let Some(pieces) = &self.pieces else {
            return;
        };
        let permits = u32::try_from(bytes.len() + PIECE).unwrap_or(u32::MAX);
        match self.room.clone().try_acquire_many_owned(permits) {
            Ok(room) => {
                // Fails if the copy has failed.
                if pieces.send(Piece::Bytes(bytes.clone(), room)).is_err() {
                    self.pieces = None;
                }
            }
            Err(_) => {
                self.overrun.store(true, Ordering::Release);
                self.pieces = None;
            }
        }
    }

    fn end(&mut self) {
        if let Some(pieces) = self.pieces.take() {
            let _ = pieces.send(Piece::End);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_count_with_their_overhead() {
        let (mut tap, mut pieces, overrun) = Tap::new();
        let offered = (0..)
            .take_while(|_| {
                tap.offer(&Bytes::from_static(b"x"));
                !overrun.load(Ordering::Acquire)
            })
            .count();
        assert_eq!(offered, BACKLOG / (PIECE + 1));
        assert!(
            pieces.try_recv().is_ok(),
            "accepted pieces can still be read"
        );
    }
}
