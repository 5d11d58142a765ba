//! Plain data that requests are served by.
//!
//! In: what `compile` made of the graph. Out: for a connection its certificate, for a request the rule,
//! the backend and the endpoint, and the changes to headers. No sockets, no proxy, no YAML, no API types.
//! Everything here is immutable after it was made, but for counters.

/// Backends by weight, and their endpoints in turn.
pub mod backend;
/// TLS towards backends.
pub mod backend_tls;
mod bound_ports;
/// What clients must show in a TLS handshake.
pub mod client_validation;
pub mod filter;
/// The routes of one hostname.
pub mod host_routes;
/// Values by hostname, exact or with a wildcard.
pub mod hostname;
/// What a request must look like besides its host.
pub mod matcher;
mod path;
/// Paths in their normal form.
pub mod path_normalization;
mod port;
/// Which rule answers a preflight request.
pub mod preflight;
pub mod query;
mod rank;
/// A request, as far as matching looks at it.
pub mod request;
/// When a request is tried again.
pub mod retry;
/// From a request to the rule that takes it.
pub mod router;
mod snapshot;
mod socket;
/// Time limits of a rule.
pub mod timeouts;
/// Certificates by server name.
pub mod tls;

use backend::Split;
pub use bound_ports::BoundPorts;
use filter::Filters;
use filter::request_redirect::RequestRedirect;
use http::StatusCode;
pub use port::{HttpListeners, Port};
use retry::Retry;
use router::Router;
pub use socket::{SocketKey, Transport};
use std::sync::Arc;
use timeouts::RuleTimeouts;

/// A listener: its routes, compiled.
#[derive(Debug)]
pub struct Listener {
    /// `namespace/gateway/listener`, for logs and metrics; one of a ListenerSet is
    /// `namespace/gateway/namespace/listenerset/listener`.
    pub name: String,
    /// Its port as the manifest has it, which `--port-map` may have shifted.
    pub port: u16,
    /// The scope of the [`ClientMode::ValidOnly`](client_validation::ClientMode::ValidOnly) validation that its clients must have passed; nothing when
    /// anybody may come.
    pub only_clients_of: Option<Arc<str>>,
    /// The place of its Gateway's client certificate, which backends are shown; see
    /// [`BackendTlsByIdentity`](backend_tls::BackendTlsByIdentity).
    pub identity: Option<usize>,
    /// The routes.
    pub router: Router,
}

impl Listener {
    /// Its Gateway, `namespace/gateway`.
    pub fn gateway(&self) -> &str {
        let end = self.name.match_indices('/').nth(1);
        end.and_then(|(end, _)| self.name.get(..end))
            .unwrap_or(&self.name)
    }
}

/// One rule of a route, shared by all of its matches.
#[derive(Debug)]
pub struct Rule {
    /// `namespace/name`, for logs.
    pub route: Arc<str>,
    /// Which rule of the route, from 0.
    pub index: usize,
    /// Changes for every request of this rule.
    pub filters: Filters,
    /// How long its requests may take.
    pub timeouts: RuleTimeouts,
    /// When they are tried again; without it only what no endpoint has seen.
    pub retry: Option<Box<Retry>>,
    /// What is done with the request.
    pub action: Action,
}

/// What is done with a request.
#[derive(Debug)]
pub enum Action {
    /// It goes to one of the backends.
    Forward(Split),
    /// It is answered here: the client shall ask elsewhere.
    Redirect(RequestRedirect),
    /// It is answered here: the rule can't be served as written.
    Refuse(StatusCode),
}

/// Everything that is served, at one moment. A request keeps the one it began with.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The ports by their sockets. Clients can't choose the keys, so hashing needn't resist collision attacks.
    pub ports: hashbrown::HashMap<SocketKey, Arc<Port>>,
    /// Where the listeners' ports are bound.
    pub bound_ports: BoundPorts,
}
