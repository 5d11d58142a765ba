//! Routing: from a request to its listener and rule.

use crate::context::RequestContext;
use crate::filter::request::RequestKind;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::routing::RoutedTo;
use gatefold_dataplane::routing::request::RequestView;
use gatefold_dataplane::{HttpListeners, Listener, Rule, Snapshot};
use gatefold_listen::Connection;
use pingora_http::RequestHeader;
use std::sync::Arc;

/// Finds the listener of a request.
///
/// # Errors
/// If there is none, or the connection may not be used for it.
pub(crate) fn listener<'s>(
    snapshot: &'s Snapshot,
    connection: &'s Connection,
    host: &str,
) -> Result<&'s Arc<Listener>, AnswerReason> {
    let port = connection.port(snapshot).ok_or(AnswerReason::NoRoute)?;
    if port.tls().is_some() != connection.is_tls() {
        return Err(AnswerReason::OtherProtocol);
    }
    let listeners = port.http().ok_or(AnswerReason::OtherProtocol)?;
    let listener = listeners.find(host).ok_or(AnswerReason::NoRoute)?;
    if connection.is_tls() && is_misdirected(listeners, listener, host, connection) {
        return Err(AnswerReason::Misdirected);
    }
    Ok(listener)
}

/// Finds the rule of a request, and stores it in the context. The path of the request is already normalised, if paths are
/// normalised at all.
///
/// # Errors
/// If there is none.
pub(crate) fn rule(
    listener: &Listener,
    asked: (&RequestHeader, &str),
    normalization: PathNormalization,
    context: &mut RequestContext,
) -> Result<RequestKind, AnswerReason> {
    let (rule, kind) = find_rule(listener, asked, normalization)?;
    context.rule = Some(rule.clone());
    context.identity = listener.identity;
    Ok(kind)
}

/// Finds the rule of a request at its listener.
///
/// # Errors
/// If there is none.
pub(crate) fn find_rule<'l>(
    listener: &'l Listener,
    (header, host): (&RequestHeader, &str),
    normalization: PathNormalization,
) -> Result<(&'l Arc<Rule>, RequestKind), AnswerReason> {
    let path = normalization.for_matching(header.uri.path());
    let view = RequestView {
        host,
        version: header.version,
        method: &header.method,
        path: &path,
        query: header.uri.query(),
        headers: &header.headers,
    };
    Ok(match listener.routers.route(&view) {
        RoutedTo::Rule(rule) => (rule.ok_or(AnswerReason::NoRoute)?, RequestKind::Ordinary),
        RoutedTo::Preflight(rule) => (rule, RequestKind::Preflight),
    })
}

/// Whether a request over TLS belongs to another listener than the server name of its connection. A client may use a
/// connection for every name in the server's certificate (RFC 9113, section 9.1.1), but the requirements of another listener
/// on its clients were not applied to it (API: `Listener.hostname`).
///
/// A connection without a server name belongs to the listener for any name. If there is none, it belongs to no listener, and
/// all of them have the same certificate.
fn is_misdirected(
    listeners: &HttpListeners,
    listener: &Arc<Listener>,
    host: &str,
    connection: &Connection,
) -> bool {
    // Also if the listener has begun to validate clients after the handshake.
    let scope = listener.only_clients_of.as_deref();
    if scope.is_some() && scope != connection.client_of() {
        return true;
    }
    let name = connection.server_name().unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    // Saves the lookup for nearly every request.
    if name == host {
        return false;
    }
    match listeners.find(name) {
        Some(own) => !Arc::ptr_eq(own, listener),
        // The listener that the connection was made for is gone.
        None => !name.is_empty(),
    }
}
