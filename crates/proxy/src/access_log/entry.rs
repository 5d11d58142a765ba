//! A completed request, as its lines see it.

use super::request_log::RequestLog;
use super::response_flag::ResponseFlag;
use crate::context::RequestContext;
use crate::filter::client::ClientFindings;
use crate::request::client_address;
use crate::request::request_id::RequestId;
use crate::response::reason::AnswerReason;
use gatefold_dataplane::RuleId;
use gatefold_dataplane::backend::HttpVersion;
use gatefold_dataplane::client_traffic::client_address::ClientAddress;
use gatefold_listen::Connection;
use http::HeaderMap;
use pingora_core::Error;
use pingora_core::protocols::tls::SslDigest;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

/// A completed request: references and numbers, none of them formatted.
pub(super) struct Entry<'r> {
    /// The client's request, with its normalised path.
    pub(super) request: &'r RequestHeader,
    /// What filters know of the client.
    pub(super) client: &'r ClientFindings,
    /// The response that was sent to the client. `None` if none was.
    pub(super) response: Option<&'r ResponseHeader>,
    /// The trailers of the response, if a format contains them.
    pub(super) trailers: Option<&'r HeaderMap>,
    /// Why the proxy has answered itself.
    pub(super) reason: Option<AnswerReason>,
    /// What went wrong, as Envoy abbreviates it.
    pub(super) flag: Option<ResponseFlag>,
    /// The identifier that a backend was sent.
    pub(super) id: Option<&'r RequestId>,
    /// The rule.
    pub(super) rule: Option<&'r RuleId>,
    /// The name of the backend.
    pub(super) backend: Option<&'r str>,
    /// The endpoint, if the request was sent there or was about to be.
    pub(super) endpoint: Option<SocketAddr>,
    /// The endpoint's version of HTTP.
    pub(super) endpoint_version: Option<HttpVersion>,
    /// The number of attempts.
    pub(super) attempts: usize,
    /// The connection of the client.
    pub(super) connection: Option<ConnectionFacts<'r>>,
    /// Asks the system for our end of the connection.
    pub(super) local: &'r dyn Fn() -> Option<SocketAddr>,
    /// The TLS state of the connection.
    pub(super) tls: Option<&'r SslDigest>,
    /// The size of the request's body.
    pub(super) bytes_received: usize,
    /// The size of the response's body.
    pub(super) bytes_sent: usize,
    /// When things happened.
    pub(super) times: Times,
}

/// A client's connection, as lines see it.
#[derive(Clone, Copy)]
pub(super) struct ConnectionFacts<'r> {
    pub(super) number: u64,
    pub(super) client: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) server_name: Option<&'r str>,
    pub(super) tls: bool,
}

impl<'r> ConnectionFacts<'r> {
    fn of(connection: &'r Connection, found: Option<ClientAddress>) -> Self {
        ConnectionFacts {
            number: connection.number(),
            client: client_address::with_port(found, connection),
            // As in Envoy, never the address of a PROXY header.
            peer: connection.sender(),
            server_name: connection.server_name(),
            tls: connection.is_tls(),
        }
    }
}

/// When things happened, since the beginning of the request.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// When the request began.
    pub(super) start: SystemTime,
    pub(super) request_end: Option<Duration>,
    pub(super) request_sent: Option<Duration>,
    pub(super) response_begin: Option<Duration>,
    pub(super) end: Duration,
}

impl Times {
    fn of(context: &RequestContext, state: &RequestLog, request_is_read: bool) -> Self {
        let now = Instant::now();
        let began = context.began.unwrap_or(now);
        let since = |at: Instant| at.saturating_duration_since(began);
        let end = since(now);
        let request_end = state.request_end.map(since);
        let at_once = || request_is_read.then_some(Duration::ZERO);
        Times {
            start: SystemTime::now()
                .checked_sub(end)
                .unwrap_or(SystemTime::UNIX_EPOCH),
            // A request without a body ends with its header.
            request_end: request_end.or_else(at_once),
            request_sent: state.request_sent.map(since),
            response_begin: state.response_begin.map(since),
            end,
        }
    }
}

impl<'r> Entry<'r> {
    /// Returns the entry of a request. `without_body` is whether the request has no body.
    pub(super) fn of(
        session: &'r Session,
        context: &'r RequestContext,
        state: &'r RequestLog,
        error: Option<&Error>,
        without_body: bool,
    ) -> Self {
        let attempted = context.attempts > 0;
        let endpoints = context.endpoints().filter(|_| attempted);
        let digest = session.digest();
        Entry {
            request: session.req_header(),
            client: &context.client,
            response: session.response_written(),
            trailers: state.trailers.as_ref(),
            reason: context.reason,
            flag: ResponseFlag::of(context.reason, error, attempted, state.connected),
            id: context.id.as_ref(),
            rule: context.rule.as_deref().map(|rule| &rule.id),
            backend: context.backend().map(|backend| &*backend.name),
            endpoint: context.endpoint.filter(|_| attempted),
            endpoint_version: endpoints.map(|endpoints| endpoints.version),
            attempts: context.attempts,
            connection: context
                .connection
                .as_deref()
                .map(|it| ConnectionFacts::of(it, context.client_address)),
            local: &|| None,
            tls: digest.and_then(|digest| digest.ssl_digest.as_deref()),
            bytes_received: session.body_bytes_read(),
            bytes_sent: session.body_bytes_sent(),
            times: Times::of(context, state, without_body),
        }
    }

    /// The host that the client asked for.
    pub(super) fn authority(&self) -> Option<&'r [u8]> {
        let host = self.request.headers.get(http::header::HOST);
        let in_target = || {
            self.request
                .uri
                .authority()
                .map(|it| it.as_str().as_bytes())
        };
        host.map(|host| host.as_bytes()).or_else(in_target)
    }

    /// Who answered, and why: our word for the reason, or one of Envoy's.
    pub(super) fn details(&self) -> &'static str {
        match (self.reason, self.times.response_begin, self.response) {
            (Some(reason), ..) => reason.word(),
            (None, Some(_), _) => "via_upstream",
            (None, None, Some(_)) => "direct_response",
            (None, None, None) => "downstream_remote_disconnect",
        }
    }
}
