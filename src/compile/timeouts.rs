use crate::dataplane::retry::Retry;
use crate::dataplane::timeouts::{Limit, RuleTimeouts};
use crate::manifest::api::{HTTPRouteRetry, HTTPRouteTimeouts};
use http::StatusCode;
use std::time::Duration;

/// How often a request is tried again when the manifest doesn't say ("implementation-specific").
const ATTEMPTS: usize = 2;
/// How long to wait before that: what Envoy's retries begin with.
const BACKOFF: Duration = Duration::from_millis(25);

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

/// When the requests of a rule are tried again.
pub(super) fn retry(fields: &HTTPRouteRetry) -> Retry {
    // The loader takes no status but 400 to 599, and no attempts below 1.
    let status = |code: &i32| StatusCode::from_u16(u16::try_from(*code).ok()?).ok();
    let attempts = fields.attempts.and_then(|it| usize::try_from(it).ok());
    Retry {
        codes: fields.codes.iter().filter_map(status).collect(),
        attempts: attempts.unwrap_or(ATTEMPTS),
        backoff: fields.backoff.map_or(BACKOFF, |it| it.0),
    }
}
