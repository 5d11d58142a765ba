//! The choice of the endpoint for an attempt.
//!
//! The first endpoint is chosen when the request is admitted, the next one when a retry is planned. A choice that has to wait
//! is completed before Pingora gets the endpoint, and only then makes a future.

use crate::context::RequestContext;
use std::time::Duration;

/// Whether the endpoint of the next attempt is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointChoice {
    /// It is known.
    Ready,
    /// It is known after the pause before a retry.
    After(Duration),
}

impl EndpointChoice {
    /// Takes the choice for the next attempt of a request.
    pub(crate) fn of(context: &mut RequestContext) -> Self {
        match context.pause.take() {
            None => EndpointChoice::Ready,
            Some(pause) => EndpointChoice::After(pause),
        }
    }

    /// Waits until the endpoint is known.
    pub(crate) async fn complete(self) {
        match self {
            EndpointChoice::Ready => {}
            EndpointChoice::After(pause) => tokio::time::sleep(pause).await,
        }
    }
}
