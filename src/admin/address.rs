//! The address of the admin API, as flags give it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The address that the admin API listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket. Only its owner has access.
    Unix(PathBuf),
}

impl AdminAddress {
    /// Whether other hosts can connect to the address.
    pub fn is_remote(&self) -> bool {
        match self {
            AdminAddress::Tcp(address) => !is_loopback(address.ip()),
            AdminAddress::Unix(_) => false,
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("`unix:` needs a path: unix:/run/gatefold.sock".to_owned()),
            Some(path) => Ok(AdminAddress::Unix(path.into())),
            None => {
                let named = text
                    .strip_prefix("localhost:")
                    .map(|port| format!("127.0.0.1:{port}"));
                let address = named.as_deref().unwrap_or(text);
                address.parse().map(AdminAddress::Tcp).map_err(|_| {
                    format!(
                        "`{text}` is neither an address with a port (127.0.0.1:4283) nor unix:PATH"
                    )
                })
            }
        }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminAddress::Tcp(address) => address.fmt(f),
            AdminAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_and_unix_sockets_are_local() {
        for (text, remote) in [
            ("127.0.0.1:4283", false),
            ("127.8.8.8:1", false),
            ("[::1]:4283", false),
            ("[::ffff:127.0.0.1]:4283", false),
            ("localhost:4283", false),
            ("unix:/run/gatefold.sock", false),
            ("0.0.0.0:4283", true),
            ("[::]:4283", true),
            ("192.0.2.1:4283", true),
        ] {
            let address: AdminAddress = text.parse().expect(text);
            assert_eq!(address.is_remote(), remote, "{text}");
        }
    }

    #[test]
    fn refuses_text_that_is_not_an_address() {
        for text in ["", "unix:", "4283", "example.com:80", "127.0.0.1"] {
            assert!(text.parse::<AdminAddress>().is_err(), "{text:?}");
        }
    }
}
