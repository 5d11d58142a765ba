//! Questions over gRPC: `envoy.service.auth.v3.Authorization/Check`.
//!
//! In: a client's request. Out: the call, and what the server's answer means. An answer that can't be followed as a whole is none:
//! a request must not pass without a change that the server demands.

mod attributes;
mod frame;
mod message;

use super::exchange::{AuthAnswer, Question};
use super::header_edit::{EditAction, HeaderEdit};
use super::verdict::{Changes, Failure, OkChanges, Verdict};
use crate::context::RequestContext;
use ::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TE};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use bytes::Bytes;
use gatefold_dataplane::filter::answer::{FilterAnswer, ResponsePhase};
use gatefold_dataplane::filter::external_auth::{AuthSettings, GrpcAuth};
use gatefold_dataplane::filter::header_modifier::{HeaderAction, refusal};
use message::{
    CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpResponse,
    OkHttpResponse, QueryParameter,
};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// The method that answers questions.
const CHECK: &[u8] = b"/envoy.service.auth.v3.Authorization/Check";
/// Maximum length of the body of a question: servers accept no longer message by default.
pub(super) const LARGEST_QUESTION: usize = 4 * 1024 * 1024 + frame::PREFIX;
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Returns the question about a request.
///
/// # Errors
/// If it can't be written.
pub(super) fn question(
    grpc: &GrpcAuth,
    settings: &AuthSettings,
    session: &Session,
    context: &mut RequestContext,
) -> Result<Question> {
    let attributes = attributes::attributes(grpc, settings, session, context)?;
    let body = frame::encode(&CheckRequest {
        attributes: Some(attributes),
    });
    let too_long = || Error::explain(ErrorType::InternalError, "the question is too long");
    let body = body.ok_or_else(too_long)?;
    let mut header = RequestHeader::build(Method::POST, CHECK, None)?;
    header.insert_header(HOST, &*grpc.authority)?;
    header.insert_header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))?;
    header.insert_header(TE, HeaderValue::from_static("trailers"))?;
    // At most eight digits ("Timeout"), which are enough for a day.
    let milliseconds = settings.timeout.as_millis().clamp(1, 99_999_999);
    header.insert_header(TIMEOUT, format!("{milliseconds}m"))?;
    header.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    Ok(Question { header, body })
}

/// Returns what an answer means.
///
/// # Errors
/// If it is no answer.
pub(super) fn verdict(answer: &AuthAnswer) -> std::result::Result<Verdict<'static>, String> {
    let CheckResponse {
        status,
        http_response,
    } = frame::decode(answer)?;
    let is_ok = status.map(|status| status.code == 0);
    Ok(match (is_ok, http_response) {
        (_, Some(HttpResponse::Error(error))) => {
            let status = http_status(&error);
            let answer = denial(error);
            Verdict::Failed(Box::new(Failure { status, answer }))
        }
        // Whatever the status: the server wants the client to get this.
        (_, Some(HttpResponse::Denied(denied))) => Verdict::Denied(Box::new(denial(denied))),
        // Without a status, which protobuf leaves out if it is 0.
        (Some(true) | None, Some(HttpResponse::Ok(ok))) => {
            Verdict::Allowed(Changes::Demanded(Box::new(changes(ok)?)))
        }
        (Some(true), None) => Verdict::Allowed(Changes::Demanded(Box::default())),
        (Some(false), Some(HttpResponse::Ok(_)) | None) => {
            let none = DeniedHttpResponse::default();
            Verdict::Denied(Box::new(denial(none)))
        }
        // An empty message, as a server sends that doesn't know what it is asked.
        (None, None) => return Err("its answer is empty".to_owned()),
    })
}

/// Returns the changes of a permission.
fn changes(ok: OkHttpResponse) -> std::result::Result<OkChanges, String> {
    let headers = ok.headers.into_iter().filter_map(|it| {
        // Without an action, a value replaces others (`OkHttpResponse.headers`).
        request_edit(it, EditAction::Set).transpose()
    });
    let remove = ok.headers_to_remove.iter();
    // As in Envoy, headers that can't be removed stay.
    let remove = remove.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
    let remove = remove.filter(|name| refusal(name, HeaderAction::Remove).is_none());
    let response = ok.response_headers_to_add.into_iter();
    let response = response.filter_map(|it| edit(it, EditAction::Append).transpose());
    let parameters = ok.query_parameters_to_set.into_iter();
    Ok(OkChanges {
        headers: headers.collect::<std::result::Result<_, String>>()?,
        remove: remove.collect(),
        set_parameters: parameters
            .map(|QueryParameter { key, value }| (key, value))
            .collect(),
        remove_parameters: ok.query_parameters_to_remove,
        response: response.collect::<std::result::Result<_, String>>()?,
    })
}

/// Reads a change to a header of the request. `Host` stays what the request was routed and checked with.
fn request_edit(
    option: HeaderValueOption,
    default: EditAction,
) -> std::result::Result<Option<HeaderEdit>, String> {
    match edit(option, default)? {
        Some(edit) if edit.name == HOST => Err("it changes `Host`".to_owned()),
        edit => Ok(edit),
    }
}

/// Reads a change to a header. `None` for one of the connection, which gatefold writes itself.
fn edit(
    option: HeaderValueOption,
    default: EditAction,
) -> std::result::Result<Option<HeaderEdit>, String> {
    let Some(header) = option.header else {
        return Ok(None);
    };
    let name = HeaderName::from_bytes(header.key.as_bytes());
    let name = name.map_err(|_| "it changes a header whose name isn't one".to_owned())?;
    let value = if header.raw_value.is_empty() {
        HeaderValue::from_str(&header.value)
    } else {
        HeaderValue::from_bytes(&header.raw_value)
    };
    let value = value.map_err(|_| format!("its value of `{name}` can't be sent"))?;
    if refusal(&name, HeaderAction::Set).is_some() {
        return Ok(None);
    }
    let action = match (option.append, option.append_action) {
        (Some(append), _) if append.value => EditAction::Append,
        (Some(_), _) => EditAction::Set,
        (None, 1) => EditAction::AddIfAbsent,
        (None, 2) => EditAction::Set,
        (None, 3) => EditAction::SetIfPresent,
        // 0, and actions that don't exist yet.
        (None, _) => default,
    };
    Ok(Some(HeaderEdit {
        action,
        name,
        value,
    }))
}

/// Returns what the client gets. The framing depends on its own connection. A header that can't be sent is left out: the denial stays one.
fn denial(denied: DeniedHttpResponse) -> FilterAnswer {
    let mut headers = HeaderMap::new();
    let status = http_status(&denied).unwrap_or(StatusCode::FORBIDDEN);
    for option in denied.headers {
        if let Ok(Some(edit)) = edit(option, EditAction::Set) {
            edit.apply(&mut headers);
        }
    }
    FilterAnswer {
        status,
        headers,
        body: Bytes::from(denied.body),
        response_phase: ResponsePhase::Run,
    }
}

/// Returns the status for the client. `None` if the server says none that can be one.
fn http_status(denied: &DeniedHttpResponse) -> Option<StatusCode> {
    let code = u16::try_from(denied.status.as_ref()?.code).ok()?;
    let status = StatusCode::from_u16(code).ok()?;
    (!status.is_informational()).then_some(status)
}
