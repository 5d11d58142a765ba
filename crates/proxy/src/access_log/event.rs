//! The access log as events of the log: what `--access-log` without a format has always written.

use super::RequestLog;
use crate::context::RequestContext;
use crate::response::grpc;
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
    let trailers = state.trailers.as_ref();
    let in_trailers = trailers.and_then(|trailers| trailers.get(grpc::STATUS));
    // A failure of the proxy, and often one of a backend, has no trailers.
    let grpc_status = in_trailers.or_else(|| response.and_then(|it| it.headers.get(grpc::STATUS)));
    info!(
        target: TARGET,
        method = request.method.as_str(),
        path = request.uri.path(),
        status = response.map_or(0, |response| response.status.as_u16()),
        grpc_status = text(grpc_status).and_then(|status| status.parse::<u32>().ok()),
        reason = context.reason.map(|reason| reason.word()),
        host = text(request.headers.get(http::header::HOST))
            .or_else(|| request.uri.authority().map(|authority| authority.as_str())),
        route = rule.map(|rule| &*rule.id.route),
        backend = context.backend().map(|backend| &*backend.name),
        upstream_addr = context.endpoint.map(tracing::field::display),
        client_addr = context.connection.as_ref().map(|connection| tracing::field::display(connection.peer())),
        duration_ms = began.elapsed().as_secs_f64() * 1000.0,
        bytes = session.body_bytes_sent(),
        request_id = context.id.as_ref().map(tracing::field::display),
        protocol = tracing::field::debug(request.version),
    );
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}
