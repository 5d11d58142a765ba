//! How much of a response Pingora reads before the client takes it.
//!
//! In: how many requests the client's connection has in flight, and what the client has offered to take. Out: the connections to endpoints that a request may use.
//! Pingora reads nine pieces ahead: four that are being written to the client, four between its two halves, and one in the
//! half that reads. This number can't be set, and no hook runs in that half. But a piece is never larger than what one
//! read of the endpoint's connection gives. So the connection bounds the memory that a stalled response keeps: over
//! HTTP/1.1 by its receive buffer, over HTTP/2 by the window of the stream. Figures: `docs/decisions/stalled-streams.md`.

use super::peer::Exchange;
use gatefold_listen::Windows;
use pingora_core::upstreams::peer::HttpPeer;

/// How much of a response is read before the client takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadAhead {
    /// As much as is good for throughput: pieces of up to 64 KiB, more than half a MiB in all.
    Full,
    /// About 50 KiB in all: the client's connection has many requests in flight, and may stall all of them.
    Little,
}

/// How many requests in flight of one client connection read ahead in full, whatever the client has offered to take. HTTP/1.1
/// clients have one.
const FULL: u32 = 3;

/// How many do if the client has offered to take all of it. It may still stop reading its connection: these and 90 others keep
/// 10 MB then.
const FULL_IF_OFFERED: u32 = 9;

/// What a response that is read ahead in full keeps at most if its client stops taking it, in bytes: nine pieces.
const FULL_SIZE: u32 = 9 * 64 * 1024;

/// The receive buffer of an HTTP/1.1 connection that reads little ahead, in bytes. One read gives about as much. It has room
/// for three segments of an Ethernet: with less the endpoint would depend on how soon a single one is acknowledged.
const RECEIVE_BUFFER: u32 = 5 * 1024;

/// The window of an HTTP/2 stream that reads little ahead, in bytes. A piece keeps the buffer that its frame was read into: two
/// frames of this size fit in one of the 8 KiB buffers that h2 reads into.
const HTTP2_STREAM_WINDOW: u32 = 4000;

/// Keeps connections that read little ahead apart in Pingora's pool; a bit beside those of [`super::peer`].
const LITTLE: u64 = 1 << 9;

impl ReadAhead {
    /// What suits a request when its client's connection has this many in flight, this one included, and the client takes
    /// so much.
    ///
    /// Those that read ahead in full count among the requests in flight until they end, so there are never more of them.
    pub(super) fn of(in_flight: u32, windows: Windows) -> Self {
        let is_offered =
            windows.of_new_streams >= FULL_SIZE && windows.of_connection / FULL_SIZE >= in_flight;
        if in_flight <= FULL || (in_flight <= FULL_IF_OFFERED && is_offered) {
            ReadAhead::Full
        } else {
            ReadAhead::Little
        }
    }

    /// Restricts a request to connections that read ahead as much. What follows an upgrade is not a response.
    pub(super) fn apply(self, peer: &mut HttpPeer, exchange: Exchange) {
        match (self, exchange) {
            (ReadAhead::Full, _) | (ReadAhead::Little, Exchange::Upgrade) => {}
            (ReadAhead::Little, Exchange::Http1) => peer.group_key ^= LITTLE,
            (ReadAhead::Little, Exchange::Http2) => {
                peer.group_key ^= LITTLE;
                peer.options.h2_stream_window_size = Some(HTTP2_STREAM_WINDOW);
            }
        }
    }

    /// The receive buffer for an HTTP/1.1 connection, `None` if the system chooses it.
    pub(super) fn receive_buffer(self) -> Option<u32> {
        match self {
            ReadAhead::Full => None,
            ReadAhead::Little => Some(RECEIVE_BUFFER),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timeouts;
    use pingora_core::upstreams::peer::Peer;
    use std::net::SocketAddr;

    #[test]
    fn responses_read_little_ahead_beyond_the_first_requests_of_a_connection() {
        let read_ahead = |in_flight| ReadAhead::of(in_flight, Windows::default());
        assert_eq!(read_ahead(1), ReadAhead::Full);
        assert_eq!(read_ahead(FULL), ReadAhead::Full);
        assert_eq!(read_ahead(FULL + 1), ReadAhead::Little);
        assert_eq!(read_ahead(u32::MAX), ReadAhead::Little);
    }

    #[test]
    fn more_responses_read_far_ahead_for_a_client_that_has_opened_its_windows() {
        let of = |in_flight, of_new_streams, of_connection| {
            let windows = Windows {
                of_new_streams,
                of_connection,
            };
            ReadAhead::of(in_flight, windows)
        };
        // Chrome's windows.
        assert_eq!(of(FULL_IF_OFFERED, 6 << 20, 15 << 20), ReadAhead::Full);
        assert_eq!(
            of(FULL_IF_OFFERED + 1, 6 << 20, 15 << 20),
            ReadAhead::Little
        );
        assert_eq!(of(8, FULL_SIZE - 1, u32::MAX), ReadAhead::Little);
        assert_eq!(of(8, u32::MAX, 8 * FULL_SIZE), ReadAhead::Full);
        assert_eq!(of(8, u32::MAX, 8 * FULL_SIZE - 1), ReadAhead::Little);
    }

    #[test]
    fn connections_that_read_little_ahead_are_pooled_apart() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 1));
        for exchange in [Exchange::Http1, Exchange::Http2] {
            let hash = |read_ahead: ReadAhead| {
                let peer = Timeouts::default().peer(endpoint, exchange, None);
                let mut peer = peer.expect("a peer");
                read_ahead.apply(&mut peer, exchange);
                peer.reuse_hash()
            };
            assert_eq!(hash(ReadAhead::Little), hash(ReadAhead::Little));
            assert_ne!(hash(ReadAhead::Little), hash(ReadAhead::Full));
        }
    }
}
