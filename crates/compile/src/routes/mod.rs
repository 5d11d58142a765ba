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
use compiled_route::CompiledRoutes;
use gatefold_dataplane::routing::Routers;
use gatefold_dataplane::routing::grpc_match::GrpcMatch;
use gatefold_dataplane::routing::http_match::HttpMatch;
use gatefold_dataplane::routing::route_match::RouteMatch;
use gatefold_graph::listener::ListenerId;
use gatefold_graph::route::{RouteKind, RouteNodes, Routes, RuleNode};
use host_tables::HostTables;

/// The compiled routes of all kinds.
#[derive(Default)]
pub(crate) struct RouteTables {
    http: KindTables<HttpMatch>,
    grpc: KindTables<GrpcMatch>,
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
struct KindTables<M: RouteMatch> {
    routes: CompiledRoutes<M>,
    hosts: HostTables<M>,
}

impl<M: RouteMatch> Default for KindTables<M> {
    fn default() -> Self {
        KindTables {
            routes: CompiledRoutes::new(),
            hosts: HostTables::default(),
        }
    }
}

impl<M: RouteMatch> KindTables<M> {
    fn update<K, S>(
        &mut self,
        nodes: &RouteNodes<K>,
        holds: bool,
        backends: &mut Backends,
        patterns: &mut Patterns,
    ) where
        K: RouteKind<Rule = RuleNode<S>>,
        S: CompileMatch<Compiled = M>,
    {
        let before = (&self.routes, holds);
        self.routes = compiled_route::compile(nodes, before, backends, patterns);
        self.hosts = HostTables::new(self.routes.values(), &self.hosts);
    }
}
