//! What the client of a connection is doing, for the deadlines.

use crate::clock::Tick;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the client of a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientPhase {
    /// The PROXY header or the TLS handshake is in progress.
    Handshake,
    /// The client hasn't sent anything yet.
    Fresh,
    /// The client has begun to send the header of an HTTP/1 request.
    Header,
    /// An HTTP/1 request is in flight.
    Busy,
    /// An HTTP/1 request was answered, and the next one hasn't begun.
    Idle,
    /// HTTP/2, between two frames, with or without requests in flight.
    Http2,
    /// HTTP/2, within a frame or a header block.
    Http2Frame,
}

impl ClientPhase {
    const ALL: [ClientPhase; 7] = [
        ClientPhase::Handshake,
        ClientPhase::Fresh,
        ClientPhase::Header,
        ClientPhase::Busy,
        ClientPhase::Idle,
        ClientPhase::Http2,
        ClientPhase::Http2Frame,
    ];

    /// Whether the client is known to speak HTTP/2.
    pub(crate) fn is_http2(self) -> bool {
        matches!(self, ClientPhase::Http2 | ClientPhase::Http2Frame)
    }
}

/// A phase and the tick in which it began. Both are in one word, so they are always consistent.
#[derive(Debug)]
pub(crate) struct PhaseCell(AtomicU64);

impl PhaseCell {
    pub(crate) fn new(phase: ClientPhase, since: Tick) -> Self {
        PhaseCell(AtomicU64::new(packed(phase, since)))
    }

    pub(crate) fn set(&self, phase: ClientPhase, since: Tick) {
        self.0.store(packed(phase, since), Ordering::Release);
    }

    pub(crate) fn get(&self) -> (ClientPhase, Tick) {
        let word = self.0.load(Ordering::Acquire);
        let index = usize::try_from(word & 7).unwrap_or_default();
        let phase = ClientPhase::ALL
            .get(index)
            .copied()
            .unwrap_or(ClientPhase::Busy);
        (phase, Tick::try_from(word >> 3).unwrap_or(Tick::MAX))
    }

    pub(crate) fn phase(&self) -> ClientPhase {
        self.get().0
    }
}

fn packed(phase: ClientPhase, since: Tick) -> u64 {
    u64::from(since) << 3 | phase as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_and_tick_is_read_as_it_was_stored() {
        for phase in ClientPhase::ALL {
            let state = PhaseCell::new(phase, Tick::MAX);
            assert_eq!(state.get(), (phase, Tick::MAX));
        }
    }
}
