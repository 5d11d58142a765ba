//! What is in force, as the admin API and the log show it.

use crate::diagnostic::{Code, Diagnostic, Pointer};
use crate::graph::Graph;
use crate::graph::gateway::{GatewayNode, ListenerNode, Protocol};
use crate::listen::{BindFailure, Failures};
use crate::manifest::Loaded;
use crate::status::Statuses;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// Everything there is to show, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Which configuration was seen, is applied, couldn't be.
    pub generations: Generations,
    /// Whether the first load is in force.
    pub ready: bool,
    /// When the configuration in force was applied.
    pub applied_at: Option<SystemTime>,
    /// How many reloads failed.
    pub reloads_failed: u64,
    /// The objects in force, and the files they came from.
    pub loaded: Arc<Loaded>,
    /// Their statuses.
    pub statuses: Statuses,
    /// All that is wrong, the worst first.
    pub diagnostics: Vec<Diagnostic>,
    /// What listens, and what should.
    pub listeners: Vec<ListenerState>,
}

/// Configurations are counted as they are seen, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generations {
    /// The newest one that was seen.
    pub seen: u64,
    /// The one in force; 0 before the first.
    pub applied: u64,
    /// The newest one that couldn't be put into force.
    pub failed: Option<u64>,
}

/// A listener and its sockets.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerState {
    /// The Gateway, `namespace/name`.
    pub gateway: String,
    /// The listener's name.
    pub name: String,
    /// `HTTP` or `HTTPS`, or nothing for a protocol that isn't served.
    pub protocol: Option<&'static str>,
    /// The hostname; any when absent.
    pub hostname: Option<String>,
    /// The port in the manifest.
    pub port: u16,
    /// The sockets it listens on.
    pub listening: Vec<SocketAddr>,
    /// The sockets that couldn't be bound, and why.
    pub failed: Vec<(SocketAddr, BindFailure)>,
    /// How many routes are attached.
    pub routes: u32,
}

pub(super) fn listeners(graph: &Graph, failures: &Failures) -> Vec<ListenerState> {
    each(graph)
        .map(|(gateway, listener)| {
            let failed: Vec<_> = listener
                .sockets
                .iter()
                .filter_map(|socket| Some((*socket, failures.get(socket)?.clone())))
                .collect();
            let listening = listener
                .sockets
                .iter()
                .filter(|socket| !failures.contains_key(socket));
            ListenerState {
                gateway: gateway.resource.key().to_string(),
                name: listener.name.to_string(),
                protocol: listener.protocol.map(|protocol| match protocol {
                    Protocol::Http => "HTTP",
                    Protocol::Https => "HTTPS",
                }),
                hostname: listener.hostname.as_ref().map(ToString::to_string),
                port: listener.port,
                listening: listening.copied().collect(),
                failed,
                routes: listener.attached_routes,
            }
        })
        .collect()
}

pub(super) fn bind_diagnostics(graph: &Graph, failures: &Failures) -> Vec<Diagnostic> {
    let found = each(graph).flat_map(|(gateway, listener)| {
        let failed = listener
            .sockets
            .iter()
            .filter_map(|socket| failures.get(socket));
        failed.map(move |failure| {
            let port = Pointer::spec()
                .key("listeners")
                .index(listener.index)
                .key("port");
            let place = gateway.resource.place(port);
            let message = format!("listener `{}`: {}", listener.name, failure.message);
            Diagnostic::new(Code::BindFailed, place, message).about(gateway.resource.id())
        })
    });
    found.collect()
}

fn each(graph: &Graph) -> impl Iterator<Item = (&GatewayNode, &ListenerNode)> {
    graph.gateways.values().flat_map(|gateway| {
        gateway
            .listeners
            .iter()
            .map(move |listener| (gateway, listener))
    })
}
