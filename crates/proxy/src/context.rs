//! The state of one request.

use crate::access_log::RequestLog;
use crate::external_auth::body::BufferedBody;
use crate::external_auth::header_edit::HeaderEdit;
use crate::filter::client::ClientFindings;
use crate::mirror::{Copies, Copying};
use crate::request::limits::BodyLimits;
use crate::request::request_id::RequestId;
use crate::request::upload::progress::Upload;
use crate::request::way::SentFields;
use crate::response::failure;
use crate::response::reason::AnswerReason;
use crate::upstream::backend_tls;
use crate::upstream::deadline::{self, ArmedDeadline, EndpointConnection};
use crate::upstream::peer::Exchange;
use crate::upstream::read_ahead::ReadAhead;
use crate::upstream::watch::EndpointPhase;
use gatefold_dataplane::Rule;
use gatefold_dataplane::access_log::AccessLog;
use gatefold_dataplane::backend::{Backend, EndpointSet};
use gatefold_dataplane::backend_tls::BackendTls;
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::client_traffic::client_address::ClientAddress;
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::timeouts::TimeLimit;
use gatefold_listen::clock::Tick;
use gatefold_listen::{ActiveRequest, HoldsRequest};
use http::{HeaderName, StatusCode};
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state of one request, from its start to its log line.
#[derive(Debug, Default)]
pub struct RequestContext {
    /// When it started.
    pub(crate) began: Option<Instant>,
    /// What its log lines need. `None` if it isn't logged.
    pub(crate) log: Option<Box<RequestLog>>,
    /// The client connection. It does not count as idle while this exists.
    pub(crate) connection: Option<ActiveRequest>,
    /// Its client, if the policy of its listener says how to find it.
    pub(crate) client_address: Option<ClientAddress>,
    /// How the requests of its listener are treated, if a policy says so.
    pub(crate) client_traffic: Option<Arc<ClientTraffic>>,
    /// The time limits of its body, if its listener has some.
    pub(crate) body_limits: Option<BodyLimits>,
    /// What its sender said of its way.
    pub(crate) sent: SentFields,
    /// The headers that authorization servers have set in the client's request.
    pub(crate) set_by_auth: Vec<HeaderName>,
    /// Changes to the headers of its response that authorization servers demand.
    pub(crate) auth_response: Vec<HeaderEdit>,
    /// Its whole body, if an authorization server gets it.
    pub(crate) body: Option<BufferedBody>,
    /// Whether it asks for an upgrade to WebSocket.
    pub(crate) upgrade: bool,
    /// The matching rule, from the snapshot at the time of routing.
    pub(crate) rule: Option<Arc<Rule>>,
    /// The index of its backend in the rule's split.
    pub(crate) backend: Option<usize>,
    /// The index of the client certificate that its Gateway presents to backends.
    pub(crate) identity: Option<usize>,
    /// What the filters of a SecurityPolicy know of its client.
    pub(crate) client: ClientFindings,
    /// The endpoint that it is sent to.
    pub(crate) endpoint: Option<SocketAddr>,
    /// When the current attempt began.
    pub(crate) attempt_began: Option<Instant>,
    /// The number of attempts so far.
    pub(crate) attempts: usize,
    /// Whether the next attempt needs a new connection, because a pooled one was closed.
    pub(crate) fresh: bool,
    /// The progress of its body in the current attempt.
    pub(crate) upload: Upload,
    /// The number of retries that its rule asked for.
    pub(crate) retries: usize,
    /// The pause before the next retry.
    pub(crate) pause: Option<Duration>,
    /// The end of its rule's time limit.
    pub(crate) deadline: Option<Instant>,
    /// The end of the time limit of the current attempt.
    pub(crate) attempt_deadline: Option<Instant>,
    /// The connection to the endpoint, if it can be aborted.
    pub(crate) upstream: Option<Arc<EndpointConnection>>,
    /// The timer that aborts the connection at the deadline.
    pub(crate) armed: Option<ArmedDeadline>,
    /// Its copies for mirrors that get the body. `None` before the first attempt.
    pub(crate) copies: Option<Copies>,
    /// The answer of a filter that replaces the backend's response.
    pub(crate) answer: Option<Box<FilterAnswer>>,
    /// Why the proxy has answered it itself. `None` for a backend's response or the answer of a filter.
    pub(crate) reason: Option<AnswerReason>,
    /// Its identifier in all logs.
    pub(crate) id: Option<RequestId>,
}

impl RequestContext {
    /// Returns its backend.
    pub(crate) fn backend(&self) -> Option<&Backend> {
        self.rule.as_ref()?.backend(self.backend?)
    }

    /// Returns the endpoints of its backend.
    pub(crate) fn endpoints(&self) -> Option<&EndpointSet> {
        self.backend()?.target.endpoints()
    }

    /// Returns the TLS settings for its endpoints. `None` for plain text.
    ///
    /// # Errors
    /// If TLS was not prepared for the Gateway's client certificate.
    pub(crate) fn tls(&self) -> Result<Option<&Arc<BackendTls>>> {
        match self.endpoints() {
            Some(endpoints) => backend_tls::of(endpoints, self.identity),
            None => Ok(None),
        }
    }

    /// Returns how much of its response to read before the client accepts it.
    pub(crate) fn read_ahead(&self) -> ReadAhead {
        match &self.connection {
            Some(request) => ReadAhead::of(request.in_flight(), request.windows()),
            None => ReadAhead::Full,
        }
    }

    /// Returns whether an attempt starts its copies. If a previous attempt has, rewinds them, since the body starts again.
    pub(crate) fn copying(&mut self) -> Copying {
        match &mut self.copies {
            Some(copies) => {
                copies.rewind();
                Copying::Skip
            }
            None if self.upgrade => Copying::Skip,
            None => Copying::Start,
        }
    }

    /// Logs it in the access logs of its listener instead of those of the command line.
    pub(crate) fn log_to(&mut self, logs: &Arc<[AccessLog]>) {
        if logs.is_empty() {
            self.log = None;
        } else {
            self.log.get_or_insert_default().logs = Some(logs.clone());
        }
    }

    /// Records that an attempt begins.
    pub(crate) fn attempt(&mut self) {
        self.attempts += 1;
        self.attempt_began = Some(Instant::now());
        if let Some(log) = &mut self.log {
            log.attempt();
        }
    }

    /// Records that the endpoint of the current attempt has responded, unless more will follow.
    pub(crate) fn responded(&mut self, status: StatusCode) {
        if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let now = Instant::now();
        if let (Some(began), Some(backend)) = (self.attempt_began.take(), self.backend()) {
            let duration = now.saturating_duration_since(began);
            backend.durations.observe(duration);
        }
        if let Some(log) = &mut self.log {
            log.response_begin = Some(now);
        }
    }

    /// Counts its duration, now that it is over. An upgraded connection lasts as long as its users like.
    pub(crate) fn observe_duration(&self, status: Option<StatusCode>) {
        if let (Some(began), Some(rule)) = (self.began, &self.rule)
            && status != Some(StatusCode::SWITCHING_PROTOCOLS)
        {
            rule.durations.observe(began.elapsed());
        }
    }

    /// Starts the time limit of its rule, if there is one.
    pub(crate) fn start_timer(&mut self) {
        self.deadline = None;
        let Some(rule) = &self.rule else {
            return;
        };
        if let limit @ TimeLimit::After(_) = rule.timeouts.request {
            self.deadline = limit.deadline(Instant::now());
        }
    }

    /// Replaces the default timeouts by the limits of its rule.
    ///
    /// # Errors
    /// If its time is already over.
    pub(crate) fn limit(&mut self, peer: &mut HttpPeer, exchange: Exchange) -> Result<()> {
        self.drop_connection();
        let timeouts = match &self.rule {
            Some(rule) if !rule.timeouts.is_unset() => rule.timeouts,
            _ => return Ok(()),
        };
        if exchange != Exchange::Upgrade {
            // A rule with a limit, or with none explicitly, also replaces the time that a backend may be silent.
            peer.options.read_timeout = None;
            peer.options.write_timeout = None;
        }
        let now = self.attempt_began.unwrap_or_else(Instant::now);
        let of_attempt = timeouts.backend_request.deadline(now);
        self.attempt_deadline = self.deadline.into_iter().chain(of_attempt).min();
        match self.attempt_deadline {
            Some(until) => deadline::limit(peer, exchange, self.tls()?, (until, now)),
            None => Ok(()),
        }
    }

    /// Takes the connection of the current attempt.
    ///
    /// # Errors
    /// If it was closed while idle. Nothing has been sent, so another connection can be used.
    pub(crate) fn take_connection(
        &mut self,
        watched: Option<&Arc<EndpointConnection>>,
        now: Tick,
    ) -> Result<()> {
        let Some(watched) = watched else {
            return Ok(());
        };
        let phase = match &self.rule {
            Some(rule) if !rule.timeouts.is_unset() => EndpointPhase::Unbounded,
            _ => EndpointPhase::Busy,
        };
        if !watched.state.enter(phase, now) {
            return Err(failure::unused());
        }
        self.armed = self
            .attempt_deadline
            .map(|until| EndpointConnection::arm(watched, until));
        self.upstream = Some(watched.clone());
        Ok(())
    }

    /// Records activity on the connection.
    pub(crate) fn record_activity(&self, now: Tick) {
        if let Some(upstream) = &self.upstream {
            upstream.state.record_activity(now);
        }
    }

    /// Switches to another protocol: the limits of the rule no longer apply.
    pub(crate) fn switch_protocols(&mut self, now: Tick) {
        self.armed = None;
        if let Some(connection) = &self.connection {
            connection.switch_protocols();
        }
        if let Some(upstream) = &self.upstream {
            upstream.state.enter(EndpointPhase::Unbounded, now);
        }
    }

    /// Releases the connection to the pool, since the response is complete. Only writing to the client remains.
    pub(crate) fn release_connection(&mut self, now: Tick) {
        self.armed = None;
        if let Some(upstream) = &self.upstream {
            self.upload.end(upstream);
            upstream.state.enter(EndpointPhase::Idle, now);
        }
    }

    /// Releases our handle on the connection of an attempt that is over, so that it closes as soon as Pingora drops its own.
    pub(crate) fn drop_connection(&mut self) {
        self.armed = None;
        self.upload = Upload::default();
        self.upstream = None;
    }

    /// Records that the client has received everything that closing its connection could cut off.
    pub(crate) fn ends_in_order(&self) {
        if let Some(connection) = &self.connection {
            connection.end_in_order();
        }
    }

    /// Whether the endpoint has exceeded the time that it may be silent.
    pub(crate) fn is_silent(&self) -> bool {
        self.upstream
            .as_ref()
            .is_some_and(|upstream| upstream.state.is_over())
    }

    /// Returns the time left for the current attempt. `Duration::MAX` without a limit.
    pub(crate) fn time_left(&self) -> Duration {
        let until = self.attempt_deadline;
        until.map_or(Duration::MAX, |it| {
            it.saturating_duration_since(Instant::now())
        })
    }

    /// Whether the time of the current attempt is over.
    pub(crate) fn is_late(&self) -> bool {
        self.attempt_deadline
            .is_some_and(|until| until <= Instant::now())
    }

    /// Selects another endpoint of the same backend. Returns false if there is none.
    pub(crate) fn next_endpoint(&mut self) -> bool {
        let next = match (self.endpoints(), self.endpoint) {
            (Some(endpoints), Some(tried)) => endpoints.after(tried),
            _ => None,
        };
        if next.is_some() {
            self.endpoint = next;
        }
        next.is_some()
    }
}

impl HoldsRequest for RequestContext {
    fn active_request(&mut self) -> &mut Option<ActiveRequest> {
        &mut self.connection
    }
}
