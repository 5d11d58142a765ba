//! Addresses in lines.

use super::value::Value;
use gatefold_dataplane::access_log::AddressPart;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns a part of an address. Texts are made in `text`.
pub(super) fn part(address: SocketAddr, part: AddressPart, text: &mut Vec<u8>) -> Value<'_> {
    text.clear();
    // Writing to a vector can't fail.
    let _ = match part {
        AddressPart::Whole => write!(text, "{address}"),
        AddressPart::Ip => write!(text, "{}", address.ip()),
        AddressPart::Network(length) => {
            let (network, length) = network(address.ip(), length);
            write!(text, "{network}/{length}")
        }
        AddressPart::Port => return Value::Number(address.port().into()),
    };
    Value::Text(text)
}

/// Returns the network of an address. An address has no more bits than its family.
fn network(address: IpAddr, length: u8) -> (IpAddr, u8) {
    match address {
        IpAddr::V4(address) => {
            let length = length.min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            (Ipv4Addr::from_bits(address.to_bits() & mask).into(), length)
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            (Ipv6Addr::from_bits(address.to_bits() & mask).into(), length)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_addresses_to_their_network() {
        for (address, length, expected) in [
            ("10.1.10.23", 16, "10.1.0.0/16"),
            ("10.1.10.23", 0, "0.0.0.0/0"),
            ("10.1.10.23", 64, "10.1.10.23/32"),
            ("2001:db8:1234:5678:9abc::1", 64, "2001:db8:1234:5678::/64"),
            ("2001:db8::1", 0, "::/0"),
            ("2001:db8::1", 128, "2001:db8::1/128"),
        ] {
            let (network, length) = network(address.parse().expect("an address"), length);
            assert_eq!(format!("{network}/{length}"), expected);
        }
    }
}
