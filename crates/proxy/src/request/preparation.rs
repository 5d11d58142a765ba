//! What a listener changes in a request before it is routed.
//!
//! In: the client's request, and the listener that it belongs to. Out: the changes: the normal form of the path, the headers
//! that the sender may not set or that the policy of the listener drops, and those that the policy adds. They are found first
//! and made afterwards, because nearly no request needs any.

use crate::context::RequestContext;
use crate::filter::headers::RequestFields;
use crate::request::client_address;
use crate::request::client_cert::ClientCertHeader;
use crate::request::host;
use crate::request::path;
use crate::request::way;
use crate::response::answer::OwnAnswer;
use crate::response::grpc;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::Listener;
use gatefold_dataplane::client_traffic::header_change::HeaderChange;
use gatefold_dataplane::client_traffic::{ClientTraffic, HostDot, Underscores};
use gatefold_dataplane::filter::answer::{FilterAnswer, ResponsePhase};
use gatefold_dataplane::filter::header_modifier::Headers;
use gatefold_dataplane::path_normalization::{PathNormalization, PathRules};
use gatefold_listen::Connection;
use http::header::{HOST, HeaderName, HeaderValue, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};
use pingora_http::RequestHeader;

/// The changes to a request.
#[derive(Debug, Default)]
pub(crate) struct Preparation<'l> {
    /// The target with the normal form of its path.
    uri: Option<Uri>,
    /// The host without its final dot.
    host: Option<Authority>,
    /// The headers to remove.
    removed: Vec<HeaderName>,
    /// What the backend learns of the client's certificate.
    client_cert: ClientCertHeader,
    /// The further changes that the policy makes.
    change: Option<&'l HeaderChange>,
}

impl<'l> Preparation<'l> {
    /// Finds the changes to a request, and who its client is.
    ///
    /// # Errors
    /// If the request is answered instead of routed.
    pub(crate) fn of(
        request: &RequestHeader,
        listener: &'l Listener,
        connection: &Connection,
        normalization: PathNormalization,
        context: &mut RequestContext,
    ) -> Result<Self, OwnAnswer> {
        let Some(traffic) = listener.client_traffic.as_ref() else {
            let normal = path::normalized(&request.uri, normalization, PathRules::default())?;
            return Ok(Preparation {
                uri: normal.uri,
                host: None,
                removed: way::inspect(&request.headers, context),
                client_cert: ClientCertHeader::default(),
                change: None,
            });
        };
        context.client_traffic = Some(traffic.clone());
        let client = client_address::find(traffic, connection, &request.headers)?;
        context.client_address = Some(client);
        let rules = traffic.path.unwrap_or_default();
        let normal = path::normalized(&request.uri, normalization, rules)?;
        let uri = normal.uri.as_ref().unwrap_or(&request.uri);
        if normal.must_redirect {
            return Err(redirect(uri, request));
        }
        if is_health_check(traffic, uri) {
            return Err(health_check(connection));
        }
        let mut removed = way::inspect(&request.headers, context);
        let host = match traffic.host_dot {
            HostDot::Forward => None,
            HostDot::Strip => without_final_dot(request),
        };
        let client_cert = ClientCertHeader::of(traffic.forwarded_client_cert, connection);
        client_cert.keep(&mut removed);
        removed.extend(underscored(traffic.underscores, &request.headers)?);
        let change = &traffic.request_headers;
        Ok(Preparation {
            uri: normal.uri,
            host,
            removed,
            client_cert,
            change: (!change.is_empty()).then_some(change),
        })
    }

    /// Whether the request stays as it is.
    pub(crate) fn is_empty(&self) -> bool {
        self.uri.is_none()
            && self.host.is_none()
            && self.removed.is_empty()
            && self.client_cert.is_empty()
            && self.change.is_none()
    }

    /// Changes the request.
    pub(crate) fn apply(self, request: &mut RequestHeader, context: &mut RequestContext) {
        if let Some(uri) = self.uri {
            request.set_uri(uri);
        }
        if let Some(host) = self.host {
            replace_host(request, host);
        }
        for name in &self.removed {
            request.remove_header(name);
        }
        self.client_cert.add(request);
        if let Some(change) = self.change {
            change.apply(&mut RequestFields(request));
            // The policy may set what no sender may.
            context.sent = way::SentFields::of(&request.headers);
        }
    }
}

/// Returns the host of a request without its final dot. `None` if there is none.
fn without_final_dot(request: &RequestHeader) -> Option<Authority> {
    let text = match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.headers.get(HOST)?.to_str().ok()?,
    };
    // A part of a valid host is valid.
    Authority::try_from(host::without_final_dot(text)?).ok()
}

/// Replaces the host where the request has it: in `Host`, in its target, or in both.
fn replace_host(request: &mut RequestHeader, host: Authority) {
    if request.headers.contains_key(HOST)
        && let Ok(value) = HeaderValue::from_str(host.as_str())
    {
        RequestFields(request).set(&HOST, &value);
    }
    if request.uri.authority().is_some() {
        let mut parts = request.uri.clone().into_parts();
        parts.authority = Some(host);
        // A target with another host is as valid as before.
        if let Ok(uri) = Uri::from_parts(parts) {
            request.set_uri(uri);
        }
    }
}

/// Returns the headers with underscores that the policy drops.
///
/// # Errors
/// If the policy rejects them.
fn underscored(rule: Underscores, headers: &HeaderMap) -> Result<Vec<HeaderName>, AnswerReason> {
    if rule == Underscores::Forward {
        return Ok(Vec::new());
    }
    let names = headers.keys().filter(|name| name.as_str().contains('_'));
    let names: Vec<HeaderName> = names.cloned().collect();
    if rule == Underscores::Reject && !names.is_empty() {
        return Err(AnswerReason::HeaderWithUnderscore);
    }
    Ok(names)
}

fn is_health_check(traffic: &ClientTraffic, uri: &Uri) -> bool {
    let path = traffic.health_check.as_deref();
    path.is_some_and(|path| path == uri.path())
}

/// Answers a health check: 200, or 503 on a connection that is about to end, so that a load balancer looks elsewhere.
fn health_check(connection: &Connection) -> OwnAnswer {
    let status = if connection.is_ending() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    empty(status, HeaderMap::new())
}

/// Redirects to the path with unescaped slashes. A gRPC client can't follow (Envoy: `UNESCAPE_AND_REDIRECT`).
fn redirect(uri: &Uri, request: &RequestHeader) -> OwnAnswer {
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    // Without the dot segment it would begin with the name of a host (RFC 3986, section 4.2).
    let target = if target.starts_with("//") {
        HeaderValue::try_from(format!("/.{target}"))
    } else {
        HeaderValue::from_str(target)
    };
    match target {
        Ok(target) if !grpc::is_grpc(request) => {
            let headers = HeaderMap::from_iter([(LOCATION, target)]);
            empty(StatusCode::TEMPORARY_REDIRECT, headers)
        }
        Ok(_) | Err(_) => AnswerReason::PathWithEscapedSlash.into(),
    }
}

fn empty(status: StatusCode, headers: HeaderMap) -> OwnAnswer {
    let answer = FilterAnswer {
        status,
        headers,
        body: bytes::Bytes::new(),
        response_phase: ResponsePhase::Skip,
    };
    Box::new(answer).into()
}
