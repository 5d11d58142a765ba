//! Retries.
//!
//! In: a failed attempt or a response status. Out: whether the request is sent again, and after which pause. A request is never
//! retried if part of it is lost: its body must have been received completely, and fit into the 64 KiB that Pingora keeps.

use crate::context::RequestContext;
use crate::request::upload;
use crate::response::failure;
use crate::response::relay;
use crate::upstream::deadline;
use crate::upstream::peer::MAX_ATTEMPTS;
use gatefold_dataplane::backend::HttpVersion;
use http::StatusCode;
use http::header::EXPECT;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::Session;
use std::time::Instant;

/// Whether the complete request can be sent once more, and the client has received nothing of a response.
fn is_repeatable(session: &mut Session) -> bool {
    if relay::has_begun(session) {
        return false;
    }
    // Pingora's buffer doesn't distinguish an empty body from none.
    let kept = |session: &Session| {
        !session.retry_buffer_truncated() && session.get_retry_buffer().is_some()
    };
    session.is_body_empty() || (session.is_body_done() && kept(session))
}

/// Decides whether to retry a request whose time isn't over, apart from what its rule says.
fn decide_without_rule(session: &mut Session, error: &mut Box<Error>, reused: bool) {
    let unanswered = !relay::has_begun(session);
    let unprocessed =
        failure::is_unprocessed(error) && !session.retry_buffer_truncated() && unanswered;
    let repeatable =
        session.req_header().method.is_idempotent() && session.is_body_empty() && unanswered;
    if unprocessed {
        error.set_retry(true);
    } else if repeatable {
        failure::decide_by_connection(error, reused);
    } else {
        error.set_retry(false);
    }
}

impl RequestContext {
    /// Whether to retry after connecting has failed, so nothing was sent. Another endpoint may work. So may the same one if the
    /// shared HTTP/2 connection has just been closed, which doesn't count as an attempt of the rule's `retry`.
    pub(crate) fn retries_elsewhere(&mut self, error: &Error) -> bool {
        let ended = *error.etype() == ErrorType::H2Error;
        self.fresh |= ended;
        if self.has_retry() && !ended {
            return self.plan_retry();
        }
        let attempts = self.attempts.saturating_sub(self.retries);
        attempts < MAX_ATTEMPTS && (self.next_endpoint() || ended)
    }

    /// Decides whether to retry after an endpoint has failed. The endpoint may have closed a pooled connection just as the
    /// request was sent. The request is retried only if it is idempotent and no part of a body can be lost, if the endpoint
    /// reports that it has not processed the request, or if the rule asks for it.
    pub(crate) fn decide_retry(
        &mut self,
        session: &mut Session,
        error: &mut Box<Error>,
        reused: bool,
    ) {
        let timeout = self.timeout(session, error);
        if *error.esource() == ErrorSource::Downstream {
            upload::abort(self);
        }
        self.drop_connection();
        if self.pause.is_some() {
            // The status of its response already caused a retry.
            return;
        }
        let late = timeout.is_some();
        if let Some(timeout) = timeout {
            let cause = std::mem::replace(error, timeout);
            error.set_cause(cause);
        }
        // Only one closed connection of the pool is retried for free.
        let first_dead = reused && !self.fresh;
        self.fresh |= reused;
        let attempts = self.attempts.saturating_sub(self.retries);
        if late || (attempts >= MAX_ATTEMPTS && !first_dead) {
            error.set_retry(false);
        } else {
            decide_without_rule(session, error, reused);
        }
        if !error.retry() {
            let planned = self.retries_after(session, error);
            error.set_retry(planned);
        } else if self.has_retry() && !failure::is_unsent(error) {
            // The rule's number of attempts applies for every reason to retry (API: `HTTPRouteRetry.attempts`).
            let planned = self.plan_retry();
            error.set_retry(planned);
        }
    }

    /// Returns the error that replaces that of an endpoint whose time is over.
    fn timeout(&self, session: &mut Session, error: &Error) -> Option<Box<Error>> {
        if *error.esource() != ErrorSource::Upstream {
            return None;
        }
        if self.is_late() {
            let client_is_late = self.is_client_late(session);
            return Some(if client_is_late {
                deadline::unsent()
            } else {
                deadline::late()
            });
        }
        self.is_silent().then(deadline::silent)
    }

    /// Whether the endpoint had received everything that the client had sent when the time was over. HTTP/2 has its own
    /// windows, so this is unknown for its endpoints. A client that waits for the endpoint's 100 is not late.
    fn is_client_late(&self, session: &mut Session) -> bool {
        let over_http1 = self
            .endpoints()
            .is_some_and(|endpoints| endpoints.version == HttpVersion::Http1);
        let kept_up = self
            .upstream
            .as_ref()
            .is_some_and(|upstream| upstream.kept_up());
        let waits_for_100 = || {
            let headers = &session.req_header().headers;
            headers.contains_key(EXPECT) && !self.upload.has_begun()
        };
        over_http1 && kept_up && !waits_for_100() && !session.is_body_done()
    }

    /// Whether its rule configures retries.
    fn has_retry(&self) -> bool {
        self.rule.as_ref().is_some_and(|rule| rule.retry.is_some())
    }

    /// Plans the next retry, at another endpoint if there is one. Returns false if the rule allows no further retry or its time
    /// limit ends before.
    fn plan_retry(&mut self) -> bool {
        let Some(retry) = self.rule.as_ref().and_then(|rule| rule.retry.as_ref()) else {
            return false;
        };
        if self.retries >= retry.attempts {
            return false;
        }
        let pause = retry.pause(self.retries);
        let begin = Instant::now().checked_add(pause);
        if self
            .deadline
            .is_some_and(|until| begin.is_none_or(|begin| begin >= until))
        {
            return false;
        }
        self.retries += 1;
        self.pause = Some(pause);
        self.next_endpoint();
        true
    }

    /// Rejects a backend's response whose status the rule retries.
    ///
    /// # Errors
    /// If the request is retried.
    pub(crate) fn check_status(&mut self, session: &mut Session, status: StatusCode) -> Result<()> {
        let retry = self.rule.as_ref().and_then(|rule| rule.retry.as_ref());
        if !retry.is_some_and(|retry| retry.codes.contains(&status)) {
            return Ok(());
        }
        if self.upgrade || !is_repeatable(session) || !self.plan_retry() {
            return Ok(());
        }
        let etype = ErrorType::HTTPStatus(status.as_u16());
        let mut error = Error::explain(etype, "the rule retries this status").into_up();
        error.set_retry(true);
        Err(error)
    }

    /// Plans a retry after an endpoint has failed. The endpoint may have processed the request, so it must be idempotent (API:
    /// `HTTPRouteRetry`, RFC 9110, section 9.2.2).
    fn retries_after(&mut self, session: &mut Session, error: &Error) -> bool {
        *error.esource() == ErrorSource::Upstream
            && !self.upgrade
            && session.req_header().method.is_idempotent()
            && is_repeatable(session)
            && self.plan_retry()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_dataplane::filter::Filters;
    use gatefold_dataplane::retry::RuleRetry;
    use gatefold_dataplane::timeouts::RuleTimeouts;
    use gatefold_dataplane::{Action, Rule, RuleId};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn closed_shared_connection_does_not_count_as_attempt() {
        let rule = Arc::new(Rule {
            id: RuleId {
                kind: "HTTPRoute",
                route: "default/route".into(),
                index: 0,
            },
            filters: Filters::default(),
            timeouts: RuleTimeouts::default(),
            durations: Arc::default(),
            retry: Some(Box::new(RuleRetry {
                codes: Box::default(),
                attempts: 0,
                backoff: Duration::ZERO,
            })),
            action: Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
        });
        for (etype, retried) in [
            (ErrorType::ConnectRefused, false),
            (ErrorType::HandshakeError, false),
            (ErrorType::H2Error, true),
        ] {
            let mut context = RequestContext {
                rule: Some(rule.clone()),
                attempts: 1,
                ..RequestContext::default()
            };
            let error = Error::new_up(etype.clone());
            assert_eq!(context.retries_elsewhere(&error), retried, "{etype:?}");
            assert_eq!(context.retries, 0, "{etype:?}");
            context.attempts = MAX_ATTEMPTS;
            assert!(
                !context.retries_elsewhere(&error),
                "{etype:?} is retried without end"
            );
        }
    }
}
