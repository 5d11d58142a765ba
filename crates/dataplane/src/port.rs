//! What is served on a socket.

use crate::Listener;
use crate::hostname::HostMap;
use crate::tls::PortTls;
use std::sync::Arc;

/// The HTTP listeners of a port by hostname. A request belongs to the listener with the most specific hostname, and to
/// no other.
pub type HttpListeners = HostMap<Arc<Listener>>;

/// What is served on a socket, which listeners of several Gateways may share. A new protocol is a variant here.
#[derive(Debug)]
pub enum Port {
    /// HTTP without TLS.
    Http(HttpListeners),
    /// HTTP over TLS that is terminated here.
    Https(HttpListeners, PortTls),
}

impl Port {
    /// The listeners of a port that serves HTTP, with or without TLS.
    pub fn http(&self) -> Option<&HttpListeners> {
        match self {
            Port::Http(listeners) | Port::Https(listeners, _) => Some(listeners),
        }
    }

    /// The same as [`http`](Self::http), to be filled.
    pub fn http_mut(&mut self) -> Option<&mut HttpListeners> {
        match self {
            Port::Http(listeners) | Port::Https(listeners, _) => Some(listeners),
        }
    }

    /// The certificates of a port that terminates TLS.
    pub fn tls(&self) -> Option<&PortTls> {
        match self {
            Port::Https(_, tls) => Some(tls),
            Port::Http(_) => None,
        }
    }
}
