//! Routing: from a request to the rule that serves it.
//!
//! In: the matches of all routes of a listener. Out: the rule with the highest precedence that matches a request. The router is
//! generic over the kind of match; a kind of route whose rules match requests is a file here, and a field of [`Routers`].

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
use router::Router;
use std::fmt;
use std::sync::Arc;

/// The routes of a listener, by kind.
#[derive(Debug, Default)]
pub struct Routers {
    /// The HTTPRoutes.
    pub http: Router,
}

impl Routers {
    /// Returns all rules. A rule with several matches or hostnames is repeated.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let Routers { http } = self;
        http.rules()
    }
}

/// One line per match.
impl fmt::Display for Routers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Routers { http } = self;
        write!(f, "{http}")
    }
}
