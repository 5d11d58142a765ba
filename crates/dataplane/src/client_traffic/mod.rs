//! How the requests of a listener's clients are treated, beyond what every listener does (Envoy Gateway's
//! ClientTrafficPolicy).
//!
//! A listener without such a policy has none of this, and its requests don't pay for it.

pub mod client_address;
pub mod socket_settings;
pub mod tls_settings;

use client_address::AddressSource;
use std::fmt;

/// How the requests of a listener's clients are treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTraffic {
    /// Where the addresses of clients come from.
    pub address_source: AddressSource,
    /// Whether the peer of the connection isn't appended to `X-Forwarded-For`.
    pub keeps_forwarded_for: bool,
}

/// One line, for fixtures and readers.
impl fmt::Display for ClientTraffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clients by {}", self.address_source)?;
        if self.keeps_forwarded_for {
            f.write_str(", X-Forwarded-For as it is")?;
        }
        Ok(())
    }
}
