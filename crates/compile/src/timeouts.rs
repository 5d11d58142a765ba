//! Compiles the timeouts and the retries of a rule.

use gatefold_dataplane::retry::RuleRetry;
use gatefold_dataplane::timeouts::{RuleTimeouts, TimeLimit};
use gatefold_manifest::api::{HTTPRouteRetry, HTTPRouteTimeouts};
use http::StatusCode;
use std::time::Duration;

/// The default backoff before the first retry; the same as Envoy's.
const BACKOFF: Duration = Duration::from_millis(25);

/// Compiles the timeouts of a rule.
pub(super) fn timeouts(fields: Option<&HTTPRouteTimeouts>) -> RuleTimeouts {
    let Some(fields) = fields else {
        return RuleTimeouts::default();
    };
    RuleTimeouts {
        request: TimeLimit::new(fields.request.map(|it| it.0)),
        backend_request: TimeLimit::new(fields.backend_request.map(|it| it.0)),
    }
}

/// Compiles the conditions under which a request is retried.
pub(super) fn retry(fields: &HTTPRouteRetry) -> RuleRetry {
    // The loader accepts only statuses from 400 to 599, and no negative number of attempts.
    let status = |code: &i32| StatusCode::from_u16(u16::try_from(*code).ok()?).ok();
    RuleRetry {
        codes: fields.codes.iter().filter_map(status).collect(),
        attempts: usize::try_from(fields.attempts).unwrap_or_default(),
        backoff: fields.backoff.map_or(BACKOFF, |it| it.0),
    }
}
