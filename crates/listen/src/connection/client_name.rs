//! The address of a client.

use http::HeaderValue;
use std::net::SocketAddr;

/// The address of a client, also as a header value without the port.
#[derive(Debug)]
pub(super) struct ClientName {
    pub address: SocketAddr,
    pub text: HeaderValue,
}

impl ClientName {
    /// An IPv4 address never has the form of an IPv6 address.
    pub fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        // Never fails: an address consists of digits, letters, dots and colons.
        let text = HeaderValue::try_from(ip.to_string());
        ClientName {
            address: SocketAddr::new(ip, address.port()),
            text: text.unwrap_or(HeaderValue::from_static("unknown")),
        }
    }
}
