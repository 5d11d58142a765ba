//! The keys that separate connections in Pingora's pool (`HttpPeer::group_key`), beside the address and the protocol.
//!
//! Bit 63 marks a connection for a single request. Bits 16 to 62 are the id of the TLS settings, or the number of the single
//! request. The bits below 16 are [`PoolFlag`]s.

use gatefold_dataplane::backend_tls::BackendTls;
use pingora_core::upstreams::peer::HttpPeer;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NUMBER_SHIFT: u32 = 16;
const FLAGS: u64 = (1 << NUMBER_SHIFT) - 1;
const SINGLE_REQUEST: u64 = 1 << 63;

/// How long a connection that no other request can use stays in the pool.
const UNUSABLE_IDLE: Duration = Duration::from_secs(1);

/// A property in which connections of the pool differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolFlag {
    /// The connection speaks HTTP/2. An endpoint may change its protocol.
    Http2 = 1 << 0,
    /// A deadline may abort the connection.
    Timed = 1 << 1,
    /// The connection reads little ahead.
    LittleReadAhead = 1 << 2,
}

/// Restricts a peer to connections with a property.
pub(crate) fn set(peer: &mut HttpPeer, flag: PoolFlag) {
    peer.group_key |= flag as u64;
}

/// Restricts a peer to connections with these TLS settings.
pub(crate) fn set_tls(peer: &mut HttpPeer, tls: &BackendTls) {
    peer.group_key = (peer.group_key & FLAGS) | tls.id << NUMBER_SHIFT;
}

/// Restricts a peer to a connection that no other request ever gets. Pingora has no other way to require a new connection:
/// it returns to the pool under the key that it was requested with.
pub(crate) fn set_single_request(peer: &mut HttpPeer) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) << NUMBER_SHIFT;
    peer.group_key = SINGLE_REQUEST | number | (peer.group_key & FLAGS);
    peer.options.idle_timeout = Some(UNUSABLE_IDLE);
}
