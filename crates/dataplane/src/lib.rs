//! Plain data that requests are served from.
//!
//! In: what `compile` makes of the graph. Out: the certificate for a connection; the rule, backend and endpoint
//! for a request; changes to headers. Never here: sockets, Pingora, YAML, API types. Everything is immutable once
//! built, except counters and the queues of log lines.

pub mod access_log;
pub mod backend;
pub mod backend_tls;
mod bound_ports;
pub mod client_certificate;
pub mod client_traffic;
pub mod client_validation;
pub mod durations;
pub mod filter;
pub mod hostname;
pub mod issuer_fetch;
pub mod path_normalization;
mod port;
pub mod retry;
pub mod routing;
mod rule_id;
mod shared_map;
mod snapshot;
mod socket;
pub mod text_pattern;
pub mod timeouts;
pub mod tls;

use access_log::AccessLog;
use backend::{Backend, Split};
pub use bound_ports::BoundPorts;
use client_traffic::ClientTraffic;
use client_traffic::socket_settings::SocketSettings;
use durations::DurationHistogram;
use filter::Filters;
use http::StatusCode;
use issuer_fetch::{IssuerFetch, NamedProvider};
pub use port::{HttpListeners, Port};
use retry::RuleRetry;
use routing::Routers;
pub use rule_id::RuleId;
pub use socket::{SocketKey, Transport};
use std::sync::Arc;
use timeouts::RuleTimeouts;

/// A compiled listener.
#[derive(Debug)]
pub struct Listener {
    /// `namespace/gateway/listener`, for logs and metrics. For a listener of a ListenerSet:
    /// `namespace/gateway/namespace/listenerset/listener`.
    pub name: String,
    /// The port in the manifest. The bound port differs if `--port-map` shifts it.
    pub port: u16,
    /// The scope of the [`ClientValidation`](client_validation::ClientValidation) that clients must have passed. `None` if there
    /// is none that refuses clients.
    pub only_clients_of: Option<Arc<str>>,
    /// The index of the client certificate that the Gateway presents to backends; see
    /// [`BackendTlsByIdentity`](backend_tls::BackendTlsByIdentity).
    pub identity: Option<usize>,
    /// The access logs of its requests; none if it is empty. `None` for those of the command line.
    pub access_logs: Option<Arc<[AccessLog]>>,
    /// How its clients' requests are treated, if a policy says so.
    pub client_traffic: Option<Arc<ClientTraffic>>,
    /// The routes.
    pub routers: Routers,
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
    /// The durations of its route's requests.
    pub durations: Arc<DurationHistogram>,
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
    /// Ports by socket. Clients don't choose these keys, so the hash need not withstand attacks.
    pub ports: hashbrown::HashMap<SocketKey, Arc<Port>>,
    /// How connections are treated. A socket without settings isn't here.
    pub socket_settings: hashbrown::HashMap<SocketKey, Arc<SocketSettings>>,
    /// Maps ports in manifests to bound ports.
    pub bound_ports: BoundPorts,
    /// What to fetch from issuers for the filters of rules, by name.
    pub issuer_fetches: Vec<IssuerFetch>,
    /// The OpenID providers of which everything is known, by name.
    pub named_providers: Vec<NamedProvider>,
}
