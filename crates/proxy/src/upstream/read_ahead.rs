//! How much of a response Pingora reads before the client accepts it.
//!
//! In: the number of requests in flight on the client's connection, and its flow-control windows. Out: the connections to
//! endpoints that a request may use. Pingora reads nine pieces ahead: four being written to the client, four between its two
//! halves, and one in the reading half. This number can't be configured, and no hook runs in that half. But a piece is never
//! larger than one read of the endpoint's connection. So the connection bounds the memory of a stalled response: over HTTP/1.1
//! by its receive buffer, over HTTP/2 by the window of the stream. Figures: `docs/decisions/stalled-streams.md`.

use crate::upstream::peer::Exchange;
use crate::upstream::pool_key::{self, PoolFlag};
use gatefold_listen::Windows;
use pingora_core::upstreams::peer::HttpPeer;

/// How much of a response is read before the client accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadAhead {
    /// As much as is good for throughput: pieces of up to 64 KiB, more than half a MiB in total.
    Full,
    /// About 50 KiB in total: the client's connection has many requests in flight, all of which may stall.
    Little,
}

/// The number of requests in flight on a client connection that read ahead in full, whatever the client's windows. HTTP/1.1
/// clients have one.
const FULL: u32 = 3;

/// The same number if the client's windows have room for all of it. The client may still stop reading its connection; these
/// requests and 90 others then keep 10 MB.
const FULL_IF_OFFERED: u32 = 9;

/// Maximum memory of a stalled response that is read ahead in full, in bytes: nine pieces.
const FULL_SIZE: u32 = 9 * 64 * 1024;

/// The receive buffer of an HTTP/1.1 connection that reads little ahead, in bytes. One read returns about as much. It holds three
/// Ethernet segments; with less, the endpoint would depend on the delay of single acknowledgements.
const RECEIVE_BUFFER: u32 = 5 * 1024;

/// The window of an HTTP/2 stream that reads little ahead, in bytes. A piece keeps the buffer that its frame was read into: two
/// frames of this size fit into one of h2's 8 KiB buffers.
const HTTP2_STREAM_WINDOW: u32 = 4000;

impl ReadAhead {
    /// Returns the mode for a request, given the number of requests in flight on the client's connection, including this one,
    /// and the client's windows.
    ///
    /// Requests that read ahead in full count as in flight until they end, so their number never exceeds the limit.
    pub(crate) fn of(in_flight: u32, windows: Windows) -> Self {
        let is_offered =
            windows.of_new_streams >= FULL_SIZE && windows.of_connection / FULL_SIZE >= in_flight;
        if in_flight <= FULL || (in_flight <= FULL_IF_OFFERED && is_offered) {
            ReadAhead::Full
        } else {
            ReadAhead::Little
        }
    }

    /// Restricts a request to connections with the same mode. It doesn't apply after an upgrade.
    pub(crate) fn apply(self, peer: &mut HttpPeer, exchange: Exchange) {
        match (self, exchange) {
            (ReadAhead::Full, _) | (ReadAhead::Little, Exchange::Upgrade) => {}
            (ReadAhead::Little, Exchange::Http1) => pool_key::set(peer, PoolFlag::LittleReadAhead),
            (ReadAhead::Little, Exchange::Http2) => {
                pool_key::set(peer, PoolFlag::LittleReadAhead);
                peer.options.h2_stream_window_size = Some(HTTP2_STREAM_WINDOW);
            }
        }
    }

    /// Returns the receive buffer for an HTTP/1.1 connection. `None` lets the system choose.
    pub(crate) fn receive_buffer(self) -> Option<u32> {
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
    fn reads_little_ahead_beyond_the_first_requests_of_a_connection() {
        let read_ahead = |in_flight| ReadAhead::of(in_flight, Windows::default());
        assert_eq!(read_ahead(1), ReadAhead::Full);
        assert_eq!(read_ahead(FULL), ReadAhead::Full);
        assert_eq!(read_ahead(FULL + 1), ReadAhead::Little);
        assert_eq!(read_ahead(u32::MAX), ReadAhead::Little);
    }

    #[test]
    fn reads_further_ahead_if_the_client_has_large_windows() {
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
    fn connections_that_read_little_ahead_are_pooled_separately() {
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
