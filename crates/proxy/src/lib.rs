//! Requests: the hooks that Pingora calls, in the order of a request's life.
//!
//! In: a request, with the connection that it came over, and the snapshot in force. Out: an answer of our
//! own, or the request at one of a backend's endpoints and its response at the client. A request keeps the
//! rule that it found, whatever is published meanwhile. Never here: YAML, API types, the graph, sockets.

mod access;
mod again;
mod answer;
mod at_once;
mod backend_tls;
mod choose;
mod close_delimited;
mod context;
mod counters;
mod deadline;
mod early;
mod expect;
mod failure;
mod fields;
mod forwarded;
mod gatefold;
mod hooks;
mod host;
mod mirror;
mod modify;
mod path;
mod peer;
mod read_ahead;
mod request;
mod response;
mod rewrite;
mod striped;
mod unread;
mod upgrade;
mod upload;
mod warnings;
mod watch;

#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use gatefold::Gatefold;
pub use peer::Timeouts;

use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::path_normalization::PathNormalization;
use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use std::sync::Arc;

/// How many idle connections to endpoints are kept when nobody says otherwise.
const IDLE_UPSTREAM: usize = 1024;

/// Uploads over HTTP/2: RFC 9113's 64 KiB a round trip is little on a long way. Both bound the memory that a
/// connection's unread data takes.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What the proxy needs besides the snapshot.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many threads the runtime has; Pingora splits what all of them use accordingly.
    pub threads: usize,
    /// How many idle connections to endpoints are kept in all.
    pub idle_upstream: usize,
    /// How long clients and endpoints are waited for.
    pub timeouts: Timeouts,
    /// What is counted.
    pub counters: Counters,
    /// Whether names of header fields go to HTTP/1 backends as HTTP/1 clients spell them, and not in lower case.
    pub preserve_header_case: bool,
    /// Whether paths are normalised before they are matched and forwarded.
    pub path_normalization: PathNormalization,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            idle_upstream: IDLE_UPSTREAM,
            timeouts: Timeouts::default(),
            counters: Counters::default(),
            preserve_header_case: false,
            path_normalization: PathNormalization::On,
        }
    }
}

/// The proxy for all sockets.
pub fn build(snapshot: Arc<ArcSwap<Snapshot>>, options: Options) -> Arc<HttpProxy<Gatefold>> {
    let conf = ServerConf {
        threads: options.threads,
        // Pingora keeps that many for each thread, in one pool.
        upstream_keepalive_pool_size: (options.idle_upstream / options.threads.max(1)).max(1),
        // The hooks decide on each one: a rule may say how often.
        max_retries: usize::MAX,
        ..ServerConf::default()
    };
    let gatefold = Gatefold::new(snapshot, &options);
    let mut proxy = http_proxy(&Arc::new(conf), gatefold);
    proxy.server_options = Some(server_options());
    proxy.h2_options = Some(http2_options());
    Arc::new(proxy)
}

fn server_options() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    // CONNECT comes to the hooks, which refuse it with an answer of our own.
    options.allow_connect_method_proxying = true;
    options
}

/// Pingora's bounds (64 KiB of headers, 100 streams), which options made from scratch would lose.
fn http2_options() -> H2Options {
    let mut options = default_h2_options();
    options.initial_window_size(HTTP2_STREAM_WINDOW);
    options.initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
    options
}
