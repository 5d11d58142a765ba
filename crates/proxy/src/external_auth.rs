//! Questions to authorization servers (the `ExternalAuth` filter).
//!
//! In: a client's request and the server. Out: the server's answer. Without an answer the request is denied. Each thread has its
//! own connections.

use crate::context::RequestContext;
use crate::filter::headers::RequestFields;
use crate::request::forwarded;
use crate::response::grpc;
use crate::response::reason::AnswerReason;
use crate::upstream::peer::Timeouts;
use crate::upstream::side_request::{self, PeerTls};
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
            failure => {
                let why = match failure {
                    Ok(Ok(answer)) => format!("it answered {}", answer.status),
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "it took too long".to_owned(),
                };
                debug!(
                    server = &*filter.name,
                    why, "an authorization server failed"
                );
                return Err(AnswerReason::ExternalAuthFailed);
            }
        };
        if answer.status == StatusCode::OK {
            let request = &mut RequestFields(session.req_header_mut());
            context
                .set_by_auth
                .extend(filter.copy(&answer.headers, request));
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
        let connector = self.connector.get_or_init(|| side_request::connector(IDLE));
        loop {
            let (peer, tls) =
                side_request::select(endpoints, identity, self.timeouts, &self.tls_cache)?;
            let header = side_request::header(&question, endpoints.version, peer.is_tls(), true)?;
            let (mut session, is_reused) = connector.get_http_session(&*peer).await?;
            match exchange(&mut session, header, &peer, tls.as_ref()).await {
                Ok((answer, is_complete)) => {
                    side_request::release(connector, session, &peer, is_complete).await;
                    return Ok(answer);
                }
                Err(error) => {
                    let began = session.response_header().is_some();
                    side_request::release(connector, session, &peer, false).await;
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
    side_request::begin(session, peer, header).await?;
    session.finish_request_body().await?;
    side_request::read_final_header(session).await?;
    let Some(response) = session.response_header() else {
        return Err(Error::new_up(ErrorType::ReadError));
    };
    let (status, headers) = (response.status, response.headers.clone());
    let (mut body, mut is_complete) = (BytesMut::new(), true);
    while let Some(bytes) = session.read_response_body().await? {
        if body.len() + bytes.len() <= LARGEST_BODY {
            body.extend_from_slice(&bytes);
            continue;
        }
        if status != StatusCode::OK {
            return Error::e_explain(ErrorType::ReadError, "the answer is too long");
        }
        // The body of a permission isn't used.
        is_complete = false;
        break;
    }
    let answer = AuthAnswer {
        status,
        headers,
        body: body.freeze(),
    };
    Ok((answer, is_complete))
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
