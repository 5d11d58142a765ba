//! The access log as events of the log: what `--access-log` without a format has always written.

use super::RequestLog;
use super::grpc_status;
use crate::context::RequestContext;
use crate::request::client_address;
use http::HeaderValue;
use pingora_proxy::Session;
use tracing::{Level, enabled, info};

/// The target of the events: one per request.
const TARGET: &str = "gatefold::access";

/// Whether the access log is enabled. Cheap if not.
pub(super) fn is_wanted() -> bool {
    enabled!(target: TARGET, Level::INFO)
}

/// Logs a completed request, without the query, since that may contain tokens.
pub(super) fn log(session: &Session, context: &RequestContext, state: &RequestLog) {
    if !is_wanted() {
        return;
    }
    let Some(began) = context.began else {
        return;
    };
    let request = session.req_header();
    let rule = context.rule.as_deref();
    let response = session.response_written();
    let connection = context.connection.as_deref();
    let client = connection.map(|it| client_address::with_port(context.client_address, it));
    info!(
        target: TARGET,
        method = request.method.as_str(),
        path = request.uri.path(),
        status = response.map_or(0, |response| response.status.as_u16()),
        grpc_status = grpc_status::of(state.trailers.as_ref(), response),
        reason = context.reason.map(|reason| reason.word()),
        host = text(request.headers.get(http::header::HOST))
            .or_else(|| request.uri.authority().map(|authority| authority.as_str())),
        route = rule.map(|rule| &*rule.id.route),
        backend = context.backend().map(|backend| &*backend.name),
        upstream_addr = context.endpoint.map(tracing::field::display),
        client_addr = client.map(tracing::field::display),
        duration_ms = began.elapsed().as_secs_f64() * 1000.0,
        bytes = session.body_bytes_sent(),
        request_id = context.id.as_ref().map(tracing::field::display),
        protocol = tracing::field::debug(request.version),
    );
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}
