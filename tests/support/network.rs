//! Addresses and ports that no other test uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

/// Returns an unused loopback address, which depends on the process and the call, so that concurrent tests can bind any
/// port on it. Linux provides all of 127.0.0.0/8.
pub fn own_address() -> IpAddr {
    static CALLS: AtomicU8 = AtomicU8::new(1);
    own_network(CALLS.fetch_add(1, Ordering::Relaxed)).into()
}

/// Returns a range of sixteen loopback addresses for `--address-pool` that no other test uses.
pub fn own_pool() -> String {
    static CALLS: AtomicU8 = AtomicU8::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    // From the end, while single addresses are taken from the beginning.
    format!("{}/28", own_network(240 - 16 * (call % 8)))
}

/// An address in the network of this process.
fn own_network(host: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // 127.0.0.0/9 is left to users and other tools.
    Ipv4Addr::new(127, 0x80 | high, low, host)
}

/// Returns a free port on this address, chosen by the system. No other test uses the address, so the port stays free.
pub fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind(SocketAddr::new(address, 0))
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no free port on {address}: {error}"))
        .port()
}
