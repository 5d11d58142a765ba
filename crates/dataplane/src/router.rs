use super::Rule;
use super::host_routes::{Candidate, HostRoutes};
use super::hostname::HostMap;
use super::request::RequestView;
use std::fmt;
use std::sync::Arc;

/// The routes of a listener.
///
/// A lookup costs a hash or two for the hostname, one for the exact path, one for each segment that the prefix
/// tree knows, and the conditions of the entries found: nothing grows with the number of routes. It allocates
/// only when a regular expression takes the path, or must read a value that is encoded or repeated.
#[derive(Debug, Default)]
pub struct Router {
    hosts: HostMap<Arc<HostRoutes>>,
}

impl Router {
    /// From the routes of each hostname pattern, in lower case; nothing stands for any name.
    pub fn new<'h>(hosts: impl IntoIterator<Item = (Option<&'h str>, Arc<HostRoutes>)>) -> Router {
        let mut router = Router::default();
        for (pattern, routes) in hosts {
            router.hosts.insert(pattern, routes);
        }
        router
    }

    /// The rule that takes a request. A less specific hostname's rules are asked when none of the more
    /// specific one's matches: "precedence must be given to rules from the HTTPRoute with the largest number of:
    /// characters in a matching non-wildcard hostname; characters in a matching hostname"
    /// (`HTTPRouteSpec.hostnames`).
    pub fn route(&self, request: &RequestView<'_>) -> Option<&Arc<Rule>> {
        self.find(request, |candidate| {
            candidate.takes(request).then(|| candidate.rule())
        })
    }

    /// Shows the matches whose host and path fit, in order of precedence, until `take` takes one.
    pub(super) fn find<'r, T>(
        &'r self,
        request: &RequestView<'_>,
        take: impl Fn(&'r Candidate) -> Option<T>,
    ) -> Option<T> {
        let mut fitting = self.hosts.candidates(request.host);
        fitting.find_map(|routes| routes.find(request.path, &take))
    }

    /// All rules; one with several matches or hostnames comes several times.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.hosts.values().flat_map(|routes| routes.rules())
    }
}

/// One line a match, in order of precedence within each hostname, the hostnames from specific to any.
impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (hostname, routes) in self.hosts.sorted() {
            for line in routes.to_string().lines() {
                writeln!(f, "{hostname} {line}")?;
            }
        }
        Ok(())
    }
}
