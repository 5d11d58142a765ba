//! Routing: from a request to the rule that serves it.
//!
//! In: the matches of all routes of a listener. Out: the rule with the highest precedence that matches a request. The router is
//! generic over the kind of match; a kind of route whose rules match requests is a file here, and a field of [`Routers`].

pub mod grpc_match;
pub mod host_routes;
pub mod http_match;
pub mod matcher;
pub mod path;
pub mod preflight;
pub mod query;
mod rank;
pub mod request;
pub mod route_match;
pub mod router;

use crate::Rule;
use grpc_match::GrpcMatch;
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

impl Routers {
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
