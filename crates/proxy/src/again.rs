//! Trying a request again, as its rule says (`retry`).
//!
//! Not when any of it is lost: a body must have come whole, and be kept whole, by the time that a try fails. Pingora keeps up
//! to 64 KiB of it. A body that still comes may be one without end, and one that is longer is gone.

use super::context::RequestContext;
use super::peer::TRIES;
use super::{deadline, failure, response, upload};
use gatefold_dataplane::backend::HttpVersion;
use http::StatusCode;
use http::header::EXPECT;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::Session;
use std::time::Instant;

/// Whether all of a request can be sent once more, and nothing of a response has gone to the client.
fn is_repeatable(session: &mut Session) -> bool {
    if response::has_begun(session) {
        return false;
    }
    // What is kept of a body that turned out to be empty can't be told from nothing.
    let kept = |session: &Session| {
        !session.retry_buffer_truncated() && session.get_retry_buffer().is_some()
    };
    session.is_body_empty() || (session.is_body_done() && kept(session))
}

impl RequestContext {
    /// Whether to try again when no connection was made, so nothing sent: another endpoint may do. So may the same one when
    /// the connection over HTTP/2 that was to be shared has just ended; that is no attempt in the sense of the rule's `retry`.
    pub(super) fn retries_elsewhere(&mut self, error: &Error) -> bool {
        let ended = *error.etype() == ErrorType::H2Error;
        self.fresh |= ended;
        if self.has_retry() && !ended {
            return self.plan_retry();
        }
        let tries = self.tries.saturating_sub(self.retries);
        tries < TRIES && (self.next_endpoint() || ended)
    }

    /// Decides whether to try again after an endpoint has failed. A kept connection may have been closed by the endpoint
    /// just as the request went out. It is sent again only if that can't do a thing twice and no body may have gone
    /// with it, or if the endpoint says that it has done nothing, or if its rule says so.
    pub(super) fn decide_retry(
        &mut self,
        session: &mut Session,
        error: &mut Box<Error>,
        reused: bool,
    ) {
        let of_endpoint = *error.esource() == ErrorSource::Upstream;
        let over = match of_endpoint {
            true if self.is_late() && self.is_client_late(session) => Some(deadline::unsent()),
            true if self.is_late() => Some(deadline::late()),
            true if self.is_silent() => Some(deadline::silent()),
            _ => None,
        };
        if *error.esource() == ErrorSource::Downstream {
            upload::give_up(self);
        }
        self.drop_connection();
        if self.pause.is_some() {
            // Its status was worth another try, which is decided.
            return;
        }
        let late = over.is_some();
        if let Some(over) = over {
            let cause = std::mem::replace(error, over);
            error.set_cause(cause);
        }
        let unanswered = !response::has_begun(session);
        let unprocessed =
            failure::is_unprocessed(error) && !session.retry_buffer_truncated() && unanswered;
        let repeatable =
            session.req_header().method.is_idempotent() && session.is_body_empty() && unanswered;
        let tries = self.tries.saturating_sub(self.retries);
        // However many pooled connections are dead: only one of them is tried.
        let first_dead = reused && !self.fresh;
        self.fresh |= reused;
        if late || (tries >= TRIES && !first_dead) {
            error.set_retry(false);
        } else if unprocessed {
            error.set_retry(true);
        } else if repeatable {
            failure::decide_by_connection(error, reused);
        } else {
            error.set_retry(false);
        }
        if !error.retry() {
            let planned = self.retries_after(session, error);
            error.set_retry(planned);
        } else if self.has_retry() && !failure::is_unsent(error) {
            // The rule's number of attempts holds whatever the reason to send the request again (API:
            // `HTTPRouteRetry.attempts`).
            let planned = self.plan_retry();
            error.set_retry(planned);
        }
    }

    /// Whether the endpoint has got all of the request that had come when the time was over. HTTP/2 has windows of its own, so
    /// that isn't known of its endpoints. A client that waits for the endpoint's 100 isn't late.
    fn is_client_late(&self, session: &mut Session) -> bool {
        let over_http1 = self
            .endpoints()
            .is_some_and(|endpoints| endpoints.version == HttpVersion::Http1);
        let kept_up = self.held.as_ref().is_some_and(|held| held.kept_up());
        let waits_for_100 = || {
            let headers = &session.req_header().headers;
            headers.contains_key(EXPECT) && !self.upload.has_begun()
        };
        over_http1 && kept_up && !waits_for_100() && !session.is_body_done()
    }

    /// Whether its rule says when it is tried again.
    fn has_retry(&self) -> bool {
        self.rule.as_ref().is_some_and(|rule| rule.retry.is_some())
    }

    /// Plans the next try, at another endpoint if there is one. False when there is none to come: the rule says nothing of
    /// it, or not so often, or the time is over before.
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

    /// Turns a backend's response away when its status is worth another try.
    ///
    /// # Errors
    ///
    /// Exactly then; to be tried again.
    pub(super) fn check_status(&mut self, session: &mut Session, status: StatusCode) -> Result<()> {
        let retry = self.rule.as_ref().and_then(|rule| rule.retry.as_ref());
        if !retry.is_some_and(|retry| retry.codes.contains(&status)) {
            return Ok(());
        }
        if self.upgrade || !is_repeatable(session) || !self.plan_retry() {
            return Ok(());
        }
        let etype = ErrorType::HTTPStatus(status.as_u16());
        let mut error = Error::explain(etype, "worth another try").into_up();
        error.set_retry(true);
        Err(error)
    }

    /// Whether what went wrong at an endpoint is worth another try, which is planned then. The endpoint may have processed
    /// the request, so only one that may be sent twice is (API: `HTTPRouteRetry`, RFC 9110, section 9.2.2).
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
    use gatefold_dataplane::retry::Retry;
    use gatefold_dataplane::timeouts::RuleTimeouts;
    use gatefold_dataplane::{Action, Rule};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_shared_connection_that_has_ended_counts_as_no_attempt() {
        let rule = Arc::new(Rule {
            route: "default/route".into(),
            index: 0,
            filters: Filters::default(),
            timeouts: RuleTimeouts::default(),
            retry: Some(Box::new(Retry {
                codes: Box::default(),
                attempts: 0,
                backoff: Duration::ZERO,
            })),
            action: Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
        });
        for (etype, again) in [
            (ErrorType::ConnectRefused, false),
            (ErrorType::HandshakeError, false),
            (ErrorType::H2Error, true),
        ] {
            let mut context = RequestContext {
                rule: Some(rule.clone()),
                tries: 1,
                ..RequestContext::default()
            };
            let error = Error::new_up(etype.clone());
            assert_eq!(context.retries_elsewhere(&error), again, "{etype:?}");
            assert_eq!(context.retries, 0, "{etype:?}");
            context.tries = TRIES;
            assert!(!context.retries_elsewhere(&error), "{etype:?} without end");
        }
    }
}
