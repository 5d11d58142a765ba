//! Admission: from a routed request to its endpoint, or to an answer.
//!
//! In: a routed request. Out: its backend and endpoint, chosen after the request filters of the rule and of the backend. If a
//! filter waits, the rest is a future; otherwise nothing is allocated.

use crate::context::RequestContext;
use crate::counters::Counters;
use crate::filter::client::ClientFindings;
use crate::filter::request::{self, FilterProgress, RequestKind, RoutedRequest};
use crate::filter::servers::FilterServers;
use crate::filter::{FilterOwner, FilterPosition};
use crate::request::{check, route};
use crate::response::answer::OwnAnswer;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::backend::BackendTarget;
use gatefold_dataplane::filter::FilterStep;
use gatefold_dataplane::path_normalization::PathNormalization;
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
    let backend_filters = match from.owner {
        FilterOwner::Rule => {
            if let Some(at) = pass_rule(from, session, request, context)? {
                return Ok(Some(at));
            }
            FilterPosition::first(FilterOwner::Backend)
        }
        FilterOwner::Backend => from,
    };
    let backend = (context.rule.as_ref()).zip(context.backend);
    let backend = backend.and_then(|(rule, index)| rule.backend(index));
    let Some(backend) = backend else {
        return Err(AnswerReason::Internal.into());
    };
    let filters = &backend.filters;
    match request::run(
        filters,
        backend_filters,
        session,
        request,
        &mut context.client,
    )? {
        FilterProgress::Complete => {}
        FilterProgress::Waits(at) => return Ok(Some(at)),
        // Only rules have filters that route.
        FilterProgress::MustBeRouted(_) => return Err(AnswerReason::Internal.into()),
    }
    let endpoint = match &backend.target {
        BackendTarget::Endpoints(endpoints) => endpoints.next(),
        BackendTarget::NoEndpoints => return Err(AnswerReason::NoEndpoints.into()),
        BackendTarget::Invalid => return Err(AnswerReason::InvalidBackend.into()),
    };
    context.endpoint = Some(endpoint);
    Ok(None)
}

/// Runs the filters of the rule, and chooses the backend. Returns the position of a filter that waits.
fn pass_rule(
    from: FilterPosition,
    session: &mut Session,
    request: &RoutedRequest<'_>,
    context: &mut RequestContext,
) -> Result<Option<FilterPosition>, OwnAnswer> {
    let mut from = from;
    loop {
        // This ends: a filter that changes the route runs only once.
        if context.client.must_be_routed() {
            from = reroute(from, session, request, context)?;
        }
        let Some(rule) = &context.rule else {
            return Err(AnswerReason::Internal.into());
        };
        match filter_rule(rule, from, session, request, &mut context.client)? {
            FilterProgress::Complete => {
                context.backend = Some(choose_backend(rule)?);
                return Ok(None);
            }
            FilterProgress::Waits(at) => return Ok(Some(at)),
            FilterProgress::MustBeRouted(next) => from = next,
        }
    }
}

fn filter_rule(
    rule: &Rule,
    from: FilterPosition,
    session: &mut Session,
    request: &RoutedRequest<'_>,
    client: &mut ClientFindings,
) -> Result<FilterProgress, OwnAnswer> {
    if let Action::Refuse(status) = rule.action {
        return Err(AnswerReason::RefusedRule(status).into());
    }
    request::run(&rule.filters, from, session, request, client)
}

/// Routes a request again, with the headers that its filters have set. Returns the filter to continue with: `next` if the rule stays the
/// same, the first one of another rule. A policy of that rule is enforced as a whole.
fn reroute(
    next: FilterPosition,
    session: &Session,
    request: &RoutedRequest<'_>,
    context: &mut RequestContext,
) -> Result<FilterPosition, OwnAnswer> {
    let header = session.req_header();
    let host = check::host(header)?;
    let asked = (header, &*host);
    let (rule, kind) = route::find_rule(request.listener, asked, request.normalization)?;
    let Some(before) = context.rule.replace(rule.clone()) else {
        return Err(AnswerReason::Internal.into());
    };
    let is_same = Arc::ptr_eq(&before, rule);
    context.client.rerouted(before, next.index);
    if is_same {
        return Ok(next);
    }
    match kind {
        RequestKind::Preflight => Err(request::preflight(&rule.filters, session)),
        RequestKind::Ordinary => {
            context.start_timer();
            Ok(FilterPosition::first(FilterOwner::Rule))
        }
    }
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
    pub(crate) normalization: PathNormalization,
    pub(crate) counters: Counters,
}

impl WaitingRequest {
    /// Completes the filter and everything after it. Each filter waits within the time limit of the rule that the request has then.
    ///
    /// # Errors
    /// If the request is answered instead.
    pub(crate) async fn resume(
        mut self,
        servers: &FilterServers,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<(), OwnAnswer> {
        loop {
            let deadline = context.deadline;
            let waiting = request::wait(self.at, servers, session, context);
            let step = match deadline {
                None => waiting.await?,
                Some(deadline) => tokio::time::timeout_at(deadline.into(), waiting)
                    .await
                    .unwrap_or(Err(AnswerReason::GatewayTimeout))?,
            };
            match step {
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
            client_address: context.client_address,
            listener: &self.listener,
            snapshot: &self.snapshot,
            normalization: self.normalization,
            counters: &self.counters,
        };
        advance(self.at.next(), session, &request, context)
    }
}
