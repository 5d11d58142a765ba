//! Timeouts of rules.

use crate::Decoder;
use crate::api::{Duration, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// The time limits of a rule.
    pub closed HTTPRouteTimeouts checked by HTTPRouteTimeouts::check {
        /// The limit for the whole request; zero is no limit.
        "request" => request: Option<Duration>,
        /// The limit for one attempt at a backend.
        "backendRequest" => backend_request: Option<Duration>,
    }
}

impl HTTPRouteTimeouts {
    /// One attempt can't take longer than the request. A `request` of zero is no limit.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let (Some(request), Some(attempt)) = (self.request, self.backend_request) else {
            return;
        };
        if !request.0.is_zero() && attempt > request {
            refuse(node, "backendRequest", "is longer than `request`", decoder);
        }
    }
}
