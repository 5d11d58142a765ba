//! What the daemon fetches for the `jwt` filters: the keys of issuers.
//!
//! In: where the keys are, and how to connect. Out: nothing of its own; the daemon puts the keys into [`RemoteKeys`], where the
//! filters read them.

use crate::backend_tls::BackendTls;
use crate::filter::security::jwt::remote_keys::RemoteKeys;
use http::Uri;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The keys of an issuer, and how to fetch them.
#[derive(Clone, Debug)]
pub struct KeyFetch {
    /// Identifies the keys. Equal ones of two snapshots are the same keys.
    pub name: Arc<str>,
    /// The URL: its scheme is `http` or `https`, and it has a host.
    pub uri: Uri,
    /// Where to connect to.
    pub peers: KeyPeers,
    /// The time from a successful fetch to the next one.
    pub refresh: Duration,
    /// The time from a failed fetch to the next one. `None` for pauses that grow.
    pub retry: Option<Duration>,
    /// The time limits of a fetch.
    pub limits: FetchLimits,
    /// Where the keys are put.
    pub keys: Arc<RemoteKeys>,
}

/// The time limits of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// For connecting, including TLS.
    pub connect: Duration,
    /// For everything.
    pub total: Duration,
}

/// Where to connect to for keys.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyPeers {
    /// The host and the port of the URL.
    Host(PeerSecurity),
    /// The endpoints of Services.
    Services(Vec<KeyService>),
}

/// A Service with the keys of an issuer.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyService {
    /// Its share of the fetches, relative to the sum of all weights.
    pub weight: u32,
    /// Whether it is only used if the others fail.
    pub fallback: bool,
    /// Its endpoints.
    pub endpoints: Arc<[SocketAddr]>,
    /// How to connect to them.
    pub security: PeerSecurity,
}

/// How a connection is secured.
#[derive(Clone, Debug)]
pub enum PeerSecurity {
    /// In plain text.
    Plain,
    /// In TLS.
    Tls(Arc<BackendTls>),
    /// TLS is required, but isn't possible. Contains the reason.
    Refused(Arc<str>),
}

/// Equal fetches do the same and put the keys into the same place.
impl PartialEq for KeyFetch {
    fn eq(&self, other: &Self) -> bool {
        let KeyFetch {
            name,
            uri,
            peers,
            refresh,
            retry,
            limits,
            keys,
        } = self;
        *name == other.name
            && *uri == other.uri
            && *peers == other.peers
            && *refresh == other.refresh
            && *retry == other.retry
            && *limits == other.limits
            && Arc::ptr_eq(keys, &other.keys)
    }
}

/// Equal TLS settings share their allocation.
impl PartialEq for PeerSecurity {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (PeerSecurity::Plain, PeerSecurity::Plain) => true,
            (PeerSecurity::Tls(one), PeerSecurity::Tls(other)) => Arc::ptr_eq(one, other),
            (PeerSecurity::Refused(one), PeerSecurity::Refused(other)) => one == other,
            (PeerSecurity::Plain | PeerSecurity::Tls(_) | PeerSecurity::Refused(_), _) => false,
        }
    }
}

/// Everything that affects a fetch, without the keys.
impl fmt::Display for KeyFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeyFetch {
            name,
            uri: _,
            peers,
            refresh,
            retry,
            limits,
            keys: _,
        } = self;
        write!(f, "keys {name}: every {refresh:?}")?;
        if let Some(retry) = retry {
            write!(f, ", after a failure {retry:?}")?;
        }
        write!(f, ", within {:?} and {:?}", limits.connect, limits.total)?;
        match peers {
            KeyPeers::Host(security) => security.fmt(f),
            KeyPeers::Services(services) => services.iter().try_for_each(|service| {
                let role = if service.fallback { "fallback " } else { "" };
                write!(f, "; {role}{} x {:?}", service.weight, service.endpoints)?;
                service.security.fmt(f)
            }),
        }
    }
}

impl fmt::Display for PeerSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerSecurity::Plain => Ok(()),
            PeerSecurity::Tls(tls) => write!(f, " in {}", tls.handshake),
            PeerSecurity::Refused(why) => write!(f, " refused: {why}"),
        }
    }
}
