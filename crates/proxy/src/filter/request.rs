//! The request phase: filters that decide whether a request is forwarded.

use super::client::ClientFindings;
use super::{FilterPosition, oidc, security};
use crate::context::RequestContext;
use crate::counters::Counters;
use crate::filter::servers::FilterServers;
use crate::request::check;
use crate::request::client_address;
use crate::request::way;
use crate::response::answer::OwnAnswer;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::client_traffic::client_address::ClientAddress;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::cors;
use gatefold_dataplane::filter::request_redirect::{Asked, RequestRedirect};
use gatefold_dataplane::filter::{Filter, FilterStep, Filters};
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::{Listener, Snapshot};
use gatefold_listen::Connection;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// How a request was routed.
#[derive(Clone, Copy)]
pub(crate) struct RoutedRequest<'r> {
    pub(crate) kind: RequestKind,
    pub(crate) connection: &'r Connection,
    /// Its client, if the policy of its listener says how to find it.
    pub(crate) client_address: Option<ClientAddress>,
    pub(crate) listener: &'r Listener,
    pub(crate) snapshot: &'r Snapshot,
    pub(crate) normalization: PathNormalization,
    pub(crate) counters: &'r Counters,
}

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// A request for a backend.
    Ordinary,
    /// A CORS preflight request that the rule answers itself. It has no credentials, so only the CORS filter sees it.
    Preflight,
}

/// How far filters have run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilterProgress {
    /// All of them have.
    Complete,
    /// The filter at this position waits.
    Waits(FilterPosition),
    /// The request must be routed again. If its rule stays the same, filters run from this position on.
    MustBeRouted(FilterPosition),
}

/// Runs filters from a position on.
///
/// # Errors
/// If a filter answers the request.
pub(crate) fn run(
    filters: &Filters,
    from: FilterPosition,
    session: &mut Session,
    request: &RoutedRequest<'_>,
    client: &mut ClientFindings,
) -> Result<FilterProgress, OwnAnswer> {
    if request.kind == RequestKind::Preflight {
        return Err(preflight(filters, session));
    }
    for (index, filter) in filters.iter().enumerate().skip(from.index) {
        if client.has_passed(filter) {
            continue;
        }
        let at = FilterPosition { index, ..from };
        match decide(filter, session, request, client)? {
            FilterStep::Continue if client.must_be_routed() => {
                return Ok(FilterProgress::MustBeRouted(at.next()));
            }
            FilterStep::Continue => {}
            FilterStep::Answer(answer) => return Err(answer.into()),
            FilterStep::Wait => return Ok(FilterProgress::Waits(at)),
        }
    }
    Ok(FilterProgress::Complete)
}

/// Answers a preflight request.
pub(crate) fn preflight(filters: &Filters, session: &Session) -> OwnAnswer {
    let answer = match filters.cors() {
        Some(cors) => cors.answer_preflight(&session.req_header().headers),
        None => cors::no_permission(),
    };
    Box::new(answer).into()
}

/// Runs one filter.
///
/// # Errors
/// If the filter denies the request.
fn decide(
    filter: &Filter,
    session: &mut Session,
    request: &RoutedRequest<'_>,
    client: &mut ClientFindings,
) -> Result<FilterStep, AnswerReason> {
    #[cfg(test)]
    if let Some(probe) = super::probe::of(filter) {
        return Ok(probe.on_request());
    }
    match filter {
        Filter::ExternalAuth(_) => return Ok(FilterStep::Wait),
        Filter::Csrf(filter) => security::csrf(filter, session.req_header(), request)?,
        Filter::ApiKey(filter) => security::api_key(filter, session.req_header_mut())?,
        Filter::BasicAuth(filter) => security::basic_auth(filter, session.req_header_mut())?,
        Filter::Oidc(filter) => return oidc::admit(filter, session, request, client),
        Filter::Jwt(filter) => security::jwt(filter, session.req_header_mut(), client)?,
        Filter::Authorization(filter) => {
            let address = client_address::address(request.client_address, request.connection);
            let known = (address, &*client);
            let normalization = request.normalization;
            security::authorization(filter, session.req_header(), known, normalization)?;
        }
        Filter::RequestRedirect(filter) => {
            let answer = redirect(filter, session.req_header(), request)?;
            return Ok(FilterStep::Answer(Box::new(answer)));
        }
        Filter::Cors(_)
        | Filter::RequestHeaderModifier(_)
        | Filter::UrlRewrite(_)
        | Filter::RequestMirror(_)
        | Filter::ResponseHeaderModifier(_) => {}
    }
    Ok(FilterStep::Continue)
}

/// Completes the filter at a position that has returned [`FilterStep::Wait`].
///
/// # Errors
/// If the filter denies the request.
pub(crate) async fn wait(
    at: FilterPosition,
    servers: &FilterServers,
    session: &mut Session,
    context: &mut RequestContext,
) -> Result<FilterStep, AnswerReason> {
    let rule = context.rule.clone().ok_or(AnswerReason::Internal)?;
    let filter = at.filter(&rule, context.backend);
    let filter = filter.ok_or(AnswerReason::Internal)?;
    #[cfg(test)]
    if let Some(probe) = super::probe::of(filter) {
        return Ok(probe.wait_request().await);
    }
    match filter {
        Filter::ExternalAuth(filter) => servers.auth.check(filter, session, context).await,
        Filter::Oidc(filter) => servers.oidc.complete(filter, session, context).await,
        // None of them waits.
        Filter::Cors(_)
        | Filter::Csrf(_)
        | Filter::ApiKey(_)
        | Filter::BasicAuth(_)
        | Filter::Jwt(_)
        | Filter::Authorization(_)
        | Filter::RequestRedirect(_)
        | Filter::RequestHeaderModifier(_)
        | Filter::UrlRewrite(_)
        | Filter::RequestMirror(_)
        | Filter::ResponseHeaderModifier(_) => Ok(FilterStep::Continue),
    }
}

/// Answers with the URL that a client reaches the redirect's destination by.
fn redirect(
    redirect: &RequestRedirect,
    header: &RequestHeader,
    request: &RoutedRequest<'_>,
) -> Result<FilterAnswer, AnswerReason> {
    let (connection, listener) = (request.connection, request.listener);
    let host = check::host(header)?;
    let (scheme, port) = match way::forwarded_scheme(request.client_address, &header.headers) {
        // The client has reached the proxy, not the listener.
        Some(scheme) => (scheme, check::port(header).unwrap_or(scheme.port())),
        None => (way::scheme(connection), listener.port),
    };
    let asked = Asked {
        scheme,
        host: &host,
        port,
        path: header.uri.path(),
        query: header.uri.query(),
    };
    let client_port = client_port(header, request);
    Ok(redirect.answer(&asked, |port| match client_port {
        ClientPort::Shifted => {
            let bound_ports = &request.snapshot.bound_ports;
            bound_ports.find(port, listener, connection.socket().address)
        }
        ClientPort::Listener => port,
    }))
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
fn client_port(header: &RequestHeader, request: &RoutedRequest<'_>) -> ClientPort {
    let bound = request.connection.socket().port();
    if bound != request.listener.port && check::port(header) == Some(bound) {
        ClientPort::Shifted
    } else {
        ClientPort::Listener
    }
}
