//! HTTPRoute.

use crate::Decoder;
use crate::api::{
    BackendRef, HTTPPathModifierType, HTTPRouteFilter, HTTPRouteMatch, HTTPRouteRetry,
    HTTPRouteTimeouts, Hostname, Object, ParentReference, PathMatchType, RouteFilter, SectionName,
    SessionPersistence, check_unique, choice, object, refuse,
};
use gatefold_diagnostic::yaml::Node;

/// A route for HTTP requests.
pub type HTTPRoute = Object<HTTPRouteSpec>;

object! {
    /// `HTTPRoute.spec`.
    pub closed HTTPRouteSpec checked by HTTPRouteSpec::check {
        /// The Gateways and ListenerSets that the route attaches to.
        "parentRefs" => parent_refs: Vec<ParentReference> [0..=32],
        /// Whether the route attaches to default Gateways (experimental).
        "useDefaultGateways" => use_default_gateways: Option<UseDefaultGateways>,
        /// The hostnames of the route; empty for any hostname.
        "hostnames" => hostnames: Vec<Hostname> [0..=16],
        /// The rules; absent for one rule that matches every request.
        "rules" => rules: Vec<HTTPRouteRule> [1..=16] = vec![HTTPRouteRule::default()],
    }
}

choice! {
    /// Which default Gateways a route attaches to.
    pub UseDefaultGateways {
        /// All.
        All,
        /// None.
        None,
    }
}

impl HTTPRouteSpec {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        ParentReference::check_list(&self.parent_refs, node, decoder);
        let names = self.rules.iter().map(|rule| rule.name.as_ref());
        let what = "rules of a route must have different names";
        check_unique(node, "rules", names, what, decoder);
        // A rule without matches counts as having one.
        let matches: usize = self
            .rules
            .iter()
            .map(|rule| rule.matches.len().max(1))
            .sum();
        if matches > 128 {
            let why =
                format!("a route has at most 128 matches in all its rules, this one has {matches}");
            refuse(node, "rules", &why, decoder);
        }
    }
}

object! {
    /// Matches, and what happens to the requests that they match. Most rules don't have the boxed parts, and there may be tens of
    /// thousands of rules.
    #[derive(Default)]
    pub closed HTTPRouteRule checked by HTTPRouteRule::check {
        /// The name, unique within the route.
        "name" => name: Option<SectionName>,
        /// The matches, of which at least one must match; empty matches every request.
        "matches" => matches: Vec<HTTPRouteMatch> [0..=64],
        /// The filters.
        "filters" => filters: Vec<HTTPRouteFilter> [0..=16],
        /// The backends that matching requests are sent to.
        "backendRefs" => backend_refs: Vec<HTTPBackendRef> [0..=16],
        /// The time limits.
        "timeouts" => timeouts: Option<Box<HTTPRouteTimeouts>>,
        /// When a request is retried.
        "retry" => retry: Option<Box<HTTPRouteRetry>>,
        /// How a client stays with one backend (experimental; v1.7.0 deprecates it in favour of XBackend's).
        "sessionPersistence" => session_persistence: Option<Box<SessionPersistence>>,
    }
}

impl HTTPRouteRule {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        HTTPRouteFilter::check_list(&self.filters, node, decoder);
        let redirect = self
            .filters
            .iter()
            .any(|filter| filter.request_redirect.is_some());
        if redirect && !self.backend_refs.is_empty() {
            let why = "a rule that redirects has no backends";
            refuse(node, "backendRefs", why, decoder);
        }
        let of_backends = self
            .backend_refs
            .iter()
            .flat_map(|backend| &backend.filters);
        let mut filters = self.filters.iter().chain(of_backends);
        if filters.any(replaces_prefix) && !self.has_one_prefix() {
            let why = "with `replacePrefixMatch` a rule has exactly one match, of type PathPrefix";
            refuse(node, "matches", why, decoder);
        }
    }

    fn has_one_prefix(&self) -> bool {
        match self.matches.as_slice() {
            [] => true,
            [only] => only.path.kind == PathMatchType::PathPrefix,
            _ => false,
        }
    }
}

fn replaces_prefix(filter: &HTTPRouteFilter) -> bool {
    let redirect = filter
        .request_redirect
        .as_ref()
        .and_then(|redirect| redirect.path.as_ref());
    let rewrite = filter
        .url_rewrite
        .as_ref()
        .and_then(|rewrite| rewrite.path.as_ref());
    let mut paths = redirect.into_iter().chain(rewrite);
    paths.any(|path| path.kind == HTTPPathModifierType::ReplacePrefixMatch)
}

/// A backend of a rule.
pub type HTTPBackendRef = BackendRef<HTTPRouteFilter>;
