//! Addresses and ports that no other test uses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU8, Ordering};

/// A loopback address of its own, as Linux has the whole of 127.0.0.0/8: by process and by call, so that
/// tests can bind any port on it side by side.
pub fn own_address() -> IpAddr {
    static CALLS: AtomicU8 = AtomicU8::new(1);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // 127.0.0.0/9 belongs to people and to other tools.
    Ipv4Addr::new(127, 0x80 | high, low, call).into()
}

/// A port that the system says is free on this address. Nobody else binds on it, so it stays free.
pub fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind(SocketAddr::new(address, 0))
        .and_then(|listener| listener.local_addr())
        .unwrap_or_else(|error| panic!("no free port on {address}: {error}"))
        .port()
}
