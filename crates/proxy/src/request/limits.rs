//! Time limits for the requests of clients that a ClientTrafficPolicy sets.
//!
//! In: the limits of the listener. Out: timeouts for waits of the session, and the error of a request whose body isn't complete in
//! time. Requests of a listener without limits don't pay for this.

use crate::context::RequestContext;
use gatefold_dataplane::client_traffic::RequestLimits;
use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use std::time::{Duration, Instant};

/// The limits of a request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// When the whole body must have arrived.
    until: Instant,
    /// For each of its pieces.
    piece: Duration,
}

/// Whether the listener of a request sets limits.
pub(crate) fn has_some(context: &RequestContext) -> bool {
    let traffic = context.client_traffic.as_ref();
    traffic.is_some_and(|it| it.request_limits != RequestLimits::default())
}

/// Applies the limits of a listener to a request. `default` is gatefold's own limit for each piece of a body.
pub(crate) fn apply(session: &mut Session, context: &mut RequestContext, default: Duration) {
    let Some(traffic) = &context.client_traffic else {
        return;
    };
    let RequestLimits { received, idle } = traffic.request_limits;
    if let Some(idle) = idle {
        session.set_read_timeout(timeout(idle));
        // Over HTTP/1, `listen` bounds the wait for the client to read.
        if session.as_http1().is_none() {
            session.set_write_timeout(timeout(idle));
        }
    }
    // What follows an upgrade isn't a body.
    let Some(received) = received.filter(|_| !context.upgrade) else {
        return;
    };
    let now = Instant::now();
    let until = now.checked_add(received);
    context.body_limits = until.map(|until| BodyLimits {
        until,
        piece: idle.unwrap_or(default),
    });
    if let Some(limits) = context.body_limits {
        limits.wait_for_next(session, now);
    }
}

/// Checks that a piece of a body has arrived in time, and bounds the wait for the next one.
///
/// # Errors
/// If the whole body should have arrived before. The request is answered 408.
pub(crate) fn check(session: &mut Session, limits: BodyLimits) -> Result<()> {
    let now = Instant::now();
    if now >= limits.until {
        let what = "the client takes too long to send its request";
        return Err(Error::explain(ErrorType::ReadTimedout, what).into_down());
    }
    limits.wait_for_next(session, now);
    Ok(())
}

/// Ends the limit of a body when the response begins, as in Envoy: the client and the endpoint may stream in both directions.
pub(crate) fn response_begins(session: &mut Session, context: &mut RequestContext) {
    if let Some(limits) = context.body_limits.take() {
        session.set_read_timeout(timeout(limits.piece));
    }
}

impl BodyLimits {
    fn wait_for_next(self, session: &mut Session, now: Instant) {
        let left = self.until.saturating_duration_since(now);
        session.set_read_timeout(timeout(left.min(self.piece)));
    }
}

fn timeout(limit: Duration) -> Option<Duration> {
    (limit != Duration::MAX).then_some(limit)
}
