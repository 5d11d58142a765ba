use super::backend_tls;
use crate::dataplane::backend::HttpVersion;
use crate::dataplane::backend_tls::BackendTls;
use pingora_core::Result;
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::{ALPN, HttpPeer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// For a client to take each piece of the response, over HTTP/2.
    pub downstream_write: Duration,
    /// For each piece in either direction after an upgrade: WebSockets are silent for long. Until then the endpoint has
    /// as long as for any response.
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

/// Keeps connections of HTTP/2 apart in Pingora's pool: an endpoint may change what it speaks.
const HTTP2: u64 = 2;

/// For connections of upgrades: a key that no other connection has or gets. Pingora takes these for plain ones, since they
/// speak TLS below what it sees, and could give one that a policy has checked to requests of another. That version
/// 0.9.1 doesn't, for want of a descriptor to look at, is luck.
fn key_of_its_own() -> u64 {
    const UPGRADES: u64 = 1 << 63;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // The lowest bits are for what else keeps connections apart.
    UPGRADES | NEXT.fetch_add(1, Ordering::Relaxed) << 16
}

/// How many requests share a connection over HTTP/2, if the endpoint allows as many: what most servers allow.
const HTTP2_STREAMS: usize = 100;
/// How much of a response is taken in before its client takes it.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
/// Requests of many clients share a connection. If all but one of them stall, with their windows full, that
/// one must still get its response: the connection's window has room for all.
const HTTP2_CONNECTION_WINDOW: u32 = HTTP2_STREAMS as u32 * HTTP2_STREAM_WINDOW;

/// What is done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exchange {
    /// Requests and their responses in HTTP/1.1, one after the other.
    Http1,
    /// Requests and their responses in HTTP/2, side by side.
    Http2,
    /// A request to go on with another protocol.
    Upgrade,
}

impl Exchange {
    /// What fits a request and the endpoints' protocol. HTTP/2 knows no `Upgrade` (RFC 9113, section 8.6): there the
    /// request goes without, as a server may always ignore it (RFC 9110, section 7.8).
    pub(super) fn of(version: HttpVersion, upgrade: bool) -> Self {
        match (version, upgrade) {
            (HttpVersion::Http1, false) => Exchange::Http1,
            (HttpVersion::Http1, true) => Exchange::Upgrade,
            (HttpVersion::Http2, _) => Exchange::Http2,
        }
    }
}

impl Timeouts {
    /// An endpoint as Pingora wants it, every wait bounded.
    ///
    /// # Errors
    ///
    /// When TLS can't be spoken as it must.
    pub(super) fn peer(
        &self,
        endpoint: SocketAddr,
        exchange: Exchange,
        tls: Option<&Arc<BackendTls>>,
    ) -> Result<Box<HttpPeer>> {
        let mut peer = match (tls, exchange) {
            (Some(tls), Exchange::Http1 | Exchange::Http2) => backend_tls::peer(endpoint, tls)?,
            // Upgrades make their own connections, in TLS as well.
            (None, _) | (Some(_), Exchange::Upgrade) => {
                // Half a KiB: boxed before anything else is done with it.
                Box::new(HttpPeer::new(endpoint, false, String::new()))
            }
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.connect);
        options.total_connection_timeout = Some(self.connect);
        options.idle_timeout = Some(self.upstream_idle);
        options.read_timeout = Some(self.upstream_read);
        options.write_timeout = Some(self.upstream_write);
        // An endpoint whose host died without a word is found out even where waits are long. HTTP/2's own pings
        // would do no better: gRPC servers cut connections that ping more often than every five minutes
        // (`too_many_pings`), and Pingora gives an endpoint that pauses no more than five seconds.
        options.tcp_keepalive = Some(TcpKeepalive {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(10),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::ZERO,
        });
        match exchange {
            Exchange::Http1 => {}
            Exchange::Http2 => {
                options.alpn = ALPN::H2;
                options.max_h2_streams = HTTP2_STREAMS;
                options.h2_stream_window_size = Some(HTTP2_STREAM_WINDOW);
                options.h2_connection_window_size = Some(HTTP2_CONNECTION_WINDOW);
                peer.group_key ^= HTTP2;
            }
            Exchange::Upgrade => {
                options.read_timeout = Some(self.upgraded);
                // Whoever is refused the upgrade leaves a connection behind that is of no use to others.
                options.idle_timeout = Some(Duration::from_secs(1));
                peer.group_key = key_of_its_own();
            }
        }
        Ok(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora_core::upstreams::peer::Peer;

    #[test]
    fn each_upgrade_has_a_place_of_its_own_in_the_pool() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 1));
        let hash = |exchange| {
            let peer = Timeouts::default().peer(endpoint, exchange, None);
            peer.expect("a peer").reuse_hash()
        };
        assert_eq!(hash(Exchange::Http1), hash(Exchange::Http1));
        assert_ne!(hash(Exchange::Upgrade), hash(Exchange::Upgrade));
    }
}
