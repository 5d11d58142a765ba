//! Admission: from a routed request to its endpoint, or to an answer.
//!
//! In: a routed request. Out: its backend and endpoint, chosen after the request filters of the rule and of the backend. If a
//! filter waits, the rest is a future; otherwise nothing is allocated.

use crate::context::RequestContext;
use crate::external_auth::AuthClient;
use crate::filter::request::{self, RequestKind, RoutedRequest};
use crate::filter::{FilterOwner, FilterPosition};
use crate::response::answer::OwnAnswer;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::backend::BackendTarget;
use gatefold_dataplane::filter::FilterStep;
use gatefold_dataplane::{Action, Listener, Rule, Snapshot};
use gatefold_listen::Connection;
use pingora_proxy::Session;
use std::sync::Arc;

/// The result of admitting a request.
pub(crate) enum Admission {
    /// The request is forwarded.
    Forward,
    /// A filter waits.
    Wait(WaitingRequest),
}

/// Runs the request filters from a position on, and chooses the backend and the endpoint. Returns the position of a filter
/// that waits.
///
/// # Errors
/// If the request is answered instead.
pub(crate) fn advance(
    from: FilterPosition,
    session: &mut Session,
    request: &RoutedRequest<'_>,
    context: &mut RequestContext,
) -> Result<Option<FilterPosition>, OwnAnswer> {
    let Some(rule) = &context.rule else {
        return Err(AnswerReason::Internal.into());
    };
    let backend_filters = match from.owner {
        FilterOwner::Rule => {
            if let Some(at) = filter_rule(rule, from, session, request)? {
                return Ok(Some(at));
            }
            context.backend = Some(choose_backend(rule)?);
            FilterPosition::first(FilterOwner::Backend)
        }
        FilterOwner::Backend => from,
    };
    let Some(backend) = context.backend() else {
        return Err(AnswerReason::Internal.into());
    };
    if let Some(at) = request::run(&backend.filters, backend_filters, session, request)? {
        return Ok(Some(at));
    }
    let endpoint = match &backend.target {
        BackendTarget::Endpoints(endpoints) => endpoints.next(),
        BackendTarget::NoEndpoints => return Err(AnswerReason::NoEndpoints.into()),
        BackendTarget::Invalid => return Err(AnswerReason::InvalidBackend.into()),
    };
    context.endpoint = Some(endpoint);
    Ok(None)
}

fn filter_rule(
    rule: &Rule,
    from: FilterPosition,
    session: &mut Session,
    request: &RoutedRequest<'_>,
) -> Result<Option<FilterPosition>, OwnAnswer> {
    if let Action::Refuse(status) = rule.action {
        return Err(AnswerReason::RefusedRule(status).into());
    }
    request::run(&rule.filters, from, session, request)
}

fn choose_backend(rule: &Rule) -> Result<usize, AnswerReason> {
    match &rule.action {
        Action::Forward(split) => Ok(split.pick_index()),
        Action::Refuse(status) => Err(AnswerReason::RefusedRule(*status)),
        // Its filters let no request pass.
        Action::AnsweredByFilters => Err(AnswerReason::Internal),
    }
}

/// A request with a filter that waits. It keeps the snapshot that it was routed by.
pub(crate) struct WaitingRequest {
    pub(crate) at: FilterPosition,
    pub(crate) kind: RequestKind,
    pub(crate) connection: Arc<Connection>,
    pub(crate) listener: Arc<Listener>,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl WaitingRequest {
    /// Completes the filter and everything after it, within the time limit of the rule.
    ///
    /// # Errors
    /// If the request is answered instead.
    pub(crate) async fn resume(
        self,
        auth: &AuthClient,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<(), OwnAnswer> {
        let deadline = context.deadline;
        let resumed = self.run(auth, session, context);
        match deadline {
            None => resumed.await,
            Some(deadline) => tokio::time::timeout_at(deadline.into(), resumed)
                .await
                .unwrap_or(Err(AnswerReason::GatewayTimeout.into())),
        }
    }

    async fn run(
        mut self,
        auth: &AuthClient,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<(), OwnAnswer> {
        loop {
            match request::wait(self.at, auth, session, context).await? {
                FilterStep::Continue => {}
                FilterStep::Answer(answer) => return Err(answer.into()),
                FilterStep::Wait => continue,
            }
            match self.advance(session, context)? {
                Some(at) => self.at = at,
                None => return Ok(()),
            }
        }
    }

    fn advance(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<Option<FilterPosition>, OwnAnswer> {
        let request = RoutedRequest {
            kind: self.kind,
            connection: &self.connection,
            client: context.client,
            listener: &self.listener,
            snapshot: &self.snapshot,
        };
        advance(self.at.next(), session, &request, context)
    }
}
