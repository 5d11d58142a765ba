//! The routes of the admin API, and the checks before them.

use super::View;
use super::kubernetes::{self, Form, StatusError};
use super::summary::summary;
use crate::lifecycle::Lifecycle;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use std::net::IpAddr;

/// The `Host` headers that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Only names of this host. Otherwise a web page could make a browser on this host send requests to a loopback
    /// address under the page's own name, and read the responses (DNS rebinding).
    Local,
    /// Any name: the address is remote, or browsers can't connect to it (a Unix socket).
    Any,
}

/// The routes of the admin API.
pub(super) fn router(view: View, hosts: Hosts) -> Router {
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .fallback(kubernetes_api)
        .layer(middleware::from_fn_with_state(hosts, refuse))
        .with_state(view)
}

/// Refuses requests that would write, and requests for other hosts.
async fn refuse(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let reading = [Method::GET, Method::HEAD].contains(request.method());
    if !reading {
        return StatusError::method_not_allowed(
            "the admin API is read-only: change the manifests in the configuration folder",
        )
        .into_response();
    }
    if hosts == Hosts::Local && !is_local(request.headers()) {
        return StatusError::forbidden(
            "the Host header doesn't name this host: use localhost or the address",
        )
        .into_response();
    }
    next.run(request).await
}

/// Whether the `Host` header is an address or a name that public DNS can't resolve.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return true;
    };
    let Some(host) = host.to_str().ok().and_then(|text| text.parse::<Uri>().ok()) else {
        return false;
    };
    let name = host.host().unwrap_or_default();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || !name.contains('.') || name.ends_with(".localhost")
}

/// Reports whether the process is ready: from the first load until it shuts down. A process that has handed over its
/// sockets still answers in-flight requests, and reports ready because its successor is.
async fn ready(State(view): State<View>) -> Response {
    let obstacle = match *view.phase.borrow() {
        Lifecycle::Draining => Some("gatefold is shutting down and accepts no new connections"),
        Lifecycle::Serving | Lifecycle::HandedOver => {
            let ready = view.published.load().ready;
            (!ready).then_some("the first load isn't applied yet")
        }
    };
    match obstacle {
        None => "ok".into_response(),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, obstacle).into_response(),
    }
}

async fn metrics(State(view): State<View>) -> Response {
    const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &view.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn status(State(view): State<View>) -> Response {
    Json(summary(&view.published.load())).into_response()
}

async fn kubernetes_api(State(view): State<View>, uri: Uri, headers: HeaderMap) -> Response {
    match answer(&view, &uri, &headers) {
        Ok(value) => Json(value).into_response(),
        Err(error) => error.into_response(),
    }
}

fn answer(view: &View, uri: &Uri, headers: &HeaderMap) -> Result<serde_json::Value, StatusError> {
    for (name, value) in uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|p| p.split_once('='))
    {
        match name {
            "watch" if !matches!(value, "" | "0" | "false") => {
                return Err(StatusError::method_not_allowed(
                    "watching isn't supported; repeat the request instead",
                ));
            }
            "labelSelector" | "fieldSelector" if !value.is_empty() => {
                let message =
                    format!("{name} isn't supported; request all objects and filter them");
                return Err(StatusError::bad_request(message));
            }
            _ => {}
        }
    }
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let form = match accept {
        Some(accept) if accept.contains(kubernetes::ACCEPT) => Form::Table,
        _ => Form::Objects,
    };
    kubernetes::answer(uri.path(), form, &view.published.load())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn accepts_only_host_names_that_public_dns_cannot_resolve() {
        for (host, local) in [
            ("127.0.0.1:4283", true),
            ("[::1]:4283", true),
            ("localhost:4283", true),
            ("gatefold:4283", true),
            ("admin", true),
            ("app.localhost", true),
            ("rebind.example.com:4283", false),
            ("localhost.example.com", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(is_local(&headers), local, "{host:?}");
        }
    }
}
