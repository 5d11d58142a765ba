//! The address of a request's client, behind proxies that name it in a header.
//!
//! In: the peer of the connection and the request's headers. Out: the address by which rules and logs identify the client, and
//! whether what the request says of its way can be believed. The rules are those of Envoy's extensions
//! `envoy.http.original_ip_detection.xff` and `custom_header`, as Envoy Gateway configures them
//! (`internal/xds/translator/listener.go`).

use crate::filter::security::authorization::ClientNetwork;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where the address of a client comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AddressSource {
    /// The client is the peer of the connection.
    #[default]
    Peer,
    /// The client is the address at this position of `X-Forwarded-For`, counted from the right, from 1. If the list is shorter, or
    /// the text there isn't an address, the client is the peer.
    Hops(NonZeroUsize),
    /// If the peer is in one of these networks, the client is the rightmost address of `X-Forwarded-For` outside of them, or the
    /// leftmost if none is outside. If a text on the way there isn't an address, the client is the peer.
    TrustedNetworks(Box<[ClientNetwork]>),
    /// The client is the address in this header.
    Header {
        /// The name of the header.
        name: HeaderName,
        /// What happens if the request doesn't have an address there.
        without: WithoutAddress,
    },
}

/// What happens to a request whose header should have the address of the client, and hasn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutAddress {
    /// The client is the peer.
    Peer,
    /// The request is answered 403.
    Deny,
}

/// The client of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The address. An IPv4 address never has the form of an IPv6 address.
    pub address: IpAddr,
    /// Whether the peer is a proxy that the policy trusts, so that what the request says of its way, such as the scheme, can be
    /// believed.
    pub is_forwarded: bool,
}

/// The address of a client is required, and unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAddress;

impl ClientAddress {
    fn peer(peer: IpAddr) -> Self {
        ClientAddress {
            address: peer.to_canonical(),
            is_forwarded: false,
        }
    }

    fn forwarded(address: IpAddr) -> Self {
        ClientAddress {
            address,
            is_forwarded: true,
        }
    }
}

impl AddressSource {
    /// Returns the client of a request.
    ///
    /// # Errors
    /// If the request doesn't have the address, and must have it.
    pub fn find(&self, peer: IpAddr, headers: &HeaderMap) -> Result<ClientAddress, UnknownAddress> {
        let found = match self {
            AddressSource::Peer => None,
            AddressSource::Hops(position) => forwarded_for(headers)
                .nth(position.get() - 1)
                .and_then(parse),
            AddressSource::TrustedNetworks(networks) => {
                let networks = Networks(networks);
                if networks.contain(peer) {
                    let found = networks.outermost(headers);
                    return Ok(ClientAddress::forwarded(
                        found.unwrap_or_else(|| peer.to_canonical()),
                    ));
                }
                None
            }
            AddressSource::Header { name, without } => {
                let found = headers.get(name).and_then(|it| parse(it.as_bytes()));
                if found.is_none() && *without == WithoutAddress::Deny {
                    return Err(UnknownAddress);
                }
                found
            }
        };
        Ok(found.map_or_else(|| ClientAddress::peer(peer), ClientAddress::forwarded))
    }
}

/// Networks of proxies that are trusted.
struct Networks<'n>(&'n [ClientNetwork]);

impl Networks<'_> {
    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Returns the first address outside of the networks, from right to left, or the last one if all are inside. `None` without an
    /// address, or if a text before isn't one.
    fn outermost(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut last = None;
        for text in forwarded_for(headers) {
            let address = parse(text)?;
            last = Some(address);
            if !self.contain(address) {
                break;
            }
        }
        last
    }
}

/// Returns the entries of `X-Forwarded-For` from right to left. Several fields are one list (RFC 9110, section 5.3).
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let fields = headers.get_all(FORWARDED_FOR).iter().rev();
    fields.flat_map(|field| HeaderValue::as_bytes(field).rsplit(|&byte| byte == b','))
}

/// Parses an address. Some proxies add a port, and write an IPv6 address in brackets.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    let address = address.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    address.map(|it| it.to_canonical())
}

impl fmt::Display for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressSource::Peer => f.write_str("peer"),
            AddressSource::Hops(position) => {
                write!(f, "X-Forwarded-For, {position} from the right")
            }
            AddressSource::TrustedNetworks(networks) => {
                f.write_str("X-Forwarded-For, through")?;
                networks.iter().try_for_each(|it| write!(f, " {it}"))
            }
            AddressSource::Header { name, without } => {
                write!(f, "{name}")?;
                match without {
                    WithoutAddress::Peer => Ok(()),
                    WithoutAddress::Deny => f.write_str(", denied without"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
