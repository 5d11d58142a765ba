//! How the requests of a listener's clients are treated, beyond what every listener does (Envoy Gateway's
//! ClientTrafficPolicy).
//!
//! A listener without such a policy has none of this, and its requests don't pay for it.

pub mod client_address;
pub mod socket_settings;
pub mod tls_settings;

use client_address::AddressSource;
use std::fmt;
use std::time::Duration;

/// How the requests of a listener's clients are treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTraffic {
    /// Where the addresses of clients come from.
    pub address_source: AddressSource,
    /// Whether the peer of the connection isn't appended to `X-Forwarded-For`.
    pub keeps_forwarded_for: bool,
    /// Time limits for requests.
    pub request_limits: RequestLimits,
}

/// Time limits for the requests of clients. `None` means that gatefold's own limit applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// For the body, from the end of the header. gatefold has no limit of its own.
    pub received: Option<Duration>,
    /// For each piece of a body that the client sends, and for the client to read each piece of a response. [`Duration::MAX`] means
    /// that there is no limit.
    pub idle: Option<Duration>,
}

/// One line, for fixtures and readers.
impl fmt::Display for ClientTraffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "clients by {}", self.address_source)?;
        if self.keeps_forwarded_for {
            f.write_str(", X-Forwarded-For as it is")?;
        }
        let RequestLimits { received, idle } = self.request_limits;
        if let Some(limit) = received {
            write!(f, ", requests within {limit:?}")?;
        }
        if let Some(limit) = idle {
            write!(f, ", pieces within {}", socket_settings::limit(limit))?;
        }
        Ok(())
    }
}
