//! Answers of the proxy itself, written in one place.
//!
//! In: a reason, or the answer of a filter. Out: the complete response at the client.

use crate::context::RequestContext;
use crate::filter;
use crate::filter::headers::ResponseFields;
use crate::response::challenge;
use crate::response::grpc;
use crate::response::late_headers;
use crate::response::reason::{AnswerReason, KeepAlive};
use crate::response::unread_body;
use bytes::Bytes;
use gatefold_dataplane::filter::answer::{FilterAnswer, ResponsePhase};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// An answer of the proxy instead of a backend's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OwnAnswer {
    /// The request can't be forwarded.
    Reason(AnswerReason),
    /// A filter answers the request.
    Filter(Box<FilterAnswer>),
}

impl From<AnswerReason> for OwnAnswer {
    fn from(reason: AnswerReason) -> Self {
        OwnAnswer::Reason(reason)
    }
}

impl From<Box<FilterAnswer>> for OwnAnswer {
    fn from(answer: Box<FilterAnswer>) -> Self {
        OwnAnswer::Filter(answer)
    }
}

impl OwnAnswer {
    /// Returns the HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            OwnAnswer::Reason(reason) => reason.status(),
            OwnAnswer::Filter(answer) => answer.status,
        }
    }

    /// Whether an HTTP/1.1 connection is kept after the answer.
    pub(crate) fn keep_alive(&self) -> KeepAlive {
        match self {
            OwnAnswer::Reason(reason) => reason.keep_alive(),
            OwnAnswer::Filter(_) => KeepAlive::Keep,
        }
    }

    /// Sends the answer in a session that has no response yet. `reason_header` is the header for the word of its reason.
    pub(crate) async fn send(
        self,
        keep_alive: KeepAlive,
        session: &mut Session,
        context: &mut RequestContext,
        reason_header: Option<&HeaderName>,
    ) -> Result<()> {
        match keep_alive {
            KeepAlive::Close => session.set_keepalive(None),
            KeepAlive::Keep => unread_body::keep(session).await,
        }
        match self {
            OwnAnswer::Reason(reason) if grpc::is_grpc(session.req_header()) => {
                context.reason = Some(reason);
                let challenge = challenge::of(reason, session.req_header(), context);
                grpc::send(reason, challenge, reason_header, session, context).await?;
            }
            OwnAnswer::Reason(reason) => {
                context.reason = Some(reason);
                let (mut header, body) = by_reason(reason, session, context)?;
                add_reason(reason, reason_header, &mut header)?;
                send(header, body, session, context).await?;
            }
            OwnAnswer::Filter(answer) => {
                let (header, body) = by_filter(*answer, session, context).await?;
                send(header, body, session, context).await?;
            }
        }
        if keep_alive == KeepAlive::Keep {
            unread_body::drop_small(session).await;
        }
        Ok(())
    }
}

/// Adds the word of a reason, if a header is wanted for it.
pub(super) fn add_reason(
    reason: AnswerReason,
    name: Option<&HeaderName>,
    header: &mut ResponseHeader,
) -> Result<()> {
    match name {
        Some(name) => header.insert_header(name, HeaderValue::from_static(reason.word())),
        None => Ok(()),
    }
}

/// Sends a complete response, without the body if the request is a HEAD.
async fn send(
    mut header: ResponseHeader,
    body: Bytes,
    session: &mut Session,
    context: &RequestContext,
) -> Result<()> {
    late_headers::change(&mut header, context);
    let head = session.req_header().method == Method::HEAD;
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head && !body.is_empty() {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// Returns the header and body for a reason. They depend on nothing else, but for CORS headers, without which a script
/// could not read the answer.
fn by_reason(
    reason: AnswerReason,
    session: &Session,
    context: &RequestContext,
) -> Result<(ResponseHeader, Bytes)> {
    let body = Bytes::from_static(reason.text().as_bytes());
    let mut header = header(reason.status(), &body)?;
    header.insert_header(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    )?;
    if let Some(challenge) = challenge::of(reason, session.req_header(), context) {
        header.insert_header(header::WWW_AUTHENTICATE, challenge)?;
    }
    let rule = context.rule.as_ref();
    if let Some(cors) = rule.and_then(|rule| rule.filters.cors()) {
        let request = &session.req_header().headers;
        cors.change_response(request, &mut ResponseFields(&mut header));
    }
    Ok((header, body))
}

async fn by_filter(
    mut answer: FilterAnswer,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<(ResponseHeader, Bytes)> {
    let mut header = filter_header(&answer)?;
    if answer.response_phase == ResponsePhase::Run {
        let replaced = filter::response::complete(session, &mut header, context).await;
        if let Some(other) = replaced {
            header = filter_header(&other)?;
            answer = *other;
        }
    }
    Ok((header, answer.body))
}

fn filter_header(answer: &FilterAnswer) -> Result<ResponseHeader> {
    let mut header = header(answer.status, &answer.body)?;
    for (name, value) in &answer.headers {
        header.append_header(name, value.clone())?;
    }
    Ok(header)
}

/// Returns a header with the framing of a body. A response with the status 204 has no body (RFC 9110, section 15.3.5).
fn header(status: StatusCode, body: &Bytes) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(status, Some(4))?;
    header.insert_header(header::SERVER, HeaderValue::from_static("gatefold"))?;
    if status != StatusCode::NO_CONTENT {
        header.insert_header(header::CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    }
    Ok(header)
}
