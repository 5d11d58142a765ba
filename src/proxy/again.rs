//! Trying a request again, as its rule says (`retry`).
//!
//! Not when any of it is lost: a body must have come whole, and be kept whole, by the time that a try fails. Pingora keeps up
//! to 64 KiB of it. A body that still comes may be one without end, and one that is longer is gone.

use super::context::RequestContext;
use super::peer::TRIES;
use super::{deadline, failure};
use http::StatusCode;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::Session;
use std::time::Instant;

/// Whether all of a request can be sent once more, and nothing of a response has gone to the client.
fn is_repeatable(session: &mut Session) -> bool {
    if session.response_written().is_some() {
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
    /// the connection over HTTP/2 that was to be shared has just ended.
    pub(super) fn retries_elsewhere(&mut self, error: &Error) -> bool {
        let ended = *error.etype() == ErrorType::H2Error;
        self.fresh |= ended;
        match self.has_retry() {
            true => self.plan_retry(),
            false => self.tries < TRIES && (self.next_endpoint() || ended),
        }
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
            true if self.is_late() => Some(deadline::late()),
            true if self.is_silent() => Some(deadline::silent()),
            _ => None,
        };
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
        let unanswered = session.response_written().is_none();
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
        if !error.retry() && self.retries_after(session, error) {
            error.set_retry(true);
        }
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

    /// Whether what went wrong at an endpoint is worth another try, which is planned then.
    fn retries_after(&mut self, session: &mut Session, error: &Error) -> bool {
        *error.esource() == ErrorSource::Upstream
            && !self.upgrade
            && is_repeatable(session)
            && self.plan_retry()
    }
}
