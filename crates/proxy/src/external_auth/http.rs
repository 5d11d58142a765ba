//! Questions over HTTP: the request itself, without its body unless the settings say otherwise, to which status 200 is a permission.

use super::exchange::{AuthAnswer, PARTIAL_BODY, Question};
use super::verdict::{Changes, Verdict};
use crate::context::RequestContext;
use crate::request::forwarded;
use ::http::header::{CONTENT_LENGTH, DATE, HOST, SERVER};
use ::http::{HeaderMap, HeaderValue, StatusCode};
use gatefold_dataplane::filter::answer::{FilterAnswer, ResponsePhase};
use gatefold_dataplane::filter::external_auth::{AuthSettings, HttpAuth};
use gatefold_dataplane::filter::header_modifier::{HeaderAction, refusal};
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// Returns the question about a request: the same method and path, the headers that the server gets, and the body. What gatefold says about
/// the way of the request replaces what the client says.
///
/// # Errors
/// If it can't be written.
pub(super) fn question(
    http: &HttpAuth,
    settings: &AuthSettings,
    session: &Session,
    context: &mut RequestContext,
) -> Result<Question> {
    let request = session.req_header();
    let mut described = request.clone();
    forwarded::add(session, &mut described, context)?;
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let target = http.target_of(path);
    let mut header = RequestHeader::build(request.method.clone(), target.as_bytes(), None)?;
    if let Some(host) = forwarded::asked_host(request)? {
        header.insert_header(HOST, host)?;
    }
    for (name, value) in &described.headers {
        let is_writable = refusal(name, HeaderAction::Set).is_none();
        if settings.request_headers.contains(name) && is_writable && *name != HOST {
            header.append_header(name, value.clone())?;
        }
    }
    let body = context.body_for(settings);
    if body.is_some() {
        header.insert_header(PARTIAL_BODY, HeaderValue::from_static("false"))?;
    }
    let body = body.unwrap_or_default();
    header.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    Ok(Question { header, body })
}

/// Returns what an answer means.
///
/// # Errors
/// If it means that the server has failed.
pub(super) fn verdict(
    http: &HttpAuth,
    answer: AuthAnswer,
) -> std::result::Result<Verdict<'_>, String> {
    if answer.status.is_server_error() {
        return Err(format!("it answered {}", answer.status));
    }
    Ok(if answer.status == StatusCode::OK {
        Verdict::Allowed(Changes::Copied(&http.copied, Some(answer.headers)))
    } else {
        Verdict::Denied(Box::new(for_client(answer)))
    })
}

/// Returns what the client gets. The framing depends on its own connection.
fn for_client(answer: AuthAnswer) -> FilterAnswer {
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        // gatefold writes the last two itself.
        let is_other = ![HOST, DATE, SERVER].contains(name);
        if refusal(name, HeaderAction::Set).is_none() && is_other {
            headers.append(name, value.clone());
        }
    }
    FilterAnswer {
        status: answer.status,
        headers,
        body: answer.body,
        response_phase: ResponsePhase::Run,
    }
}
