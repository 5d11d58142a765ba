//! Routing: from a request to its rule.
//!
//! In: the routes of each hostname, compiled. Out: the rule with the highest precedence that matches a request.
//! Precedence within a hostname is defined in `rank`.

use super::candidates::Candidate;
use super::host_routes::HostRoutes;
use super::http_match::HttpMatch;
use super::request::RequestView;
use super::route_match::RouteMatch;
use crate::Rule;
use crate::hostname::HostMap;
use std::fmt;
use std::sync::Arc;

/// The routes of a listener, of one kind.
///
/// A lookup of an HTTP request hashes the hostname once or twice, the path once if it is no longer than the longest exact path,
/// and one beginning of the path for each number of segments that prefixes have, until one is found. Then it checks the
/// conditions of the entries found. Its cost doesn't depend on the number of routes. It allocates only if a regular
/// expression matches the path or has to read an encoded or repeated value.
///
/// A clone shares all routes. The next version of a router is a clone with the routes of some hostnames replaced.
#[derive(Clone, Debug)]
pub struct Router<M: RouteMatch = HttpMatch> {
    hosts: HostMap<Arc<HostRoutes<M>>>,
}

impl<M: RouteMatch> Default for Router<M> {
    fn default() -> Self {
        Router {
            hosts: HostMap::default(),
        }
    }
}

impl<M: RouteMatch> Router<M> {
    /// Builds a router from the routes of each hostname pattern, in lower case. `None` is the pattern for any hostname.
    pub fn new<'h>(hosts: impl IntoIterator<Item = (Option<&'h str>, Arc<HostRoutes<M>>)>) -> Self {
        let mut router = Router::default();
        for (pattern, routes) in hosts {
            router.hosts.insert(pattern, routes);
        }
        router
    }

    /// Returns the routes of a hostname pattern, in lower case.
    pub fn routes(&self, pattern: Option<&str>) -> Option<&Arc<HostRoutes<M>>> {
        self.hosts.get(pattern)
    }

    /// Replaces the routes of a hostname pattern, in lower case. Without routes, the pattern is removed.
    pub fn set_routes(&mut self, pattern: Option<&str>, routes: HostRoutes<M>) {
        if routes.is_empty() {
            self.hosts.remove(pattern);
        } else {
            self.hosts.insert(pattern, Arc::new(routes));
        }
    }

    /// Returns the rule for a request. The rules of a less specific hostname are tried only if none of a more specific
    /// hostname matches: "precedence must be given to rules from the HTTPRoute with the largest number of:
    /// characters in a matching non-wildcard hostname; characters in a matching hostname"
    /// (`HTTPRouteSpec.hostnames`).
    pub fn route(&self, request: &RequestView<'_>) -> Option<&Arc<Rule>> {
        self.find(request, |candidate| {
            candidate.matches(request).then_some(&candidate.rule)
        })
    }

    /// Calls `take` with each match that fits by host and index, in order of precedence, until it returns a value.
    pub(super) fn find<'r, T>(
        &'r self,
        request: &RequestView<'_>,
        take: impl Fn(&'r Candidate<M>) -> Option<T>,
    ) -> Option<T> {
        let mut fitting = self.hosts.candidates(request.host);
        fitting.find_map(|routes| M::find(routes, request, &take))
    }

    /// Whether there are no routes.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Returns all rules. A rule with several matches or hostnames is repeated.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.hosts.values().flat_map(|routes| routes.rules())
    }
}

/// One line per match. Hostnames are ordered from the most specific to any, matches by precedence.
impl<M: RouteMatch> fmt::Display for Router<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (hostname, routes) in self.hosts.sorted() {
            for line in routes.to_string().lines() {
                writeln!(f, "{hostname} {line}")?;
            }
        }
        Ok(())
    }
}
