//! Compile: a graph becomes a [`Snapshot`].
//!
//! In: what the graph found to be served. Out: plain data by which requests are answered, with everything
//! parsed beforehand. Never here: files, sockets, and decisions about what is valid: the graph made them.

mod backend;
mod backend_tls;
mod filter;
mod http;
mod matches;
mod timeouts;
mod tls;

#[cfg(test)]
mod tests;

use crate::dataplane::hostname::HostMap;
use crate::dataplane::router::Router;
use crate::dataplane::tls::{CertificateSet, PortTls};
use crate::dataplane::{Listener, Port, Snapshot};
use crate::graph::Graph;
use crate::graph::gateway::{ListenerNode, Protocol};
use backend::Served;
use backend_tls::{BackendTlsCache, Identities};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tls::Validations;

/// Compiles what is to be served. Splits and endpoints that `previous` has as well go on where those are.
pub fn compile(graph: &Graph, previous: &Snapshot) -> Snapshot {
    let served = Served::of(previous);
    let mut validations = Validations::of(previous);
    let identities = Identities::of(graph);
    let backend_tls = BackendTlsCache::of(previous, &identities);
    let mut entries = http::entries(graph, &served, backend_tls);
    let mut ports: HashMap<SocketAddr, Port> = HashMap::new();
    let mut shifted = HashMap::new();
    for (key, gateway) in &graph.gateways {
        let listeners = gateway.listeners.iter().enumerate();
        for (position, listener) in listeners.filter(|(_, listener)| listener.serving) {
            let routes = entries.remove(&(key, position)).unwrap_or_default();
            let tls = validations.certificates(key, listener);
            if listener.protocol == Some(Protocol::Https) && tls.is_none() {
                continue;
            }
            let compiled = Arc::new(Listener {
                name: format!("{key}/{}", listener.full_name()),
                port: listener.port,
                only_clients_of: tls.as_deref().and_then(tls::only_clients_of),
                identity: identities.of_gateway(key),
                router: Router::new(routes),
            });
            add(&mut ports, listener, &compiled, tls.as_ref());
            let bound = listener.sockets.iter().map(SocketAddr::port);
            shifted.extend(
                bound
                    .filter(|bound| *bound != listener.port)
                    .map(|bound| (listener.port, bound)),
            );
        }
    }
    let ports = ports.into_iter();
    Snapshot {
        ports: ports
            .map(|(socket, port)| (socket, Arc::new(port)))
            .collect(),
        shifted,
    }
}

/// Adds a listener to all of its sockets. The graph lets neither two protocols nor a hostname twice on a socket;
/// should it be wrong, the first one stays, so that what was TLS is never plain.
fn add(
    ports: &mut HashMap<SocketAddr, Port>,
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
        let speaks_tls = protocol == Protocol::Https;
        if port.tls.is_some() != speaks_tls || port.listeners.get(hostname).is_some() {
            continue;
        }
        port.listeners.insert(hostname, compiled.clone());
        if let (Some(names), Some(set)) = (&mut port.tls, tls) {
            names.insert(hostname, set.clone());
        }
    }
}

/// A port without listeners, which speaks TLS or doesn't.
fn empty(protocol: Protocol) -> Port {
    Port {
        listeners: HostMap::default(),
        tls: match protocol {
            Protocol::Http => None,
            Protocol::Https => Some(PortTls::default()),
        },
    }
}
