//! Addresses and ports that no other test uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

/// Returns an unused loopback address, which depends on the process and the call, so that concurrent tests can bind any
/// port on it. Linux provides all of 127.0.0.0/8.
pub fn own_address() -> IpAddr {
    static CALLS: AtomicU8 = AtomicU8::new(1);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // 127.0.0.0/9 is left to users and other tools.
    Ipv4Addr::new(127, 0x80 | high, low, call).into()
}

/// Returns a free port on this address, chosen by the system. No other test uses the address, so the port stays free.
pub fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind(SocketAddr::new(address, 0))
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no free port on {address}: {error}"))
        .port()
}
