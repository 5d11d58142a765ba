//! The routers of each listener.

use super::compiled_route::{CompiledRoute, Place};
use gatefold_dataplane::routing::host_routes::{HostRoutes, RouteEntry};
use gatefold_dataplane::routing::route_match::RouteMatch;
use gatefold_dataplane::routing::router::Router;
use gatefold_graph::listener::ListenerId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The router of each listener that has routes. A snapshot gets clones, which share all routes with these.
pub(super) struct HostTables<M: RouteMatch>(BTreeMap<ListenerId, Router<M>>);

/// The matches to remove from a hostname of a listener, and those to add.
struct HostEdit<M> {
    removed: Vec<Arc<RouteEntry<M>>>,
    added: Vec<Arc<RouteEntry<M>>>,
}

impl<M: RouteMatch> Default for HostTables<M> {
    fn default() -> Self {
        HostTables(BTreeMap::new())
    }
}

impl<M> Default for HostEdit<M> {
    fn default() -> Self {
        HostEdit {
            removed: Vec::new(),
            added: Vec::new(),
        }
    }
}

impl<M: RouteMatch> HostTables<M> {
    /// Removes routes that were added before, and adds others.
    pub(super) fn replace<'r>(
        &mut self,
        removed: impl Iterator<Item = &'r CompiledRoute<M>>,
        added: impl Iterator<Item = &'r CompiledRoute<M>>,
    ) where
        M: 'r,
    {
        let mut edits: BTreeMap<&Place, HostEdit<M>> = BTreeMap::new();
        for variant in removed.flat_map(|route| &route.variants) {
            for place in &variant.places {
                let edit = edits.entry(place).or_default();
                edit.removed.extend(variant.entries.iter().cloned());
            }
        }
        for variant in added.flat_map(|route| &route.variants) {
            for place in &variant.places {
                let edit = edits.entry(place).or_default();
                edit.added.extend(variant.entries.iter().cloned());
            }
        }
        for ((listener, hostname), edit) in edits {
            let router = self.0.entry(listener.clone()).or_default();
            let hostname = hostname.as_deref();
            let before = router.routes(hostname);
            let mut routes = before.map_or_else(HostRoutes::default, |it| HostRoutes::clone(it));
            routes.replace(&edit.removed, &edit.added);
            router.set_routes(hostname, routes);
        }
        self.0.retain(|_, router| !router.is_empty());
    }

    /// Returns the router of a listener.
    pub(super) fn router(&self, listener: &ListenerId) -> Router<M> {
        self.0.get(listener).cloned().unwrap_or_default()
    }
}
