use crate::dataplane::timeouts::{Limit, RuleTimeouts};
use crate::manifest::api::HTTPRouteTimeouts;

/// The time limits of a rule.
pub(super) fn timeouts(fields: Option<&HTTPRouteTimeouts>) -> RuleTimeouts {
    let Some(fields) = fields else {
        return RuleTimeouts::default();
    };
    RuleTimeouts {
        request: Limit::new(fields.request.map(|it| it.0)),
        backend_request: Limit::new(fields.backend_request.map(|it| it.0)),
    }
}
