//! The routes of each listener by hostname, and the routers made of them.

use super::compiled_route::CompiledRoute;
use gatefold_dataplane::routing::host_routes::HostRoutes;
use gatefold_dataplane::routing::route_match::RouteMatch;
use gatefold_dataplane::routing::router::Router;
use gatefold_graph::listener::ListenerId;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The compiled routes of each listener, by hostname.
pub(super) struct HostTables<M: RouteMatch>(BTreeMap<ListenerId, ListenerHosts<M>>);

type ListenerHosts<M> = HashMap<Option<Arc<str>>, HostTable<M>>;

/// The routes of one hostname.
struct HostTable<M: RouteMatch> {
    /// The oldest first.
    routes: Vec<Arc<CompiledRoute<M>>>,
    compiled: Option<Arc<HostRoutes<M>>>,
}

impl<M: RouteMatch> Default for HostTables<M> {
    fn default() -> Self {
        HostTables(BTreeMap::new())
    }
}

impl<M: RouteMatch> Default for HostTable<M> {
    fn default() -> Self {
        HostTable {
            routes: Vec::new(),
            compiled: None,
        }
    }
}

impl<M: RouteMatch> HostTables<M> {
    /// Compiles all tables. A table that has the same routes as in `before`, in the same order, is reused.
    pub(super) fn new<'r>(
        routes: impl Iterator<Item = &'r Arc<CompiledRoute<M>>>,
        before: &Self,
    ) -> Self
    where
        M: 'r,
    {
        let mut tables = HostTables::default();
        for route in by_age(routes) {
            for (listener, hostname) in &route.places {
                let hosts = match tables.0.get_mut(listener) {
                    Some(hosts) => hosts,
                    None => tables.0.entry(listener.clone()).or_default(),
                };
                let table = hosts.entry(hostname.clone()).or_default();
                table.routes.push(route.clone());
            }
        }
        for (listener, hosts) in &mut tables.0 {
            let before = before.0.get(listener);
            for (hostname, table) in hosts {
                table.compile(before.and_then(|hosts| hosts.get(hostname)));
            }
        }
        tables
    }

    /// Returns the router of a listener.
    pub(super) fn router(&self, listener: &ListenerId) -> Router<M> {
        let hosts = self.0.get(listener).into_iter().flatten();
        Router::new(
            hosts.filter_map(|(hostname, table)| {
                Some((hostname.as_deref(), table.compiled.clone()?))
            }),
        )
    }
}

impl<M: RouteMatch> HostTable<M> {
    fn compile(&mut self, before: Option<&Self>) {
        self.compiled = match before {
            Some(before) if same(&self.routes, &before.routes) => before.compiled.clone(),
            _ => {
                let routes = self.routes.iter().map(|route| &*route.entries);
                Some(Arc::new(HostRoutes::new(routes)))
            }
        };
    }
}

fn same<M>(one: &[Arc<CompiledRoute<M>>], other: &[Arc<CompiledRoute<M>>]) -> bool {
    let mut pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
}

/// Sorts routes by age, the oldest first (API: `HTTPRouteRule.matches`). They come ordered by name, which is nearly the same.
fn by_age<'r, M>(
    routes: impl Iterator<Item = &'r Arc<CompiledRoute<M>>>,
) -> Vec<&'r Arc<CompiledRoute<M>>> {
    let mut routes: Vec<_> = routes.collect();
    routes.sort_by(|one, other| one.node.meta().by_age(other.node.meta()));
    routes
}
