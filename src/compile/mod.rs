//! Compile: a graph becomes a [`Snapshot`].
//!
//! In: what the graph found to be served. Out: plain data by which requests are answered, with everything
//! parsed beforehand. Never here: files, sockets, and decisions about what is valid: the graph made them.

mod backend;
mod filter;
mod http;
mod matches;
mod tls;

use crate::dataplane::router::Router;
use crate::dataplane::{Listener, Port, Snapshot};
use crate::graph::Graph;
use crate::graph::gateway::{ListenerNode, Protocol};
use backend::Served;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Compiles what is to be served. Splits and endpoints that `previous` has as well go on where those are.
pub fn compile(graph: &Graph, previous: &Snapshot) -> Snapshot {
    let served = Served::of(previous);
    let mut entries = http::entries(graph, &served);
    let mut ports: HashMap<SocketAddr, Port> = HashMap::new();
    for (key, gateway) in &graph.gateways {
        for listener in gateway.listeners.iter().filter(|listener| listener.serving) {
            let routes = entries.remove(&(key, listener.index)).unwrap_or_default();
            let compiled = Arc::new(Listener {
                name: format!("{key}/{}", listener.name),
                router: Router::new(routes),
            });
            add(&mut ports, listener, &compiled);
        }
    }
    let ports = ports.into_iter();
    Snapshot {
        ports: ports
            .map(|(socket, port)| (socket, Arc::new(port)))
            .collect(),
    }
}

/// Adds a listener to all of its sockets. The graph let only such listeners through as can share a socket.
fn add(ports: &mut HashMap<SocketAddr, Port>, listener: &ListenerNode, compiled: &Arc<Listener>) {
    let hostname = listener.hostname.as_ref().map(|name| name.as_str());
    let certificates = match listener.protocol {
        Some(Protocol::Https) => tls::certificates(listener),
        Some(Protocol::Http) | None => None,
    };
    for socket in &listener.sockets {
        let port = ports.entry(*socket).or_default();
        port.listeners.insert(hostname, compiled.clone());
        if let Some(certificates) = &certificates {
            let names = port.tls.get_or_insert_default();
            names.insert(hostname, certificates.clone());
        }
    }
}
