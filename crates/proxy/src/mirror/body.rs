//! A request's body on its way to copies that may be slower than the backend.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much of a body may wait for a mirror that is slower than the backend, in bytes. With the number of copies that
/// may be under way it bounds the memory: 64 MiB.
const BACKLOG: usize = 256 * 1024;
/// What a piece takes besides its bytes, about. Of pieces of a byte there could else be a quarter of a million.
const PIECE: usize = 128;

/// The copies of a request that get its body.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    taps: Vec<Tap>,
    /// How much of the body has gone to the backend in the try in hand.
    position: usize,
    /// How much of it the copies have got.
    copied: usize,
}

impl Copies {
    /// Adds copies, before any of the body has been read.
    pub(super) fn add(&mut self, taps: Vec<Tap>) {
        self.taps.extend(taps);
    }

    /// The request goes to a backend again: its body begins anew.
    pub(super) fn rewind(&mut self) {
        self.position = 0;
    }

    /// Gives them a piece of the body, unless it is one that they have got in a try before.
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

/// Where a copy gets its body from.
#[derive(Debug)]
pub(super) struct Tap {
    /// Gone after the end, or when the copy is given up.
    pieces: Option<UnboundedSender<Piece>>,
    /// A permit a byte, and some for each piece.
    room: Arc<Semaphore>,
    overrun: Arc<AtomicBool>,
}

#[derive(Debug)]
pub(super) enum Piece {
    /// Bytes, with their room, which is free again when they are sent.
    Bytes(Bytes, OwnedSemaphorePermit),
    End,
}

impl Tap {
    /// A body's two ends. The last one tells that it was given up since it came more slowly than it was offered.
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
                // Fails when the copy has failed.
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
    fn small_pieces_take_room_for_more_than_their_bytes() {
        let (mut tap, mut pieces, overrun) = Tap::new();
        let offered = (0..)
            .take_while(|_| {
                tap.offer(&Bytes::from_static(b"x"));
                !overrun.load(Ordering::Acquire)
            })
            .count();
        assert_eq!(offered, BACKLOG / (PIECE + 1));
        assert!(pieces.try_recv().is_ok(), "what was taken is still there");
    }
}
