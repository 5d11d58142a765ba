use super::upgrade::Patient;
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::HttpPeer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How often a request is sent at most: once, then at another endpoint when no connection could be made, or
/// over a fresh connection when a kept one turned out to be dead.
pub(super) const TRIES: usize = 3;

/// How long clients and endpoints are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For an endpoint to take a connection. Envoy waits 5 seconds, nginx 60.
    pub connect: Duration,
    /// For each piece that an endpoint sends, the response's header included. nginx's `proxy_read_timeout`.
    pub upstream_read: Duration,
    /// For an endpoint to take each piece of the request.
    pub upstream_write: Duration,
    /// How long a connection to an endpoint is kept without a request.
    pub upstream_idle: Duration,
    /// For each piece of a request's body.
    pub downstream_read: Duration,
    /// For a client to take each piece of the response.
    pub downstream_write: Duration,
    /// For each piece in either direction after an upgrade: WebSockets are silent for long.
    pub upgraded: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Timeouts {
            connect: Duration::from_secs(5),
            upstream_read: minute,
            upstream_write: minute,
            upstream_idle: minute,
            downstream_read: minute,
            downstream_write: minute,
            upgraded: 60 * minute,
        }
    }
}

/// Keeps connections for upgrades apart in Pingora's pool.
const UPGRADES: u64 = 1;

/// Whether a request may leave HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// A request and its response.
    Plain,
    /// A request to go on with another protocol.
    Upgrade,
}

impl Timeouts {
    /// An endpoint as Pingora wants it, every wait bounded.
    pub(super) fn peer(&self, endpoint: SocketAddr, exchange: Exchange) -> HttpPeer {
        let mut peer = HttpPeer::new(endpoint, false, String::new());
        let options = &mut peer.options;
        options.connection_timeout = Some(self.connect);
        options.total_connection_timeout = Some(self.connect);
        options.idle_timeout = Some(self.upstream_idle);
        options.read_timeout = Some(self.upstream_read);
        options.write_timeout = Some(self.upstream_write);
        if exchange == Exchange::Upgrade {
            options.read_timeout = Some(self.upgraded);
            options.custom_l4 = Some(Arc::new(Patient));
            // These connections are of no use to others.
            options.idle_timeout = Some(Duration::from_secs(1));
            peer.group_key = UPGRADES;
        }
        let options = &mut peer.options;
        // An endpoint whose host died without a word is found out even where waits are long.
        options.tcp_keepalive = Some(TcpKeepalive {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::ZERO,
        });
        peer
    }
}
