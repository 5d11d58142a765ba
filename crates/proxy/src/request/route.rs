use crate::context::RequestContext;
use crate::request::check;
use crate::response::answer::Answer;
use gatefold_dataplane::backend::Target;
use gatefold_dataplane::filter::cors;
use gatefold_dataplane::filter::request_redirect::{Asked, Scheme};
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::preflight::Preflight;
use gatefold_dataplane::request::RequestView;
use gatefold_dataplane::{Action, Listener, Port, Rule, Snapshot};
use gatefold_listen::Connection;
use http::{HeaderValue, StatusCode};
use pingora_http::RequestHeader;
use std::sync::Arc;

/// The port's listeners have changed their protocol since the connection was made: what they ask of a client, TLS
/// above all, was not asked of this one.
const OTHER_PROTOCOL: Answer = Answer::malformed(
    StatusCode::MISDIRECTED_REQUEST,
    "the port speaks another protocol by now: use a new connection\n",
);

/// Finds a request's rule, backend and endpoint, or what to answer instead. Its path is normalised already, if paths are
/// normalised at all.
pub(crate) fn choose(
    snapshot: &Snapshot,
    connection: &Connection,
    (header, normalization): (&RequestHeader, PathNormalization),
    context: &mut RequestContext,
) -> Result<(), Answer> {
    let host = check::host(header)?;
    let port = connection.port(snapshot).ok_or(Answer::NO_ROUTE)?;
    if port.tls.is_some() != connection.is_tls() {
        return Err(OTHER_PROTOCOL);
    }
    let listener = port.listeners.find(&host).ok_or(Answer::NO_ROUTE)?;
    if is_misdirected(port, listener, &host, connection) {
        return Err(Answer::MISDIRECTED);
    }
    let path = normalization.for_matching(header.uri.path());
    let view = RequestView {
        host: &host,
        method: &header.method,
        path: &path,
        query: header.uri.query(),
        headers: &header.headers,
    };
    let rule = match cors::announced_method(&header.method, &header.headers) {
        None => listener.router.route(&view),
        Some(announced) => match listener.router.preflight(&view, &announced) {
            Preflight::Ordinary(rule) => rule,
            Preflight::Answered(rule) => {
                context.rule = Some(rule.clone());
                return Err(preflight_answer(rule));
            }
        },
    };
    let rule = rule.ok_or(Answer::NO_ROUTE)?;
    context.rule = Some(rule.clone());
    context.identity = listener.identity;
    let split = match &rule.action {
        Action::Forward(split) => split,
        Action::Refuse(status) => return Err(Answer::refused(*status)),
        Action::Redirect(redirect) => {
            let asked = Asked {
                scheme: if connection.is_tls() {
                    Scheme::Https
                } else {
                    Scheme::Http
                },
                host: &host,
                port: listener.port,
                path: header.uri.path(),
                query: view.query,
            };
            let client = client_port(header, connection, listener);
            let location = redirect.location(&asked, |port| match client {
                ClientPort::Shifted => {
                    let socket = connection.socket();
                    snapshot.bound_ports.find(port, listener, socket)
                }
                ClientPort::Listeners => port,
            });
            context.location = HeaderValue::try_from(location).ok();
            return Err(Answer::redirect(redirect.status));
        }
    };
    let place = split.pick_place();
    context.backend = Some(place);
    match split.get(place).map(|backend| &backend.target) {
        Some(Target::Endpoints(endpoints)) => {
            context.endpoint = Some(endpoints.next());
            Ok(())
        }
        Some(Target::NoEndpoints) => Err(Answer::NO_ENDPOINTS),
        Some(Target::Invalid) => Err(Answer::INVALID_BACKEND),
        None => Err(Answer::INTERNAL),
    }
}

fn preflight_answer(rule: &Rule) -> Answer {
    match rule.action {
        Action::Refuse(status) => Answer::refused(status),
        Action::Forward(_) | Action::Redirect(_) => Answer::PREFLIGHT,
    }
}

/// Whether a request over TLS belongs to another listener than the server name of its connection: a client
/// may use a connection for every name in the certificate it was shown (RFC 9113, section 9.1.1), but what a
/// listener asks of its clients was not asked of this one (API: `Listener.hostname`).
///
/// A connection without a server name belongs to the listener for any name; when there is none, to no
/// listener, and all of them have one certificate.
fn is_misdirected(
    port: &Port,
    listener: &Arc<Listener>,
    host: &str,
    connection: &Connection,
) -> bool {
    if port.tls.is_none() {
        return false;
    }
    // Also when its listener has begun to check clients only since.
    let scope = listener.only_clients_of.as_deref();
    if scope.is_some() && scope != connection.client_of() {
        return true;
    }
    let name = connection.server_name().unwrap_or_default();
    let name = name.strip_suffix('.').unwrap_or(name);
    // Nearly every request: spares the look-up.
    if name == host {
        return false;
    }
    match port.listeners.find(name) {
        Some(own) => !Arc::ptr_eq(own, listener),
        // The listener that it was made for is gone.
        None => !name.is_empty(),
    }
}

/// By which ports a client knows us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientPort {
    /// Those of the manifests: they aren't shifted, or something before us shifts them back.
    Listeners,
    /// Those that are bound instead.
    Shifted,
}

/// A client that names the shifted port in `Host` can't use the one of the manifest.
fn client_port(header: &RequestHeader, connection: &Connection, listener: &Listener) -> ClientPort {
    let bound = connection.socket().port();
    if bound != listener.port && check::port(header) == Some(bound) {
        ClientPort::Shifted
    } else {
        ClientPort::Listeners
    }
}
