//! The compiled routes of a kind, with the routers that are made of them.

use super::backend::Backends;
use super::host_tables::HostTables;
use super::matches::{CompileMatch, Patterns};
use super::route::{self, CompiledRoutes};
use gatefold_dataplane::route_match::RouteMatch;
use gatefold_dataplane::router::Router;
use gatefold_graph::listener::ListenerId;
use gatefold_graph::route::{RouteKind, RouteNodes, RuleNode};

/// The compiled routes of a kind. `M` is the kind's type of compiled matches.
pub(super) struct RouteTables<M: RouteMatch> {
    routes: CompiledRoutes<M>,
    hosts: HostTables<M>,
}

impl<M: RouteMatch> Default for RouteTables<M> {
    fn default() -> Self {
        RouteTables {
            routes: CompiledRoutes::new(),
            hosts: HostTables::default(),
        }
    }
}

impl<M: RouteMatch> RouteTables<M> {
    /// Compiles the routes of the next graph. If `holds`, the routes whose nodes are still the same are reused.
    pub(super) fn update<K, S>(
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
        self.routes = route::compile(nodes, before, backends, patterns);
        self.hosts = HostTables::new(self.routes.values(), &self.hosts);
    }

    /// Returns the router of a listener.
    pub(super) fn router(&self, listener: &ListenerId) -> Router<M> {
        self.hosts.router(listener)
    }
}
