//! Plain data that requests are served from.
//!
//! In: what `compile` makes of the graph. Out: the certificate for a connection; the rule, backend and endpoint
//! for a request; changes to headers. Never here: sockets, Pingora, YAML, API types. Everything is immutable once
//! built, except counters.

pub mod backend;
pub mod backend_tls;
mod bound_ports;
pub mod client_validation;
pub mod filter;
pub mod host_routes;
pub mod hostname;
pub mod http_match;
pub mod matcher;
mod path;
pub mod path_normalization;
pub mod preflight;
pub mod query;
mod rank;
pub mod request;
pub mod retry;
pub mod route_match;
pub mod router;
mod rule_id;
mod snapshot;
pub mod timeouts;
pub mod tls;

use backend::{Backend, Split};
pub use bound_ports::BoundPorts;
use filter::Filters;
use hostname::HostMap;
use http::StatusCode;
use retry::RuleRetry;
use router::Router;
pub use rule_id::RuleId;
use std::net::SocketAddr;
use std::sync::Arc;
use timeouts::RuleTimeouts;
use tls::PortTls;

/// What is served on one socket (an address and a port). Listeners of several Gateways may share it.
#[derive(Debug, Default)]
pub struct Port {
    /// The listener of each hostname. A request belongs to the listener with the most specific matching hostname.
    pub listeners: HostMap<Arc<Listener>>,
    /// The certificates of each server name. `None` if the port serves plain text.
    pub tls: Option<PortTls>,
}

/// A compiled listener.
#[derive(Debug)]
pub struct Listener {
    /// `namespace/gateway/listener`, for logs and metrics. For a listener of a ListenerSet:
    /// `namespace/gateway/namespace/listenerset/listener`.
    pub name: String,
    /// The port in the manifest. The bound port differs if `--port-map` shifts it.
    pub port: u16,
    /// The scope of the [`ClientMode::ValidOnly`](client_validation::ClientMode::ValidOnly) validation that clients
    /// must have passed. `None` if no client certificate is required.
    pub only_clients_of: Option<Arc<str>>,
    /// The index of the client certificate that the Gateway presents to backends; see
    /// [`BackendTlsByIdentity`](backend_tls::BackendTlsByIdentity).
    pub identity: Option<usize>,
    /// The routes.
    pub router: Router,
}

impl Listener {
    /// Returns the name of the listener's Gateway, `namespace/gateway`.
    pub fn gateway(&self) -> &str {
        let end = self.name.match_indices('/').nth(1);
        end.and_then(|(end, _)| self.name.get(..end))
            .unwrap_or(&self.name)
    }
}

/// A rule of a route. All matches of the rule share it.
#[derive(Debug)]
pub struct Rule {
    /// Its identity.
    pub id: RuleId,
    /// The filters of the rule. They apply to all of its requests.
    pub filters: Filters,
    /// The time limits of its requests.
    pub timeouts: RuleTimeouts,
    /// When to retry. Without it, a request is retried only if no endpoint has processed it.
    pub retry: Option<Box<RuleRetry>>,
    /// How its requests are answered.
    pub action: Action,
}

impl Rule {
    /// Returns the backend at an index of the rule's split.
    pub fn backend(&self, index: usize) -> Option<&Backend> {
        match &self.action {
            Action::Forward(split) => split.get(index),
            Action::AnsweredByFilters | Action::Refuse(_) => None,
        }
    }
}

/// How the requests of a rule are answered.
#[derive(Debug)]
pub enum Action {
    /// Forward them to one of the backends.
    Forward(Split),
    /// The filters answer every request, as a redirect does.
    AnsweredByFilters,
    /// Answer with this status, because the rule can't be served as written.
    Refuse(StatusCode),
}

/// Everything that is served at one moment. A request keeps the snapshot that it started with.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Ports by bound address. Clients don't choose these keys, so the hash need not withstand attacks.
    pub ports: hashbrown::HashMap<SocketAddr, Arc<Port>>,
    /// Maps ports in manifests to bound ports.
    pub bound_ports: BoundPorts,
}
