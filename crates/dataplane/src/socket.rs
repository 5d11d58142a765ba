//! What identifies a listening socket.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// The transport protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A stream of bytes for each connection.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Identifies a listening socket: its address, port and transport. TCP and UDP sockets with the same address and port
/// are independent of each other.
///
/// It is displayed as `127.0.0.1:80`, followed by `/udp` for UDP.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketKey {
    /// The address and port that the socket is bound to. The address is unspecified if the socket listens on every
    /// interface.
    pub address: SocketAddr,
    /// The transport protocol.
    pub transport: Transport,
}

impl SocketKey {
    /// The key of a TCP socket.
    pub fn tcp(address: impl Into<SocketAddr>) -> Self {
        SocketKey {
            address: address.into(),
            transport: Transport::Tcp,
        }
    }

    /// The key of a UDP socket.
    pub fn udp(address: impl Into<SocketAddr>) -> Self {
        SocketKey {
            address: address.into(),
            transport: Transport::Udp,
        }
    }

    /// The IP address.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the key with the same port and transport, and with `ip` as its address.
    pub fn with_ip(self, ip: impl Into<IpAddr>) -> Self {
        SocketKey {
            address: SocketAddr::new(ip.into(), self.port()),
            ..self
        }
    }
}

/// Hashes the address only, since every request looks up its port: a TCP and a UDP socket with the same address are rare.
impl Hash for SocketKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}

impl fmt::Display for SocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport {
            Transport::Tcp => self.address.fmt(f),
            Transport::Udp => write!(f, "{}/udp", self.address),
        }
    }
}

/// The same as the displayed form, as for [`SocketAddr`].
impl fmt::Debug for SocketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_and_udp_sockets_with_the_same_port_differ() {
        let address = SocketAddr::from(([127, 0, 0, 1], 53));
        let (tcp, udp) = (SocketKey::tcp(address), SocketKey::udp(address));
        assert_ne!(tcp, udp);
        assert_eq!(tcp.to_string(), "127.0.0.1:53");
        assert_eq!(udp.to_string(), "127.0.0.1:53/udp");
    }
}
