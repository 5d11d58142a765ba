//! How the requests of a listener's clients are treated, beyond what every listener does (Envoy Gateway's
//! ClientTrafficPolicy).
//!
//! A listener without such a policy has none of this, and its requests don't pay for it.

pub mod client_address;
pub mod forwarded_client_cert;
pub mod header_change;
pub mod socket_settings;
pub mod tls_settings;

use crate::path_normalization::PathRules;
use client_address::AddressSource;
use forwarded_client_cert::ForwardedClientCert;
use header_change::HeaderChange;
use std::fmt;
use std::time::Duration;

/// How the requests of a listener's clients are treated.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientTraffic {
    /// Where the addresses of clients come from.
    pub address_source: AddressSource,
    /// Whether the peer of the connection isn't appended to `X-Forwarded-For`.
    pub keeps_forwarded_for: bool,
    /// What happens to request headers with underscores.
    pub underscores: Underscores,
    /// What happens to `X-Request-Id`.
    pub request_id: RequestIdRule,
    /// Whether backends get the final dot of a host.
    pub host_dot: HostDot,
    /// What happens to `X-Forwarded-Client-Cert`.
    pub forwarded_client_cert: ForwardedClientCert,
    /// How paths are normalised. `None` if `--path-normalization` decides.
    pub path: Option<PathRules>,
    /// The path that is answered 200 instead of being routed.
    pub health_check: Option<Box<str>>,
    /// Changes to requests before they are routed.
    pub request_headers: HeaderChange,
    /// Changes to responses, also to those of gatefold itself.
    pub response_headers: HeaderChange,
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

/// What happens to request headers with underscores in their names. Some backends read `x_user` as `X-User`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They are forwarded.
    #[default]
    Forward,
    /// They are removed.
    Drop,
    /// The request is answered 400.
    Reject,
}

/// Whether backends get the final dot of a host, which names the root of the DNS. Routes are matched without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostDot {
    /// They get it.
    #[default]
    Forward,
    /// It is removed.
    Strip,
}

/// What happens to `X-Request-Id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestIdRule {
    /// The client's is kept if it is valid; otherwise there is a new one.
    #[default]
    KeepOrMake,
    /// The client's is kept if it is valid; otherwise the backend gets none.
    Keep,
    /// There is always a new one.
    Make,
    /// The backend gets none.
    Remove,
}

/// The settings that differ from the defaults, for fixtures and readers.
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
        f.write_str(match self.underscores {
            Underscores::Forward => "",
            Underscores::Drop => ", headers with underscores dropped",
            Underscores::Reject => ", headers with underscores rejected",
        })?;
        f.write_str(match self.request_id {
            RequestIdRule::KeepOrMake => "",
            RequestIdRule::Keep => ", X-Request-Id kept",
            RequestIdRule::Make => ", X-Request-Id made",
            RequestIdRule::Remove => ", X-Request-Id removed",
        })?;
        f.write_str(match self.host_dot {
            HostDot::Forward => "",
            HostDot::Strip => ", hosts without final dot",
        })?;
        if self.forwarded_client_cert != ForwardedClientCert::Sanitize {
            write!(
                f,
                ", X-Forwarded-Client-Cert {}",
                self.forwarded_client_cert
            )?;
        }
        if let Some(path) = &self.path {
            write!(f, ", {path}")?;
        }
        if let Some(path) = &self.health_check {
            write!(f, ", health check {path}")?;
        }
        for (what, change) in [
            ("requests", &self.request_headers),
            ("responses", &self.response_headers),
        ] {
            if !change.is_empty() {
                write!(f, ", {what}{change}")?;
            }
        }
        Ok(())
    }
}
