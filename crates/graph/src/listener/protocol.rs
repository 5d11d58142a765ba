//! The protocols of listeners, and the kinds of routes that each of them serves.

use gatefold_dataplane::Transport;
use gatefold_manifest::Kind;

/// The protocol of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS that terminates at the listener.
    Https,
}

impl Protocol {
    /// Returns the transport of the sockets of listeners.
    pub fn transport(self) -> Transport {
        match self {
            Protocol::Http | Protocol::Https => Transport::Tcp,
        }
    }

    const ALL: &[Protocol] = &[Protocol::Http, Protocol::Https];

    /// Returns the protocol that a manifest calls `name`, or `None` if gatefold doesn't serve it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Protocol::ALL.iter().copied().find(|it| it.as_str() == name)
    }

    /// Returns the names of all protocols.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Protocol::ALL.iter().map(|protocol| protocol.as_str())
    }

    /// Returns the protocol as a manifest spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Http => "HTTP",
            Protocol::Https => "HTTPS",
        }
    }

    /// Returns the kinds of routes that listeners with this protocol serve.
    pub fn route_kinds(self) -> &'static [Kind] {
        match self {
            Protocol::Http | Protocol::Https => &[Kind::HTTPRoute, Kind::GRPCRoute],
        }
    }
}
