//! The request path: the hooks that Pingora calls during the life of a request.
//!
//! In: a request with its client connection, and the current snapshot. Out: our own answer, or the request forwarded to
//! an endpoint of a backend and its response to the client. A request keeps the rule that it was routed to, whatever is
//! published meanwhile. Never here: YAML, API types, the graph, listening sockets.

mod access_log;
mod context;
mod counters;
mod external_auth;
mod filter;
mod gatefold;
mod hooks;
mod mirror;
mod oidc;
mod ready_hook;
mod request;
mod response;
mod striped;
mod upstream;
mod warnings;

#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use gatefold::Gatefold;
pub use upstream::peer::Timeouts;

use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::access_log::AccessLog;
use gatefold_dataplane::path_normalization::PathNormalization;
use http::HeaderName;
use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use std::sync::Arc;

/// Default for the maximum number of idle connections to endpoints.
const IDLE_UPSTREAM: usize = 1024;

/// A file without certificates. Connections get their authorities from the policy. Without this file, each connector of each
/// thread would read the system's at start-up and keep two copies of them (a quarter of a megabyte), and Pingora panics if one
/// can't be read.
pub(crate) const NO_AUTHORITIES: &str = "/dev/null";

/// Flow-control windows for uploads over HTTP/2. The default of RFC 9113, 64 KiB per round trip, is slow over long distances.
/// Both windows bound the memory for a connection's unread data.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The settings of the proxy. None of them depends on the snapshot.
#[derive(Clone, Debug)]
pub struct Options {
    /// The number of threads that serve requests.
    pub threads: usize,
    /// The maximum number of idle connections to endpoints, over all threads.
    pub idle_upstream: usize,
    /// Timeouts for clients and endpoints.
    pub timeouts: Timeouts,
    /// The metrics of requests.
    pub counters: Counters,
    /// Whether HTTP/1 backends get header names as HTTP/1 clients spell them, instead of in lower case.
    pub preserve_header_case: bool,
    /// Whether paths are normalised before they are matched and forwarded.
    pub path_normalization: PathNormalization,
    /// The access log of requests whose Gateway has none of its own.
    pub access_log: Option<AccessLog>,
    /// The header for the reason of an answer of the proxy itself. `None` for no header.
    pub reason_header: Option<HeaderName>,
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
            access_log: None,
            reason_header: None,
        }
    }
}

/// Builds one proxy for each thread, which all sockets share. Each has its own connections to endpoints.
pub fn build(snapshot: Arc<ArcSwap<Snapshot>>, options: &Options) -> Vec<Arc<HttpProxy<Gatefold>>> {
    let first = Gatefold::new(snapshot, options);
    let others = (1..options.threads).map(|_| first.for_another_thread());
    let others: Vec<_> = others.collect();
    let all = std::iter::once(first).chain(others);
    all.map(|app| Arc::new(proxy(app, options))).collect()
}

/// Builds the proxy of one thread.
fn proxy(gatefold: Gatefold, options: &Options) -> HttpProxy<Gatefold> {
    let conf = ServerConf {
        threads: 1,
        ca_file: Some(NO_AUTHORITIES.to_owned()),
        upstream_keepalive_pool_size: (options.idle_upstream / options.threads.max(1)).max(1),
        // The hooks decide on every retry, since a rule may set the number of attempts.
        max_retries: usize::MAX,
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(&Arc::new(conf), gatefold);
    proxy.server_options = Some(server_options());
    proxy.h2_options = Some(http2_options());
    proxy
}

fn server_options() -> HttpServerOptions {
    let mut options = HttpServerOptions::default();
    options.h2c = true;
    // CONNECT reaches the hooks, which answer it themselves.
    options.allow_connect_method_proxying = true;
    options
}

/// Starts from Pingora's bounds (64 KiB of headers, 100 streams), which new options would lack.
fn http2_options() -> H2Options {
    let mut options = default_h2_options();
    options.initial_window_size(HTTP2_STREAM_WINDOW);
    options.initial_connection_window_size(HTTP2_CONNECTION_WINDOW);
    options
}
