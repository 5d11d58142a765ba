//! Questions to authorization servers (the `ExternalAuth` filter, and `extAuth` of SecurityPolicies).
//!
//! In: a client's request and the servers. Out: what a server decides. Without a decision, the settings decide. Each thread has its
//! own connections.

pub(crate) mod body;
mod exchange;
mod grpc;
pub(crate) mod header_edit;
mod http;
mod query;
mod verdict;

use crate::context::RequestContext;
use crate::response::grpc as grpc_answer;
use crate::response::reason::AnswerReason;
use crate::upstream::peer::{MAX_ATTEMPTS, Timeouts};
use crate::upstream::side_request;
use crate::upstream::tls_cache::TlsCache;
use crate::warnings::{BackendProblem, Warnings};
use ::http::StatusCode;
use body::BodyRoom;
use exchange::{AuthAnswer, Question};
use gatefold_dataplane::backend::EndpointSet;
use gatefold_dataplane::filter::FilterStep;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::external_auth::{
    AuthProtocol, AuthServer, AuthServers, ExternalAuth, OnAuthError,
};
use pingora_core::connectors::http::Connector;
use pingora_core::{Error, ErrorType};
use pingora_proxy::Session;
use std::sync::{Arc, OnceLock};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};
use verdict::{Applied, Changes, Verdict};

/// Maximum number of idle connections to authorization servers, of each thread.
const IDLE: usize = 32;

/// Asks authorization servers.
pub(crate) struct AuthClient {
    connector: OnceLock<Connector>,
    timeouts: Timeouts,
    tls_cache: Arc<TlsCache>,
    warnings: Arc<Warnings>,
    /// For the bodies of requests.
    room: BodyRoom,
}

impl std::fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthClient").finish_non_exhaustive()
    }
}

/// Why a server gave no answer.
enum NoAnswer {
    /// There is no connection to it, so another one can be asked.
    Unconnected(Box<Error>),
    /// It got the question.
    Failed(Box<Error>),
    /// It can't be asked about this request.
    Unwritable(Box<Error>),
}

/// Why there is no decision.
enum Undecided {
    /// No server has given an answer.
    NoAnswer(String),
    /// The request doesn't pass in any case: no question can be written about it, as its client may want, or the answer is longer than
    /// what is read, and may be a denial.
    Closed(String),
    /// The question would be longer than a server accepts.
    TooLong,
}

impl From<NoAnswer> for Undecided {
    fn from(why: NoAnswer) -> Self {
        match why {
            NoAnswer::Unconnected(error) | NoAnswer::Failed(error) => {
                Undecided::NoAnswer(error.to_string())
            }
            NoAnswer::Unwritable(error) => Undecided::Closed(error.to_string()),
        }
    }
}

impl AuthClient {
    pub(crate) fn new(
        timeouts: Timeouts,
        tls_cache: Arc<TlsCache>,
        warnings: Arc<Warnings>,
    ) -> Self {
        AuthClient {
            connector: OnceLock::new(),
            timeouts,
            tls_cache,
            warnings,
            room: BodyRoom::default(),
        }
    }

    /// Returns the client of another thread.
    pub(crate) fn for_another_thread(&self) -> Self {
        AuthClient {
            connector: OnceLock::new(),
            timeouts: self.timeouts,
            tls_cache: self.tls_cache.clone(),
            warnings: self.warnings.clone(),
            room: self.room.clone(),
        }
    }

    /// Asks whether a request is allowed. If it is, the request is changed as the server says; otherwise the client gets the
    /// server's answer.
    ///
    /// # Errors
    /// If the server gives no answer and the settings don't let the request pass, it can't be asked about the request, a gRPC request is
    /// denied, or the body for the server can't be read.
    pub(crate) async fn check(
        &self,
        filter: &ExternalAuth,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<FilterStep, AnswerReason> {
        let settings = &filter.settings;
        if let Some(limit) = settings.body_limit {
            let room = (&self.room, self.timeouts.downstream_read);
            body::read(limit, session, context, room).await?;
        }
        let verdict = self.verdict(filter, session, context).await;
        let (why, failure) = match verdict {
            Ok(Verdict::Allowed(changes)) => return allow(changes, filter, session, context),
            Ok(Verdict::Denied(answer)) => {
                let reason = AnswerReason::ExternalAuthDenied(answer.status);
                return deny(answer, reason, session, context);
            }
            Ok(Verdict::Failed(failure)) => ("it says so".to_owned(), Some(failure)),
            Err(Undecided::NoAnswer(why)) => (why, None),
            Err(Undecided::Closed(why)) => {
                debug!(why, "an authorization server can't decide on a request");
                let status = match settings.on_error {
                    OnAuthError::Deny(status) => status,
                    OnAuthError::Allow => StatusCode::FORBIDDEN,
                };
                return Err(AnswerReason::ExternalAuthFailed(status));
            }
            Err(Undecided::TooLong) => return Err(AnswerReason::BodyTooLarge),
        };
        self.report_failure(filter, &why);
        let OnAuthError::Deny(status) = settings.on_error else {
            let changes = Changes::without_answer(&settings.protocol);
            return allow(changes, filter, session, context);
        };
        match failure {
            Some(failure) => {
                let status = failure.status.unwrap_or(status);
                let answer = FilterAnswer {
                    status,
                    ..failure.answer
                };
                let reason = AnswerReason::ExternalAuthFailed(status);
                deny(Box::new(answer), reason, session, context)
            }
            None => Err(AnswerReason::ExternalAuthFailed(status)),
        }
    }

    /// Asks the servers about a request.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn verdict<'f>(
        &self,
        filter: &'f ExternalAuth,
        session: &Session,
        context: &mut RequestContext,
    ) -> Result<Verdict<'f>, Undecided> {
        let settings = &filter.settings;
        let question = match &settings.protocol {
            AuthProtocol::Http(http) => http::question(http, settings, session, context),
            AuthProtocol::Grpc(grpc) => grpc::question(grpc, settings, session, context),
        };
        let question = question.map_err(|error| Undecided::Closed(error.to_string()))?;
        let is_grpc = matches!(settings.protocol, AuthProtocol::Grpc(_));
        if is_grpc && question.body.len() > grpc::LARGEST_QUESTION {
            return Err(Undecided::TooLong);
        }
        let now = Instant::now();
        let until = now.checked_add(settings.timeout).unwrap_or(now);
        // The end of the rule's time must not cut an exchange off either.
        let until = context
            .deadline
            .map_or(until, |rule| until.min(rule.into()));
        let asked = self.ask(&filter.servers, context.identity, &question, until);
        let answer = asked.await?;
        if is_grpc && answer.is_too_long {
            return Err(Undecided::Closed("its answer is too long".to_owned()));
        }
        let verdict = match &settings.protocol {
            AuthProtocol::Http(http) => http::verdict(http, answer),
            AuthProtocol::Grpc(_) => grpc::verdict(&answer),
        };
        verdict.map_err(Undecided::NoAnswer)
    }

    /// Sends a question. If no connection can be made, tries other endpoints and servers.
    async fn ask(
        &self,
        servers: &AuthServers,
        identity: Option<usize>,
        question: &Question,
        until: Instant,
    ) -> Result<AuthAnswer, NoAnswer> {
        let candidates: Vec<(&AuthServer, &EndpointSet)> = servers.in_order().collect();
        let endpoints = candidates.iter().map(|(_, endpoints)| endpoints.count());
        let attempts = endpoints.sum::<usize>().min(MAX_ATTEMPTS);
        let mut last = Error::explain(ErrorType::ConnectError, "it has no endpoints");
        for (server, endpoints) in candidates.iter().cycle().take(attempts) {
            match self.ask_one(endpoints, identity, question, until).await {
                Ok(answer) => return Ok(answer),
                Err(why @ (NoAnswer::Failed(_) | NoAnswer::Unwritable(_))) => return Err(why),
                Err(NoAnswer::Unconnected(error)) => {
                    debug!(server = &*server.name, %error, "can't connect to an authorization server");
                    last = error;
                }
            }
        }
        Err(NoAnswer::Failed(last))
    }

    /// Sends a question to an endpoint of a server, a second time if a connection turns out to have been closed while it was idle.
    async fn ask_one(
        &self,
        endpoints: &EndpointSet,
        identity: Option<usize>,
        question: &Question,
        until: Instant,
    ) -> Result<AuthAnswer, NoAnswer> {
        let connector = self.connector.get_or_init(|| side_request::connector(IDLE));
        let mut is_repeated = false;
        loop {
            let selected =
                side_request::select(endpoints, identity, self.timeouts, &self.tls_cache);
            let (peer, tls) = selected.map_err(NoAnswer::Failed)?;
            let header = question.header_for(endpoints.version, peer.is_tls());
            let header = header.map_err(NoAnswer::Unwritable)?;
            let connected = timeout_at(until, connector.get_http_session(&*peer)).await;
            let connected = connected.unwrap_or_else(|_| Err(too_long()));
            let (mut session, is_reused) = connected.map_err(NoAnswer::Unconnected)?;
            let message = (header, question.body.clone());
            let exchanged = exchange::exchange(&mut session, message, &peer, tls.as_ref());
            // The session outlives the time limit, since its connection has to be returned.
            let exchanged = timeout_at(until, exchanged).await;
            match exchanged.unwrap_or_else(|_| Err(too_long())) {
                Ok((answer, is_complete)) => {
                    side_request::release(connector, session, &peer, is_complete).await;
                    return Ok(answer);
                }
                Err(error) => {
                    let response = session.response_header();
                    let (began, denial) =
                        (response.is_some(), response.and_then(AuthAnswer::denial));
                    side_request::release(connector, session, &peer, false).await;
                    if let Some(denial) = denial {
                        return Ok(denial);
                    }
                    let is_stale = is_reused && !began;
                    if !is_stale || is_repeated || Instant::now() >= until {
                        return Err(NoAnswer::Failed(error));
                    }
                    is_repeated = true;
                }
            }
        }
    }

    /// Logs now and then that a server gives no answer.
    fn report_failure(&self, filter: &ExternalAuth, why: &str) {
        let Some(name) = filter.servers.name() else {
            return;
        };
        let passes = filter.settings.on_error == OnAuthError::Allow;
        match self.warnings.are_due(name, BackendProblem::Authorizing) {
            Some(unlogged) => warn!(
                server = &**name,
                why,
                passes,
                unlogged = (unlogged > 0).then_some(unlogged),
                "an authorization server gave no answer"
            ),
            None => debug!(
                server = &**name,
                why, passes, "an authorization server gave no answer"
            ),
        }
    }
}

fn too_long() -> Box<Error> {
    Error::explain(ErrorType::ReadTimedout, "it took too long")
}

/// Changes a request that passes.
///
/// # Errors
/// If the result can't be forwarded.
fn allow(
    changes: Changes<'_>,
    filter: &ExternalAuth,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<FilterStep, AnswerReason> {
    let Applied { set, response } = changes.apply(session.req_header_mut())?;
    context.set_by_auth.extend(set);
    context.auth_response.extend(response);
    context.client.route_by_headers(filter.settings.routing);
    Ok(FilterStep::Continue)
}

/// Answers a request that doesn't pass.
///
/// # Errors
/// If it is a gRPC request, whose client gets a gRPC status for the reason.
fn deny(
    answer: Box<FilterAnswer>,
    reason: AnswerReason,
    session: &Session,
    context: &mut RequestContext,
) -> Result<FilterStep, AnswerReason> {
    if grpc_answer::is_grpc(session.req_header()) {
        return Err(reason);
    }
    context.reason = Some(reason);
    Ok(FilterStep::Answer(answer))
}
