//! Questions to authorization servers (the `ExternalAuth` filter).
//!
//! In: a client's request and the server. Out: the server's answer, or that there is none: then nobody has allowed the request. Each
//! thread has its own connections.

use crate::context::RequestContext;
use crate::filter::headers::RequestFields;
use crate::mirror::copy;
use crate::request::forwarded;
use crate::response::grpc;
use crate::response::reason::AnswerReason;
use crate::upstream::peer::Timeouts;
use crate::upstream::side_peer::{self, PeerTls};
use crate::upstream::tls_cache::TlsCache;
use bytes::{Bytes, BytesMut};
use gatefold_dataplane::backend::{BackendTarget, EndpointSet};
use gatefold_dataplane::filter::FilterStep;
use gatefold_dataplane::filter::answer::{FilterAnswer, ResponsePhase};
use gatefold_dataplane::filter::external_auth::ExternalAuth;
use gatefold_dataplane::filter::header_modifier::{HeaderAction, refusal};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora_core::connectors::http::Connector;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::timeout;
use tracing::debug;

/// Maximum duration of a question, including the answer (Envoy Gateway: 10 seconds).
const LONGEST: Duration = Duration::from_secs(10);
/// Maximum length of an answer's body. A longer one is no answer.
const LARGEST_BODY: usize = 64 * 1024;
/// Maximum number of idle connections to authorization servers, of each thread.
const IDLE: usize = 32;

/// Asks authorization servers.
pub(crate) struct AuthClient {
    connector: OnceLock<Connector>,
    timeouts: Timeouts,
    tls_cache: Arc<TlsCache>,
}

impl std::fmt::Debug for AuthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthClient").finish_non_exhaustive()
    }
}

/// The answer of a server.
struct AuthAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl AuthClient {
    pub(crate) fn new(timeouts: Timeouts, tls_cache: Arc<TlsCache>) -> Self {
        AuthClient {
            connector: OnceLock::new(),
            timeouts,
            tls_cache,
        }
    }

    /// Returns the client of another thread.
    pub(crate) fn for_another_thread(&self) -> Self {
        AuthClient::new(self.timeouts, self.tls_cache.clone())
    }

    /// Asks whether a request is allowed. If it is, its headers are changed as the filter says; otherwise the client gets the
    /// server's answer.
    ///
    /// # Errors
    /// If the server gives no answer, or a gRPC request is denied.
    pub(crate) async fn check(
        &self,
        filter: &ExternalAuth,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> std::result::Result<FilterStep, AnswerReason> {
        let question = question(filter, session, context);
        let identity = context.identity;
        let asked = async {
            let BackendTarget::Endpoints(endpoints) = &filter.target else {
                return Error::e_explain(ErrorType::ConnectError, "it has no endpoints");
            };
            self.ask(endpoints, identity, question?).await
        };
        let answer = match timeout(LONGEST, asked).await {
            Ok(Ok(answer)) if !answer.status.is_server_error() => answer,
            Ok(Ok(answer)) => {
                let status = answer.status.as_u16();
                debug!(
                    server = &*filter.name,
                    status, "an authorization server failed"
                );
                return Err(AnswerReason::ExternalAuthFailed);
            }
            Ok(Err(error)) => {
                debug!(server = &*filter.name, %error, "an authorization server gave no answer");
                return Err(AnswerReason::ExternalAuthFailed);
            }
            Err(_) => {
                debug!(
                    server = &*filter.name,
                    "an authorization server took too long"
                );
                return Err(AnswerReason::ExternalAuthFailed);
            }
        };
        if answer.status == StatusCode::OK {
            let request = &mut RequestFields(session.req_header_mut());
            let set = filter.copy(&answer.headers, request);
            // A request that is routed again may be checked by two servers.
            let is_older = |(name, _): &(_, _)| set.iter().all(|(newer, _)| newer != name);
            context.set_by_auth.retain(is_older);
            context.set_by_auth.extend(set);
            return Ok(FilterStep::Continue);
        }
        if grpc::is_grpc(session.req_header()) {
            return Err(AnswerReason::ExternalAuthDenied);
        }
        context.reason = Some(AnswerReason::ExternalAuthDenied);
        Ok(FilterStep::Answer(Box::new(answer.for_client())))
    }

    /// Sends a question, a second time if a connection turns out to have been closed while it was idle.
    async fn ask(
        &self,
        endpoints: &EndpointSet,
        identity: Option<usize>,
        question: RequestHeader,
    ) -> Result<AuthAnswer> {
        let connector = self.connector.get_or_init(|| side_peer::connector(IDLE));
        loop {
            let (peer, tls) =
                side_peer::select(endpoints, identity, self.timeouts, &self.tls_cache)?;
            let header = copy::header(&question, endpoints.version, peer.is_tls(), true)?;
            let (mut session, is_reused) = connector.get_http_session(&*peer).await?;
            match exchange(&mut session, header, &peer, tls.as_ref()).await {
                Ok((answer, is_complete)) => {
                    release(connector, session, &peer, is_complete).await;
                    return Ok(answer);
                }
                Err(error) => {
                    let began = session.response_header().is_some();
                    release(connector, session, &peer, false).await;
                    if !is_reused || began {
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// Returns the question about a request: the same method and path, and the headers that the server gets. What gatefold says about
/// the way of the request replaces what the client says.
fn question(
    filter: &ExternalAuth,
    session: &Session,
    context: &mut RequestContext,
) -> Result<RequestHeader> {
    let request = session.req_header();
    let mut described = request.clone();
    forwarded::add(session, &mut described, context)?;
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let target = filter.target_of(path);
    let mut question = RequestHeader::build(request.method.clone(), target.as_bytes(), None)?;
    if let Some(host) = forwarded::asked_host(request)? {
        question.insert_header(HOST, host)?;
    }
    for (name, value) in &described.headers {
        let is_writable = refusal(name, HeaderAction::Set).is_none();
        if filter.sends(name) && is_writable && *name != HOST {
            question.append_header(name, value.clone())?;
        }
    }
    question.insert_header(CONTENT_LENGTH, HeaderValue::from_static("0"))?;
    Ok(question)
}

/// Sends a question on a connection, and reads the answer. Returns whether the answer was read to its end.
async fn exchange(
    session: &mut HttpSession,
    header: RequestHeader,
    peer: &HttpPeer,
    tls: Option<&PeerTls>,
) -> Result<(AuthAnswer, bool)> {
    if let Some(tls) = tls {
        tls.check(session, LONGEST).await?;
    }
    session.set_read_timeout(peer.options.read_timeout);
    session.set_write_timeout(peer.options.write_timeout);
    session.write_request_header(Box::new(header)).await?;
    session.finish_request_body().await?;
    let (status, headers) = loop {
        session.read_response_header().await?;
        match session.response_header() {
            Some(response) if response.status.is_informational() => {}
            Some(response) => break (response.status, response.headers.clone()),
            None => return Err(Error::new_up(ErrorType::ReadError)),
        }
    };
    let mut body = BytesMut::new();
    while let Some(bytes) = session.read_response_body().await? {
        if body.len() + bytes.len() > LARGEST_BODY {
            if status == StatusCode::OK {
                // Nobody reads it.
                let body = Bytes::new();
                let answer = AuthAnswer {
                    status,
                    headers,
                    body,
                };
                return Ok((answer, false));
            }
            return Error::e_explain(ErrorType::ReadError, "the answer is too long");
        }
        body.extend_from_slice(&bytes);
    }
    let body = body.freeze();
    let answer = AuthAnswer {
        status,
        headers,
        body,
    };
    Ok((answer, true))
}

/// Returns a connection to the pool. An HTTP/2 connection must always be returned, since it may carry other questions.
async fn release(
    connector: &Connector,
    mut session: HttpSession,
    peer: &HttpPeer,
    is_complete: bool,
) {
    match session {
        _ if is_complete => {}
        HttpSession::H2(_) => session.shutdown().await,
        _ => return,
    }
    let idle = peer.options.idle_timeout;
    connector.release_http_session(session, peer, idle).await;
}

impl AuthAnswer {
    /// Returns what the client gets. The framing depends on its own connection.
    fn for_client(self) -> FilterAnswer {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if refusal(name, HeaderAction::Set).is_none() && *name != HOST {
                headers.append(name, value.clone());
            }
        }
        FilterAnswer {
            status: self.status,
            headers,
            body: self.body,
            response_phase: ResponsePhase::Run,
        }
    }
}
