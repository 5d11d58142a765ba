//! Parses a PROXY protocol header (HAProxy's `proxy-protocol.txt`, versions 1 and 2).
//!
//! In: the first bytes of a connection, as far as they have arrived. Out: the client's address and the length of the header,
//! whether more bytes are needed, or why the bytes can't be a header. The result doesn't depend on how the bytes are cut.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::{self, FromStr};
use thiserror::Error;

/// Maximum length of version 1, with CRLF (section 2.1).
const V1_LENGTH: usize = 107;
const V1_PREFIX: &[u8] = b"PROXY ";
const V2_PREFIX: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The length of version 2 without addresses and TLVs.
const V2_FIXED: usize = 16;
/// Upper bound on the addresses and TLVs of version 2. HAProxy sends at most its buffer, which has this size.
const V2_REST: usize = 16 * 1024;
/// The length of two Unix socket paths.
const UNIX_PATHS: usize = 216;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBytes {
    /// The beginning of a header.
    Partial,
    /// A header.
    Header {
        /// The client's address. `None` if the proxy speaks for itself, or names no IP address: then the client is the peer.
        client: Option<SocketAddr>,
        /// The number of bytes of the header. What follows belongs to the next protocol.
        length: usize,
    },
    /// No header: they belong to the next protocol.
    Other,
}

/// Why bytes that begin like a header aren't one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MalformedHeader {
    /// The line of version 1 has no end.
    #[error("a header of version 1 doesn't end within {V1_LENGTH} bytes")]
    Endless,
    /// The line of version 1 isn't as the protocol says.
    #[error("a header of version 1 has no valid protocol, addresses and ports")]
    InvalidLine,
    /// Version 2, with another version or command in it.
    #[error("the binary header has an unknown version or command")]
    UnknownVersion,
    /// Version 2, with an address family or a transport that the protocol doesn't have.
    #[error("the binary header has an unknown address family or protocol")]
    UnknownFamily,
    /// Version 2, too short for the addresses of its family.
    #[error("the binary header is too short for its addresses")]
    MissingAddresses,
    /// Version 2, too long.
    #[error("the binary header is longer than {V2_REST} bytes")]
    TooLong,
}

/// Parses the first bytes of a connection.
///
/// # Errors
/// If they begin like a header, but can't be one.
pub fn parse(bytes: &[u8]) -> Result<FirstBytes, MalformedHeader> {
    if begins(bytes, V1_PREFIX) {
        return version1(bytes);
    }
    if begins(bytes, V2_PREFIX) {
        return version2(bytes);
    }
    Ok(FirstBytes::Other)
}

/// Whether bytes match a prefix, as far as they go.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    std::iter::zip(bytes, prefix).all(|(byte, expected)| byte == expected)
}

fn version1(bytes: &[u8]) -> Result<FirstBytes, MalformedHeader> {
    let line = bytes.get(..V1_LENGTH).unwrap_or(bytes);
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        if line.len() == V1_LENGTH {
            return Err(MalformedHeader::Endless);
        }
        return Ok(FirstBytes::Partial);
    };
    let fields = line.get(V1_PREFIX.len()..end);
    let fields = fields.and_then(|fields| str::from_utf8(fields).ok());
    let client = fields.and_then(line_client);
    Ok(FirstBytes::Header {
        client: client.ok_or(MalformedHeader::InvalidLine)?,
        length: end + 2,
    })
}

/// Returns the client that a line of version 1 names. The outer `None` means that the line is invalid.
fn line_client(fields: &str) -> Option<Option<SocketAddr>> {
    let mut fields = fields.split(' ');
    let protocol = fields.next()?;
    if protocol == "UNKNOWN" {
        // The rest must be ignored (section 2.1).
        return Some(None);
    }
    let [source, destination, source_port, destination_port] = [
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    ];
    let is_whole = fields.next().is_none();
    let source = match protocol {
        "TCP4" => pair::<Ipv4Addr>(source, destination)?,
        "TCP6" => pair::<Ipv6Addr>(source, destination)?,
        _ => return None,
    };
    let port = port(source_port)?;
    let _ = self::port(destination_port)?;
    is_whole.then(|| Some(SocketAddr::new(source, port)))
}

/// Returns the first of two addresses of the same family.
fn pair<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Option<IpAddr> {
    let _: A = destination.parse().ok()?;
    Some(source.parse::<A>().ok()?.into())
}

/// Parses a decimal port without sign and leading zeros.
fn port(text: &str) -> Option<u16> {
    let is_canonical =
        text == "0" || text.starts_with(|first: char| first.is_ascii_digit() && first != '0');
    text.parse().ok().filter(|_| is_canonical)
}

fn version2(bytes: &[u8]) -> Result<FirstBytes, MalformedHeader> {
    let fixed = bytes.get(V2_PREFIX.len()..).unwrap_or_default();
    let command = match fixed.first() {
        None => return Ok(FirstBytes::Partial),
        Some(0x20) => Command::Local,
        Some(0x21) => Command::Proxy,
        Some(_) => return Err(MalformedHeader::UnknownVersion),
    };
    let family = match fixed.get(1) {
        None => return Ok(FirstBytes::Partial),
        Some(family) => Family::of(*family).ok_or(MalformedHeader::UnknownFamily)?,
    };
    let Some(&[high, low]) = fixed.get(2..4) else {
        return Ok(FirstBytes::Partial);
    };
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > V2_REST {
        return Err(MalformedHeader::TooLong);
    }
    // A local header has no addresses that count, so it may be shorter.
    if command == Command::Proxy && rest < family.addresses() {
        return Err(MalformedHeader::MissingAddresses);
    }
    let length = V2_FIXED + rest;
    let Some(addresses) = bytes.get(V2_FIXED..length) else {
        return Ok(FirstBytes::Partial);
    };
    let client = match command {
        Command::Local => None,
        Command::Proxy => family.source(addresses),
    };
    Ok(FirstBytes::Header { client, length })
}

/// For whom a proxy connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    /// For itself, for example to check health.
    Local,
    /// For a client.
    Proxy,
}

/// The kind of addresses in a header of version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// TCP over IPv4.
    Ipv4,
    /// TCP over IPv6.
    Ipv6,
    /// UDP, which doesn't fit a TCP connection. A receiver may ignore what it doesn't support (section 2.2).
    Datagram { addresses: usize },
    /// Unix sockets, which have no IP address. Ignored as well.
    Unix,
    /// No addresses.
    Unspecified,
}

impl Family {
    /// Returns the family with this code. `None` for a code that must be rejected (section 2.2).
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            0x00 => Family::Unspecified,
            0x11 => Family::Ipv4,
            0x12 => Family::Datagram { addresses: 12 },
            0x21 => Family::Ipv6,
            0x22 => Family::Datagram { addresses: 36 },
            0x31 | 0x32 => Family::Unix,
            _ => return None,
        })
    }

    /// The length of the addresses.
    fn addresses(self) -> usize {
        match self {
            Family::Ipv4 => 12,
            Family::Ipv6 => 36,
            Family::Datagram { addresses } => addresses,
            Family::Unix => UNIX_PATHS,
            Family::Unspecified => 0,
        }
    }

    /// Returns the client's address. Sources and destinations come first, then the ports in the same order.
    fn source(self, addresses: &[u8]) -> Option<SocketAddr> {
        let (source, port): (IpAddr, _) = match self {
            Family::Ipv4 => {
                let (source, rest) = addresses.split_first_chunk::<4>()?;
                (Ipv4Addr::from(*source).into(), rest.get(4..6)?)
            }
            Family::Ipv6 => {
                let (source, rest) = addresses.split_first_chunk::<16>()?;
                (Ipv6Addr::from(*source).into(), rest.get(16..18)?)
            }
            Family::Datagram { .. } | Family::Unix | Family::Unspecified => return None,
        };
        let port = u16::from_be_bytes(port.try_into().ok()?);
        Some(SocketAddr::new(source, port))
    }
}

#[cfg(test)]
mod tests;
