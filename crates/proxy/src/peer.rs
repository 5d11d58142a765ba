use super::backend_tls;
use gatefold_dataplane::backend::HttpVersion;
use gatefold_dataplane::backend_tls::BackendTls;
use pingora_core::Result;
use pingora_core::protocols::TcpKeepalive;
use pingora_core::upstreams::peer::{ALPN, HttpPeer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Maximum number of attempts for one request. A request is retried at another endpoint if connecting fails. The retry over
/// a fresh connection, after a pooled one turned out to be dead, comes on top.
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

/// A key that no other connection has or gets. Upgrades need it: Pingora takes their connections for plain ones, since they
/// speak TLS below what it sees, and could give one that a policy has checked to requests of another. Pingora
/// 0.9.1 does not do this today, but nothing in its API guarantees it. A fresh connection needs it, too.
fn key_of_its_own() -> u64 {
    const ONE_REQUEST: u64 = 1 << 63;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // The lowest bits are for what else keeps connections apart.
    ONE_REQUEST | NEXT.fetch_add(1, Ordering::Relaxed) << 16
}

/// How long a connection stays in the pool that no other request can use.
const UNUSABLE_IDLE: Duration = Duration::from_secs(1);

/// Lets a request have a connection that is made for it, whatever the pool holds. Pingora has no other way to say so. The
/// connection goes back to the pool under the key that it was asked for with, so it serves this request only.
pub(super) fn make_fresh(peer: &mut HttpPeer) {
    peer.group_key ^= key_of_its_own();
    peer.options.idle_timeout = Some(UNUSABLE_IDLE);
}

/// How long an endpoint's host may leave what was sent to it unacknowledged, over HTTP/1.1. A pooled connection whose other
/// end is gone without a word (a crashed host, a forgotten NAT entry) fails then, and the request is retried like
/// with any other dead connection; the system alone would try for a quarter of an hour.
pub(super) const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

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
            user_timeout: match exchange {
                Exchange::Http1 => UNACKNOWLEDGED,
                // Ends a connection too whose endpoint's application doesn't read for that long, which another
                // protocol is free to do.
                Exchange::Http2 => self.upstream_write,
                Exchange::Upgrade => Duration::ZERO,
            },
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
                options.idle_timeout = Some(UNUSABLE_IDLE);
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

    #[test]
    fn a_fresh_connection_is_no_pooled_one() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 1));
        let peer = |exchange| Timeouts::default().peer(endpoint, exchange, None);
        for exchange in [Exchange::Http1, Exchange::Http2] {
            let fresh = || {
                let mut peer = peer(exchange).expect("a peer");
                make_fresh(&mut peer);
                peer.reuse_hash()
            };
            let pooled = peer(exchange).expect("a peer").reuse_hash();
            assert_ne!(fresh(), pooled, "{exchange:?}");
            assert_ne!(fresh(), fresh(), "{exchange:?}");
        }
    }

    #[test]
    fn a_host_that_is_gone_is_found_out_before_its_endpoint_counts_as_silent() {
        let endpoint = SocketAddr::from(([127, 0, 0, 1], 1));
        let timeouts = Timeouts::default();
        let peer = timeouts.peer(endpoint, Exchange::Http1, None);
        let keepalive = peer.expect("a peer").options.tcp_keepalive.clone();
        let limit = keepalive.expect("settings").user_timeout;
        assert!(limit > Duration::ZERO && limit < timeouts.upstream_read);
    }
}
