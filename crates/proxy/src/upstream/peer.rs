//! Endpoints to connect to, as Pingora describes them: timeouts, protocol, and the key of the connection pool.

use crate::upstream::backend_tls;
use crate::upstream::pool_key::{self, PoolFlag};
use crate::upstream::tls_cache::PreparedTls;
use gatefold_dataplane::backend::HttpVersion;
use gatefold_dataplane::backend_tls::BackendTls;
use pingora_core::Result;
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::{ALPN, HttpPeer};
use std::net::SocketAddr;
use std::time::Duration;

/// Maximum number of attempts for one request. A request is retried at another endpoint if connecting fails. A retry over a new
/// connection, after a pooled one turned out to be closed, is not counted.
pub(crate) const MAX_ATTEMPTS: usize = 3;

/// Timeouts for clients and endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For connecting to an endpoint. Envoy's default is 5 seconds, nginx's 60.
    pub connect: Duration,
    /// For each piece received from an endpoint, including the response header, like nginx's `proxy_read_timeout`.
    pub upstream_read: Duration,
    /// For an endpoint to accept each piece of the request.
    pub upstream_write: Duration,
    /// For an idle connection to an endpoint.
    pub upstream_idle: Duration,
    /// For each piece of a request's body.
    pub downstream_read: Duration,
    /// For an HTTP/2 client to accept each piece of the response.
    pub downstream_write: Duration,
    /// For each piece in either direction after an upgrade, since WebSockets may be silent for a long time. Until the upgrade,
    /// the same timeout as for other responses applies.
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

/// How long sent data may stay unacknowledged over HTTP/1.1. After that, a pooled connection whose other end disappeared (a
/// crashed host, an expired NAT entry) fails, and the request is retried as for any other closed connection. The system's own
/// limit is a quarter of an hour.
pub(crate) const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Maximum number of requests that share an HTTP/2 connection, if the endpoint allows as many. Most servers allow 100.
const HTTP2_STREAMS: usize = 100;
/// How much of a response is received before the client accepts it, in bytes.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
/// Requests of many clients share a connection. If all but one stall with full windows, that one must still get its response, so
/// the connection's window has room for all of them.
const HTTP2_CONNECTION_WINDOW: u32 = HTTP2_STREAMS as u32 * HTTP2_STREAM_WINDOW;

/// How a connection to an endpoint is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// For HTTP/1.1 requests, one after the other.
    Http1,
    /// For concurrent HTTP/2 requests.
    Http2,
    /// For one request that switches to another protocol.
    Upgrade,
}

impl Exchange {
    /// Returns the use for a request and the endpoints' protocol. HTTP/2 has no `Upgrade` (RFC 9113, section 8.6). The request is
    /// then sent without it, since a server may always ignore it (RFC 9110, section 7.8).
    pub(crate) fn of(version: HttpVersion, upgrade: bool) -> Self {
        match (version, upgrade) {
            (HttpVersion::Http1, false) => Exchange::Http1,
            (HttpVersion::Http1, true) => Exchange::Upgrade,
            (HttpVersion::Http2, _) => Exchange::Http2,
        }
    }
}

impl Timeouts {
    /// Returns an endpoint in Pingora's form, with a timeout for every wait.
    ///
    /// # Errors
    /// If the TLS settings can't be used.
    pub(crate) fn peer(
        &self,
        endpoint: SocketAddr,
        exchange: Exchange,
        tls: Option<(&BackendTls, &PreparedTls)>,
    ) -> Result<Box<HttpPeer>> {
        let mut peer = match (tls, exchange) {
            (Some((tls, prepared)), Exchange::Http1 | Exchange::Http2) => {
                backend_tls::peer(endpoint, tls, prepared)?
            }
            // Upgrades open their own connections, including TLS.
            (None, _) | (Some(_), Exchange::Upgrade) => {
                // Half a KiB, so it is boxed immediately.
                Box::new(HttpPeer::new(endpoint, false, String::new()))
            }
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.connect);
        options.total_connection_timeout = Some(self.connect);
        options.idle_timeout = Some(self.upstream_idle);
        options.read_timeout = Some(self.upstream_read);
        options.write_timeout = Some(self.upstream_write);
        options.tcp_keepalive = Some(self.keepalive(exchange));
        match exchange {
            Exchange::Http1 => {}
            Exchange::Http2 => {
                options.alpn = ALPN::H2;
                options.max_h2_streams = HTTP2_STREAMS;
                options.h2_stream_window_size = Some(HTTP2_STREAM_WINDOW);
                options.h2_connection_window_size = Some(HTTP2_CONNECTION_WINDOW);
                pool_key::set(&mut peer, PoolFlag::Http2);
            }
            Exchange::Upgrade => {
                options.read_timeout = Some(self.upgraded);
                // Upgrades use TLS below what Pingora sees, so Pingora takes their connections for plain ones and could
                // give one that a policy has verified to requests of another. Pingora 0.9.1 does not do this today, but
                // nothing in its API guarantees it. And a refused upgrade leaves a connection that no other request can
                // use.
                pool_key::set_single_request(&mut peer);
            }
        }
        Ok(peer)
    }

    /// Detects that an endpoint's host has disappeared even if waits are long. HTTP/2 pings are no better: gRPC servers close
    /// connections with more than one ping in five minutes (`too_many_pings`), and Pingora allows an endpoint to pause for
    /// five seconds only.
    fn keepalive(&self, exchange: Exchange) -> TcpKeepalive {
        TcpKeepalive {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: match exchange {
                Exchange::Http1 => UNACKNOWLEDGED,
                // Also closes a connection whose endpoint doesn't read for that long, which another protocol is free to
                // do.
                Exchange::Http2 => self.upstream_write,
                Exchange::Upgrade => Duration::ZERO,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora_core::upstreams::peer::Peer;

    #[test]
    fn every_upgrade_has_a_unique_pool_key() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 1));
        let hash = |exchange| {
            let peer = Timeouts::default().peer(endpoint, exchange, None);
            peer.expect("a peer").reuse_hash()
        };
        assert_eq!(hash(Exchange::Http1), hash(Exchange::Http1));
        assert_ne!(hash(Exchange::Upgrade), hash(Exchange::Upgrade));
    }

    #[test]
    fn new_connection_has_another_pool_key() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 1));
        let peer = |exchange| Timeouts::default().peer(endpoint, exchange, None);
        for exchange in [Exchange::Http1, Exchange::Http2] {
            let fresh = || {
                let mut peer = peer(exchange).expect("a peer");
                pool_key::set_single_request(&mut peer);
                peer.reuse_hash()
            };
            let pooled = peer(exchange).expect("a peer").reuse_hash();
            assert_ne!(fresh(), pooled, "{exchange:?}");
            assert_ne!(fresh(), fresh(), "{exchange:?}");
        }
    }

    #[test]
    fn unreachable_host_is_detected_before_its_endpoint_counts_as_silent() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 1));
        let timeouts = Timeouts::default();
        let peer = timeouts.peer(endpoint, Exchange::Http1, None);
        let keepalive = peer.expect("a peer").options.tcp_keepalive.clone();
        let limit = keepalive.expect("settings").user_timeout;
        assert!(limit > Duration::ZERO && limit < timeouts.upstream_read);
    }
}
