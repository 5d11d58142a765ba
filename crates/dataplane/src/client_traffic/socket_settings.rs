//! How the connections of a listening socket are treated, before anything is known of their requests.
//!
//! Listeners of several Gateways may share a socket, so these settings belong to the socket and not to a listener. They apply to
//! connections that are accepted while they are in force.

use std::fmt;

/// How the connections of a socket are treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketSettings {
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
}

/// Whether connections begin with a PROXY header, which names the address of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They don't. A header is a malformed request.
    #[default]
    Off,
    /// They may. Without a header the client is the peer of the connection.
    Optional,
    /// They must. A connection without a header is closed.
    Required,
}

/// One line, for fixtures and readers.
impl fmt::Display for SocketSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SocketSettings { proxy_protocol } = self;
        match proxy_protocol {
            ProxyProtocol::Off => Ok(()),
            ProxyProtocol::Optional => f.write_str(", PROXY header optional"),
            ProxyProtocol::Required => f.write_str(", PROXY header required"),
        }
    }
}
