//! How the connections of a listening socket are treated, before anything is known of their requests.
//!
//! Listeners of several Gateways may share a socket, so these settings belong to the socket and not to a listener. They apply to
//! connections that are accepted while they are in force.

use std::borrow::Cow;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

/// How the connections of a socket are treated. `None` means that gatefold's own setting applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketSettings {
    /// Whether connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
    /// How the system detects that a client is gone.
    pub keep_alive: Option<KeepAlive>,
    /// How many connections there may be.
    pub connection_limit: Option<ConnectionLimit>,
    /// How long a connection may live.
    pub lifetime: Option<ConnectionLifetime>,
    /// Time limits for clients.
    pub limits: ClientLimits,
    /// How HTTP/2 is spoken.
    pub http2: Option<Http2Settings>,
}

/// Whether connections begin with a PROXY header, which names the address of the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// They don't. A header is a malformed request.
    #[default]
    Off,
    /// They may. Without a header the client is the peer of the connection.
    Optional,
    /// They must. A connection without a header is closed.
    Required,
}

/// How the system detects that a client is gone. `None` means that gatefold's own setting applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection must be idle before it is probed: 1 to 32767 seconds.
    pub idle: Option<Duration>,
    /// The time between two probes: 1 to 32767 seconds.
    pub interval: Option<Duration>,
    /// The number of unanswered probes after which the client counts as gone: 1 to 127.
    pub probes: Option<u32>,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimit {
    /// The number of open connections.
    pub connections: NonZeroUsize,
    /// How long a connection beyond the limit is kept before it is closed.
    pub close_delay: Duration,
}

/// How long a connection may live. At least one limit is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLifetime {
    /// The time after which it drains.
    pub duration: Option<Duration>,
    /// The number of requests after which it drains.
    pub requests: Option<NonZeroU32>,
}

/// Time limits for clients. `None` means that gatefold's own limit applies, and [`Duration::MAX`] that there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientLimits {
    /// For the PROXY header and the TLS handshake.
    pub handshake: Option<Duration>,
    /// For the header of a request.
    pub header: Option<Duration>,
    /// For the next request on a connection without one.
    pub idle: Option<Duration>,
}

/// How HTTP/2 is spoken. `None` means that gatefold's own setting applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http2Settings {
    /// How many bytes of a request's body may arrive before the endpoint reads them: 65,535 to 2^31 - 1.
    pub stream_window: Option<u32>,
    /// The same for all requests of a connection.
    pub connection_window: Option<u32>,
    /// How many requests a client may send at once: 1 to 2^31 - 1.
    pub streams: Option<u32>,
}

/// The part of a line, for fixtures and readers.
impl fmt::Display for SocketSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SocketSettings {
            proxy_protocol,
            keep_alive,
            connection_limit,
            lifetime,
            limits,
            http2,
        } = self;
        match proxy_protocol {
            ProxyProtocol::Off => {}
            ProxyProtocol::Optional => f.write_str(", PROXY header optional")?,
            ProxyProtocol::Required => f.write_str(", PROXY header required")?,
        }
        if let Some(settings) = keep_alive {
            write!(f, ", {settings:?}")?;
        }
        if let Some(limit) = connection_limit {
            let ConnectionLimit {
                connections,
                close_delay,
            } = limit;
            write!(
                f,
                ", connections {connections}, others closed after {close_delay:?}"
            )?;
        }
        if let Some(ConnectionLifetime { duration, requests }) = lifetime {
            f.write_str(", connections end")?;
            if let Some(duration) = duration {
                write!(f, " after {duration:?}")?;
            }
            if let Some(requests) = requests {
                write!(f, " after {requests} requests")?;
            }
        }
        let limits = [
            ("handshake", limits.handshake),
            ("header", limits.header),
            ("idle", limits.idle),
        ];
        for (name, set) in limits {
            if let Some(set) = set {
                write!(f, ", {name} {}", limit(set))?;
            }
        }
        if let Some(settings) = http2 {
            write!(f, ", {settings:?}")?;
        }
        Ok(())
    }
}

/// Returns a time limit as a text.
pub(super) fn limit(limit: Duration) -> Cow<'static, str> {
    if limit == Duration::MAX {
        return "unlimited".into();
    }
    format!("{limit:?}").into()
}
