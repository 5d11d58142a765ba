//! Routing: from a request to the rule that serves it.
//!
//! In: the matches of all routes of a listener. Out: the rule with the highest precedence that matches a request. The router is
//! generic over the kind of match; a kind of route whose rules match requests is a file here, and a field of [`Routers`].

pub mod candidates;
pub mod grpc_match;
pub mod host_routes;
pub mod http_match;
pub mod matcher;
pub mod path_patterns;
mod preflight;
pub mod query;
pub mod rank;
pub mod request;
pub mod route_match;
pub mod router;

use crate::Rule;
use crate::filter::cors::announced_method;
use grpc_match::{GrpcMatch, is_grpc};
use request::RequestView;
use router::Router;
use std::fmt;
use std::sync::Arc;

/// The routes of a listener, by kind.
#[derive(Debug, Default)]
pub struct Routers {
    /// The HTTPRoutes.
    pub http: Router,
    /// The GRPCRoutes. They take precedence for gRPC requests, and serve no other requests: "Merging MUST not be done between
    /// GRPCRoutes and HTTPRoutes" (`GRPCRouteRule.matches`).
    pub grpc: Router<GrpcMatch>,
}

/// The result of routing a request.
#[derive(Clone, Copy, Debug)]
pub enum RoutedTo<'r> {
    /// The rule that serves the request. `None` if no rule matches.
    Rule(Option<&'r Arc<Rule>>),
    /// The rule whose CORS filter answers a preflight request. A rule without one allows no other origin.
    Preflight(&'r Arc<Rule>),
}

impl Routers {
    /// Routes a request. A gRPC request belongs to a GRPCRoute, or to an HTTPRoute if no GRPCRoute matches. The two kinds may
    /// thus share hostnames (API: `GRPCRouteSpec.hostnames`).
    pub fn route(&self, request: &RequestView<'_>) -> RoutedTo<'_> {
        if !self.grpc.is_empty()
            && is_grpc(request.version, request.method, request.headers)
            && let Some(rule) = self.grpc.route(request)
        {
            return RoutedTo::Rule(Some(rule));
        }
        match announced_method(request.method, request.headers) {
            None => RoutedTo::Rule(self.http.route(request)),
            Some(announced) => self.http.preflight(request, &announced),
        }
    }

    /// Returns all rules. A rule with several matches or hostnames is repeated.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let Routers { http, grpc } = self;
        http.rules().chain(grpc.rules())
    }
}

/// One line per match. The routes that take precedence come first.
impl fmt::Display for Routers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Routers { http, grpc } = self;
        write!(f, "{grpc}{http}")
    }
}
