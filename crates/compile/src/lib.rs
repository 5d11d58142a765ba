//! Compile: a graph becomes a [`Snapshot`].
//!
//! In: what the graph found to be served. Out: plain data by which requests are answered, with everything
//! parsed beforehand. Never here: files, sockets, and decisions about what is valid: the graph made them.

mod backend;
mod backend_tls;
mod filter;
mod host_tables;
mod matches;
mod route;
mod timeouts;
mod tls;

#[cfg(test)]
mod tests;

use backend::Backends;
use backend_tls::Identities;
use gatefold_dataplane::filter::Filters;
use gatefold_dataplane::host_routes::{HostRoutes, RouteEntry};
use gatefold_dataplane::http_match::HttpMatch;
use gatefold_dataplane::matcher::PathMatch;
use gatefold_dataplane::router::Router;
use gatefold_dataplane::timeouts::RuleTimeouts;
use gatefold_dataplane::tls::{CertificateSet, PortTls};
use gatefold_dataplane::{
    Action, BoundPorts, HttpListeners, Listener, Port, Rule, Snapshot, SocketKey,
};
use gatefold_graph::Graph;
use gatefold_graph::gateway::{ListenerNode, Protocol};
use gatefold_graph::ordered::Follow;
use gatefold_manifest::api::NamespacedName;
use host_tables::HostTables;
use http::StatusCode;
use matches::Patterns;
use route::CompiledRoute;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tls::Validations;

/// What is to be served by a graph, without anything before it.
pub fn compile(graph: &Graph) -> Snapshot {
    Compiler::default().compile(graph)
}

/// Compiles one graph after the other. What is the same in the next one is taken over, counters included: that of a
/// route which has changed go on where they are.
#[derive(Default)]
pub struct Compiler {
    routes: BTreeMap<NamespacedName, Arc<CompiledRoute>>,
    tables: HostTables,
    backends: Backends,
    patterns: Patterns,
    validations: Validations,
}

impl Compiler {
    /// What is to be served by a graph.
    pub fn compile(&mut self, graph: &Graph) -> Snapshot {
        self.patterns.begin();
        self.validations.begin();
        let identities = Identities::of(graph);
        self.routes = self.routes(graph, &identities);
        self.tables = HostTables::new(self.routes.values(), &self.tables);
        let mut ports: HashMap<SocketKey, Port> = HashMap::new();
        let mut bound_ports = BoundPorts::default();
        for (key, gateway) in &graph.gateways {
            let listeners = gateway.listeners.iter().enumerate();
            for (position, listener) in listeners.filter(|(_, listener)| listener.serving) {
                let tls = self.validations.certificates(key, listener);
                if listener.protocol == Some(Protocol::Https) && tls.is_none() {
                    continue;
                }
                let compiled = Arc::new(Listener {
                    name: format!("{key}/{}", listener.full_name()),
                    port: listener.port,
                    only_clients_of: tls.as_deref().and_then(tls::only_clients_of),
                    identity: identities.of_gateway(key),
                    router: match &listener.refusal {
                        Some(_) => refuse_all(&key.to_string()),
                        None => self.tables.router(&(key.clone(), position)),
                    },
                });
                add(&mut ports, listener, &compiled, tls.as_ref());
                for socket in &listener.sockets {
                    bound_ports.insert(&compiled, socket.address);
                }
            }
        }
        close_unserved(graph, &mut ports);
        let ports = ports.into_iter();
        Snapshot {
            ports: ports
                .map(|(socket, port)| (socket, Arc::new(port)))
                .collect(),
            bound_ports,
        }
    }

    /// Every route; those whose nodes are the very same as before are taken over.
    fn routes(
        &mut self,
        graph: &Graph,
        identities: &Identities<'_>,
    ) -> BTreeMap<NamespacedName, Arc<CompiledRoute>> {
        let holds = self.backends.begin(graph, identities);
        let mut before = Follow::new(&self.routes);
        let routes = graph.http_routes.iter().map(|(key, node)| {
            let before = before.at(key);
            let same = before.filter(|before| holds && Arc::ptr_eq(&before.node, node));
            let route = same.cloned().unwrap_or_else(|| {
                let before = before.map(|route| &**route);
                let (backends, patterns) = (&mut self.backends, &mut self.patterns);
                Arc::new(CompiledRoute::new(node, before, backends, patterns))
            });
            (key.clone(), route)
        });
        routes.collect()
    }
}

/// The router of a listener that answers every request with 500; logs show `name` as the route.
fn refuse_all(name: &str) -> Router {
    let rule = Rule {
        route: name.into(),
        index: 0,
        filters: Filters::default(),
        timeouts: RuleTimeouts::default(),
        retry: None,
        action: Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let entry = RouteEntry {
        matched: HttpMatch {
            path: PathMatch::Prefix("/".into()),
            matcher: Arc::default(),
        },
        rule: Arc::new(rule),
        index: 0,
    };
    let routes = HostRoutes::new([std::slice::from_ref(&entry)]);
    Router::new([(None, Arc::new(routes))])
}

/// Answers 500 for the hostnames of protected listeners that aren't served, where other listeners are: one with a wider
/// hostname would serve them without the protection.
fn close_unserved(graph: &Graph, ports: &mut HashMap<SocketKey, Port>) {
    for (key, gateway) in &graph.gateways {
        let listeners = gateway.listeners.iter();
        for listener in listeners.filter(|listener| !listener.closed_sockets.is_empty()) {
            let Some(protocol) = listener.protocol else {
                continue;
            };
            let closed = Arc::new(Listener {
                name: format!("{key}/{}", listener.full_name()),
                port: listener.port,
                only_clients_of: None,
                identity: None,
                router: refuse_all(&key.to_string()),
            });
            let hostname = listener.hostname.as_ref().map(|name| name.as_str());
            for socket in &listener.closed_sockets {
                let port = ports.get_mut(socket).filter(|port| serves(port, protocol));
                if let Some(listeners) = port.and_then(Port::http_mut)
                    && listeners.get(hostname).is_none()
                {
                    listeners.insert(hostname, closed.clone());
                }
            }
        }
    }
}

/// Adds a listener to all of its sockets. The graph lets neither two protocols nor a hostname twice on a socket;
/// should it be wrong, the first one stays, so that what was TLS is never plain.
fn add(
    ports: &mut HashMap<SocketKey, Port>,
    listener: &ListenerNode,
    compiled: &Arc<Listener>,
    tls: Option<&Arc<CertificateSet>>,
) {
    let Some(protocol) = listener.protocol else {
        return;
    };
    let hostname = listener.hostname.as_ref().map(|name| name.as_str());
    for socket in &listener.sockets {
        let port = ports.entry(*socket).or_insert_with(|| empty(protocol));
        if !serves(port, protocol) {
            continue;
        }
        match port.http_mut() {
            Some(listeners) if listeners.get(hostname).is_none() => {
                listeners.insert(hostname, compiled.clone());
            }
            Some(_) | None => continue,
        }
        if let (Port::Https(_, names), Some(set)) = (port, tls) {
            names.insert(hostname, set.clone());
        }
    }
}

/// A port without listeners.
fn empty(protocol: Protocol) -> Port {
    match protocol {
        Protocol::Http => Port::Http(HttpListeners::default()),
        Protocol::Https => Port::Https(HttpListeners::default(), PortTls::default()),
    }
}

/// Whether a port serves the protocol of a listener.
fn serves(port: &Port, protocol: Protocol) -> bool {
    match (port, protocol) {
        (Port::Http(_), Protocol::Http) | (Port::Https(..), Protocol::Https) => true,
        (Port::Http(_), Protocol::Https) | (Port::Https(..), Protocol::Http) => false,
    }
}
