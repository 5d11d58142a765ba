//! The compiled routes of all kinds, and the routers that are made of them.
//!
//! In: the routes of a graph. Out: the routers of each listener. Routes whose nodes haven't changed are reused. A kind of route
//! whose rules match requests is a file here, for its matches, and a field of [`RouteTables`].

mod compile_match;
mod compiled_route;
mod grpc_match;
mod host_tables;
mod http_match;

pub(crate) use compile_match::{CompileMatch, Patterns};

use crate::backend::Backends;
use compiled_route::CompiledRoute;
use gatefold_dataplane::routing::Routers;
use gatefold_dataplane::routing::grpc_match::GrpcMatch;
use gatefold_dataplane::routing::http_match::HttpMatch;
use gatefold_dataplane::routing::route_match::RouteMatch;
use gatefold_graph::listener::ListenerId;
use gatefold_graph::ordered::differences;
use gatefold_graph::route::{GrpcRoute, HttpRoute, RouteKind, RouteNodes, Routes, RuleNode};
use gatefold_manifest::api::NamespacedName;
use host_tables::HostTables;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The compiled routes of all kinds.
#[derive(Default)]
pub(crate) struct RouteTables {
    http: KindTables<HttpRoute, HttpMatch>,
    grpc: KindTables<GrpcRoute, GrpcMatch>,
}

impl RouteTables {
    /// Compiles the routes of the next graph. If `holds`, the routes whose nodes are still the same are reused.
    pub(crate) fn update(
        &mut self,
        routes: &Routes,
        holds: bool,
        backends: &mut Backends,
        patterns: &mut Patterns,
    ) {
        let Routes { http, grpc } = routes;
        self.http.update(http, holds, backends, patterns);
        self.grpc.update(grpc, holds, backends, patterns);
    }

    /// Returns the routers of a listener.
    pub(crate) fn routers(&self, listener: &ListenerId) -> Routers {
        Routers {
            http: self.http.hosts.router(listener),
            grpc: self.grpc.hosts.router(listener),
        }
    }
}

/// The compiled routes of a kind. `M` is the kind's type of compiled matches.
struct KindTables<K: RouteKind, M: RouteMatch> {
    /// The nodes that the routes were compiled from.
    nodes: Arc<RouteNodes<K>>,
    routes: BTreeMap<NamespacedName, CompiledRoute<M>>,
    hosts: HostTables<M>,
}

impl<K: RouteKind, M: RouteMatch> Default for KindTables<K, M> {
    fn default() -> Self {
        KindTables {
            nodes: Arc::default(),
            routes: BTreeMap::new(),
            hosts: HostTables::default(),
        }
    }
}

impl<K: RouteKind, M: RouteMatch> KindTables<K, M> {
    /// Compiles the routes whose nodes have changed, or all of them unless the others hold. Replaces only these in the tables.
    fn update<S>(
        &mut self,
        nodes: &Arc<RouteNodes<K>>,
        holds: bool,
        backends: &mut Backends,
        patterns: &mut Patterns,
    ) where
        K: RouteKind<Rule = RuleNode<S>>,
        S: CompileMatch<Compiled = M>,
    {
        let before = std::mem::replace(&mut self.nodes, nodes.clone());
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        let mut replace = |key: &NamespacedName, node: Option<&Arc<_>>| {
            let before = self.routes.remove(key);
            if let Some(node) = node {
                let route = compiled_route::compile(node, before.as_ref(), backends, patterns);
                added.push((key.clone(), route));
            }
            removed.extend(before);
        };
        if holds {
            for (key, node) in differences(&before, nodes) {
                replace(key, node);
            }
        } else {
            let gone = before.keys().filter(|key| !nodes.contains_key(*key));
            gone.for_each(|key| replace(key, None));
            nodes
                .iter()
                .for_each(|(key, node)| replace(key, Some(node)));
        }
        self.hosts
            .replace(removed.iter(), added.iter().map(|(_, route)| route));
        if self.routes.is_empty() {
            // Collecting fills the nodes of the map, inserting in order leaves them half empty.
            self.routes = added.into_iter().collect();
        } else {
            self.routes.extend(added);
        }
    }
}
