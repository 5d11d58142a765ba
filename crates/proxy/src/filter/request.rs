//! The request phase: filters that decide whether a request is forwarded.

use super::{FilterPosition, Run};
use crate::context::RequestContext;
use crate::request::check;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::cors;
use gatefold_dataplane::filter::request_redirect::{Asked, RequestRedirect};
use gatefold_dataplane::filter::scheme::Scheme;
use gatefold_dataplane::filter::{Filter, FilterStep, Filters};
use gatefold_dataplane::{Listener, Snapshot};
use gatefold_listen::Connection;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// A request with the listener that it was routed by.
#[derive(Clone, Copy)]
pub(crate) struct RoutedRequest<'r> {
    pub(crate) header: &'r RequestHeader,
    pub(crate) kind: RequestKind,
    /// The requested host, in the form for routing.
    pub(crate) host: &'r str,
    pub(crate) connection: &'r Connection,
    pub(crate) listener: &'r Listener,
    pub(crate) snapshot: &'r Snapshot,
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// A request for a backend.
    Ordinary,
    /// A CORS preflight request that the rule answers itself. It has no credentials, so only the CORS filter sees it.
    Preflight,
}

/// Runs filters from a position on.
pub(crate) fn run(filters: &Filters, from: FilterPosition, request: &RoutedRequest<'_>) -> Run {
    if request.kind == RequestKind::Preflight {
        return Err(Box::new(match filters.cors() {
            Some(cors) => cors.answer_preflight(&request.header.headers),
            None => cors::no_permission(),
        }));
    }
    for (index, filter) in filters.iter().enumerate().skip(from.index) {
        match decide(filter, request) {
            FilterStep::Continue => {}
            FilterStep::Answer(answer) => return Err(answer),
            FilterStep::Wait => return Ok(Some(FilterPosition { index, ..from })),
        }
    }
    Ok(None)
}

/// Runs one filter.
fn decide(filter: &Filter, request: &RoutedRequest<'_>) -> FilterStep {
    #[cfg(test)]
    if let Some(probe) = super::probe::of(filter) {
        return probe.on_request();
    }
    match filter {
        Filter::RequestRedirect(filter) => FilterStep::Answer(Box::new(redirect(filter, request))),
        // Closed until the proxy serves them.
        Filter::ApiKey(_) | Filter::BasicAuth(_) | Filter::Authorization(_) => {
            FilterStep::Answer(Box::new(FilterAnswer {
                status: http::StatusCode::INTERNAL_SERVER_ERROR,
                headers: http::HeaderMap::new(),
                body: bytes::Bytes::new(),
                response_phase: gatefold_dataplane::filter::answer::ResponsePhase::Skip,
            }))
        }
        Filter::Cors(_)
        | Filter::RequestHeaderModifier(_)
        | Filter::UrlRewrite(_)
        | Filter::RequestMirror(_)
        | Filter::ResponseHeaderModifier(_) => FilterStep::Continue,
    }
}

/// Completes the filter at a position that has returned [`FilterStep::Wait`].
pub(crate) async fn wait(
    at: FilterPosition,
    _session: &mut Session,
    context: &mut RequestContext,
) -> FilterStep {
    let Some(rule) = context.rule.clone() else {
        return FilterStep::Continue;
    };
    let Some(filter) = at.filter(&rule, context.backend) else {
        return FilterStep::Continue;
    };
    #[cfg(test)]
    if let Some(probe) = super::probe::of(filter) {
        return probe.wait_request().await;
    }
    match filter {
        // None of them waits.
        Filter::Cors(_)
        | Filter::ApiKey(_)
        | Filter::BasicAuth(_)
        | Filter::Authorization(_)
        | Filter::RequestRedirect(_)
        | Filter::RequestHeaderModifier(_)
        | Filter::UrlRewrite(_)
        | Filter::RequestMirror(_)
        | Filter::ResponseHeaderModifier(_) => FilterStep::Continue,
    }
}

/// Answers with the URL that a client reaches the redirect's destination by.
fn redirect(redirect: &RequestRedirect, request: &RoutedRequest<'_>) -> FilterAnswer {
    let (connection, listener) = (request.connection, request.listener);
    let asked = Asked {
        scheme: if connection.is_tls() {
            Scheme::Https
        } else {
            Scheme::Http
        },
        host: request.host,
        port: listener.port,
        path: request.header.uri.path(),
        query: request.header.uri.query(),
    };
    let client_port = client_port(request);
    redirect.answer(&asked, |port| match client_port {
        ClientPort::Shifted => {
            let bound_ports = &request.snapshot.bound_ports;
            bound_ports.find(port, listener, connection.socket().address)
        }
        ClientPort::Listener => port,
    })
}

/// The kind of port by which a client reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientPort {
    /// The port in the manifest: it isn't shifted, or something in front of us shifts it back.
    Listener,
    /// The port that is bound instead.
    Shifted,
}

/// A client that names the shifted port in `Host` can't reach the one in the manifest.
fn client_port(request: &RoutedRequest<'_>) -> ClientPort {
    let bound = request.connection.socket().port();
    if bound != request.listener.port && check::port(request.header) == Some(bound) {
        ClientPort::Shifted
    } else {
        ClientPort::Listener
    }
}
