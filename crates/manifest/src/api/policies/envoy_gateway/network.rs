//! Networks of IP addresses.

use std::net::IpAddr;

/// A network: an address, `/` and the length of the prefix. Source: `CIDR`, and `net.ParseCIDR`, which Envoy Gateway applies.
pub(super) fn cidr(text: &str) -> Result<(), String> {
    let parsed = text.split_once('/').and_then(|(address, length)| {
        let address: IpAddr = address.parse().ok()?;
        let digits = !length.is_empty() && length.bytes().all(|it| it.is_ascii_digit());
        let length: u8 = length.parse().ok().filter(|_| digits)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        (length <= most).then_some(())
    });
    parsed
        .ok_or_else(|| format!("`{text}` isn't a network like `192.168.1.0/24` or `2001:db8::/64`"))
}
