//! Compile: a graph becomes a [`Snapshot`].
//!
//! In: a graph. Out: the plain data that requests are served with; header names, regular expressions and certificates are
//! parsed in advance. This crate never touches files or sockets, and never decides what is valid: the graph has decided.

mod access_log;
mod backend;
mod backend_tls;
mod filter;
mod issuer_fetch;
mod routes;
mod timeouts;
mod tls;

#[cfg(test)]
mod tests;

use access_log::AccessLogCompiler;
use backend::Backends;
use backend_tls::Identities;
use gatefold_dataplane::access_log::LineSinks;
use gatefold_dataplane::durations::Durations;
use gatefold_dataplane::filter::Filters;
use gatefold_dataplane::routing::Routers;
use gatefold_dataplane::routing::host_routes::{HostRoutes, RouteEntry};
use gatefold_dataplane::routing::http_match::HttpMatch;
use gatefold_dataplane::routing::matcher::PathMatch;
use gatefold_dataplane::routing::rank::RouteAge;
use gatefold_dataplane::routing::router::Router;
use gatefold_dataplane::timeouts::RuleTimeouts;
use gatefold_dataplane::tls::{CertificateSet, PortTls};
use gatefold_dataplane::{
    Action, BoundPorts, HttpListeners, Listener, Port, Rule, RuleId, Snapshot, SocketKey,
};
use gatefold_graph::Graph;
use gatefold_graph::listener::{ListenerId, ListenerNode, Protocol};
use gatefold_manifest::Kind;
use http::StatusCode;
use routes::{Patterns, RouteTables};
use std::collections::HashMap;
use std::sync::Arc;
use tls::TlsCache;

/// Compiles a graph without reusing anything.
pub fn compile(graph: &Graph) -> Snapshot {
    Compiler::default().compile(graph)
}

/// Compiles successive graphs. Routes that haven't changed since the previous graph are reused with their counters. The
/// counters of changed routes continue.
#[derive(Default)]
pub struct Compiler {
    sinks: LineSinks,
    routes: RouteTables,
    backends: Backends,
    patterns: Patterns,
    tls: TlsCache,
}

impl Compiler {
    /// Creates a compiler whose access logs write to these sinks, and whose rules and backends count into these histograms.
    pub fn new(sinks: LineSinks, durations: Durations) -> Self {
        Compiler {
            sinks,
            backends: Backends::new(durations),
            ..Compiler::default()
        }
    }

    /// Compiles a graph.
    pub fn compile(&mut self, graph: &Graph) -> Snapshot {
        self.patterns.begin();
        self.tls.begin();
        let identities = Identities::of(graph);
        let holds = self.backends.begin(graph, &identities);
        let (backends, patterns) = (&mut self.backends, &mut self.patterns);
        self.routes.update(&graph.routes, holds, backends, patterns);
        let mut logs = AccessLogCompiler::new(&self.sinks);
        let mut ports: HashMap<SocketKey, Port> = HashMap::new();
        let mut bound_ports = BoundPorts::default();
        for (id, listener) in graph.listeners().filter(|(_, it)| it.serving) {
            let gateway = &id.gateway;
            let name = id.name(listener);
            let tls = self.tls.certificates(gateway, (&name, listener));
            if listener.protocol == Some(Protocol::Https) && tls.is_none() {
                continue;
            }
            let compiled = Arc::new(Listener {
                name,
                port: listener.port,
                only_clients_of: tls.as_deref().and_then(tls::only_clients_of),
                identity: identities.of_gateway(gateway),
                access_logs: logs.of_gateway(graph, gateway),
                client_traffic: listener.client_traffic.clone(),
                routers: match &listener.refusal {
                    Some(_) => refuse_all(&gateway.to_string()),
                    None => self.routes.routers(&id),
                },
            });
            add(&mut ports, listener, &compiled, tls.as_ref());
            for socket in &listener.sockets {
                bound_ports.insert(&compiled, socket.address);
            }
        }
        close_unserved(graph, &mut ports);
        let issuer_fetch::FromIssuers {
            fetches,
            named_providers,
        } = issuer_fetch::compile(graph, self.backends.tls());
        let ports = ports.into_iter();
        let settings = graph.socket_settings.iter();
        Snapshot {
            socket_settings: settings.map(|(it, own)| (*it, own.clone())).collect(),
            ports: ports
                .map(|(socket, port)| (socket, Arc::new(port)))
                .collect(),
            bound_ports,
            issuer_fetches: fetches,
            named_providers,
        }
    }
}

/// Returns routers that answer every request with 500. Logs show `gateway` as the route.
fn refuse_all(gateway: &str) -> Routers {
    let rule = Rule {
        id: RuleId {
            kind: Kind::Gateway.name(),
            route: gateway.into(),
            index: 0,
        },
        filters: Filters::default(),
        timeouts: RuleTimeouts::default(),
        retry: None,
        durations: Arc::default(),
        action: Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let entry = RouteEntry {
        matched: HttpMatch {
            path: PathMatch::Prefix("/".into()),
            matcher: Arc::default(),
        },
        rule: Arc::new(rule),
        index: 0,
        age: RouteAge::default(),
    };
    let routes = HostRoutes::new(&[Arc::new(entry)]);
    Routers {
        http: Router::new([(None, Arc::new(routes))]),
        ..Routers::default()
    }
}

/// Answers 500 for the hostnames of protected listeners that aren't served, on sockets with other listeners: those that the graph
/// closes, and those whose TLS can't be set up. Otherwise a listener with a wider hostname would serve these hostnames without
/// the protection.
fn close_unserved(graph: &Graph, ports: &mut HashMap<SocketKey, Port>) {
    for (id, listener) in graph.listeners() {
        let Some(protocol) = listener.protocol else {
            continue;
        };
        let hostname = listener.hostname.as_ref().map(|name| name.as_str());
        for socket in listener.closed_sockets.iter().chain(&listener.sockets) {
            let port = ports.get_mut(socket).filter(|port| serves(port, protocol));
            if let Some(listeners) = port.and_then(Port::http_mut)
                && listeners.get(hostname).is_none()
            {
                listeners.insert(hostname, Arc::new(closed(&id, listener)));
            }
        }
    }
}

/// Returns a listener that answers every request with 500.
fn closed(id: &ListenerId, listener: &ListenerNode) -> Listener {
    Listener {
        name: id.name(listener),
        port: listener.port,
        only_clients_of: None,
        identity: None,
        access_logs: None,
        client_traffic: None,
        routers: refuse_all(&id.gateway.to_string()),
    }
}

/// Adds a listener to all of its sockets. The graph admits neither two protocols nor the same hostname twice on a socket.
/// If it did, the first listener would stay, so that a TLS port never becomes a plain one.
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

/// Returns a port without listeners for a protocol.
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
