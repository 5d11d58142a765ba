//! The request path: the hooks that Pingora calls during the life of a request.
//!
//! In: a request with its client connection, and the current snapshot. Out: our own answer, or the request forwarded to
//! an endpoint of a backend and its response to the client. A request keeps the rule that it was routed to, whatever is
//! published meanwhile. Never here: YAML, API types, the graph, listening sockets.

mod access_log;
mod context;
mod counters;
mod filter;
mod gatefold;
mod hooks;
mod mirror;
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
use gatefold_dataplane::path_normalization::PathNormalization;
use pingora_core::apps::HttpServerOptions;
use pingora_core::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use std::sync::Arc;

/// Default for the maximum number of idle connections to endpoints.
const IDLE_UPSTREAM: usize = 1024;

/// Flow-control windows for uploads over HTTP/2. The default of RFC 9113, 64 KiB per round trip, is slow over long distances.
/// Both windows bound the memory for a connection's unread data.
const HTTP2_STREAM_WINDOW: u32 = 256 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The settings of the proxy. None of them depends on the snapshot.
#[derive(Clone, Debug)]
pub struct Options {
    /// The number of threads of the runtime. Pingora divides shared resources by it.
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

/// Builds the proxy, which all sockets share.
pub fn build(snapshot: Arc<ArcSwap<Snapshot>>, options: Options) -> Arc<HttpProxy<Gatefold>> {
    let conf = ServerConf {
        threads: options.threads,
        // Pingora multiplies this by the number of threads.
        upstream_keepalive_pool_size: (options.idle_upstream / options.threads.max(1)).max(1),
        // The hooks decide on every retry, since a rule may set the number of attempts.
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
