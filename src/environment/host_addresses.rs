//! Addresses of this host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The addresses at which this host can be reached if a socket listens on all of them: the source addresses of its
/// default routes, or loopback if it has none. Sends no packets.
pub(crate) fn reachable() -> Vec<IpAddr> {
    // TEST-NET-1 and the documentation prefix (RFC 5737, RFC 3849): connecting a datagram socket only
    // chooses a route.
    let ways: [(SocketAddr, SocketAddr); 2] = [
        (
            (Ipv4Addr::UNSPECIFIED, 0).into(),
            (Ipv4Addr::new(192, 0, 2, 1), 9).into(),
        ),
        (
            (Ipv6Addr::UNSPECIFIED, 0).into(),
            (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into(),
        ),
    ];
    let found: Vec<IpAddr> = ways
        .into_iter()
        .filter_map(|(from, to)| {
            let socket = UdpSocket::bind(from).ok()?;
            socket.connect(to).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
        .collect();
    if found.is_empty() {
        return vec![Ipv4Addr::LOCALHOST.into()];
    }
    found
}
