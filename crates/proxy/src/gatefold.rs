//! Routes a request and prepares it for its backend. `hooks` defines when.

use crate::Counters;
use crate::Options;
use crate::access_log;
use crate::context::RequestContext;
use crate::external_auth::AuthClient;
use crate::filter::forward::Forwarding;
use crate::filter::request::RoutedRequest;
use crate::filter::servers::FilterServers;
use crate::filter::{FilterOwner, FilterPosition};
use crate::mirror::Mirrors;
use crate::oidc::OidcClient;
use crate::request::admission::{self, Admission, WaitingRequest};
use crate::request::check;
use crate::request::fields;
use crate::request::forwarded;
use crate::request::limits;
use crate::request::preparation::Preparation;
use crate::request::route;
use crate::response::answer::OwnAnswer;
use crate::response::close_delimited;
use crate::response::reason::AnswerReason;
use crate::response::relay;
use crate::upstream::backend_tls;
use crate::upstream::peer::{Exchange, Timeouts};
use crate::upstream::pool_key;
use crate::upstream::tls_cache::TlsCache;
use crate::upstream::upgrade;
use crate::upstream::watch::EndpointWatch;
use crate::warnings::{BackendProblem, Warnings};
use arc_swap::{ArcSwap, Guard};
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::access_log::AccessLog;
use gatefold_dataplane::client_traffic::forwarded_client_cert::FORWARDED_CLIENT_CERT;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_listen::ActiveRequest;
use http::{HeaderName, Version};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the rest of a request's body is read after the response, to keep the connection.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// The proxy application: everything that requests share.
#[derive(Debug)]
pub struct Gatefold {
    snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) timeouts: Timeouts,
    pub(crate) counters: Counters,
    mirrors: Mirrors,
    pub(crate) servers: FilterServers,
    pub(crate) tls_cache: Arc<TlsCache>,
    warnings: Arc<Warnings>,
    pub(crate) watch: EndpointWatch,
    preserve_header_case: bool,
    path_normalization: PathNormalization,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) reason_header: Option<HeaderName>,
}

impl Gatefold {
    pub(crate) fn new(snapshot: Arc<ArcSwap<Snapshot>>, options: &Options) -> Self {
        let (timeouts, counters) = (options.timeouts, options.counters.clone());
        let tls_cache = Arc::new(TlsCache::default());
        let warnings = Arc::<Warnings>::default();
        Gatefold {
            snapshot,
            timeouts,
            mirrors: Mirrors::new(
                timeouts,
                counters.clone(),
                tls_cache.clone(),
                options.threads,
            ),
            servers: FilterServers {
                auth: AuthClient::new(timeouts, tls_cache.clone(), warnings.clone()),
                oidc: OidcClient::default(),
            },
            tls_cache,
            counters,
            watch: EndpointWatch::new(timeouts.upstream_read, timeouts.upstream_idle),
            warnings,
            preserve_header_case: options.preserve_header_case,
            path_normalization: options.path_normalization,
            access_log: options.access_log.clone(),
            reason_header: options.reason_header.clone(),
        }
    }

    /// Returns the application of another thread. It has its own connections to endpoints and mirrors, and shares all else.
    pub(crate) fn for_another_thread(&self) -> Self {
        Gatefold {
            snapshot: self.snapshot.clone(),
            timeouts: self.timeouts,
            mirrors: self.mirrors.for_another_thread(),
            servers: self.servers.for_another_thread(),
            tls_cache: self.tls_cache.clone(),
            counters: self.counters.clone(),
            watch: EndpointWatch::new(self.timeouts.upstream_read, self.timeouts.upstream_idle),
            warnings: self.warnings.clone(),
            preserve_header_case: self.preserve_header_case,
            path_normalization: self.path_normalization,
            access_log: self.access_log.clone(),
            reason_header: self.reason_header.clone(),
        }
    }

    /// Checks and routes a request, and runs its request filters.
    ///
    /// # Errors
    /// If the request is answered instead of forwarded.
    pub(crate) fn begin(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<Admission, OwnAnswer> {
        context.began = Some(Instant::now());
        context.log = access_log::begin(self.access_log.as_ref());
        context.upgrade = upgrade::is_asked(session.req_header());
        self.set_timeouts(session);
        let begun = ActiveRequest::begin(session.digest(), context);
        let connection = begun.cloned().ok_or(AnswerReason::Internal)?;
        relay::keep_or_end(session, context);
        self.prepare(session)?;
        let snapshot = self.snapshot.load();
        let header = session.req_header();
        let mut host = check::host(header)?;
        let listener = route::listener(&snapshot, &connection, &host)?;
        if let Some(logs) = &listener.access_logs {
            context.log_to(logs);
        }
        let normalization = self.path_normalization;
        let preparation = Preparation::of(header, listener, &connection, normalization, context)?;
        let has_limits = limits::has_some(context);
        if has_limits || !preparation.is_empty() {
            drop(host);
            limits::apply(session, context, self.timeouts.downstream_read);
            preparation.apply(session.req_header_mut(), context);
            host = check::host(session.req_header())?;
        }
        let header = session.req_header();
        let kind = route::rule(listener, (header, &host), normalization, context)?;
        context.start_timer();
        let request = RoutedRequest {
            kind,
            connection: &connection,
            client_address: context.client_address,
            listener,
            snapshot: &snapshot,
            normalization,
            counters: &self.counters,
        };
        let first = FilterPosition::first(FilterOwner::Rule);
        let Some(at) = admission::advance(first, session, &request, context)? else {
            return Ok(Admission::Forward);
        };
        let listener = listener.clone();
        Ok(Admission::Wait(WaitingRequest {
            at,
            kind,
            connection,
            listener,
            snapshot: Guard::into_inner(snapshot),
            normalization,
            counters: self.counters.clone(),
        }))
    }

    /// Checks a request and brings it into the form that it is routed and forwarded in.
    fn prepare(&self, session: &mut Session) -> Result<(), AnswerReason> {
        check::check(session)?;
        if !self.preserve_header_case {
            fields::forget_spelling(session.req_header_mut());
        }
        if session.req_header().version < Version::HTTP_11 {
            close_delimited::set(session);
            // HTTP/1.0 has no informational responses (RFC 9110, section 15.2).
            session.set_ignore_info_resp(true);
        }
        Ok(())
    }

    /// Whether to log a problem with a request's backend. If so, returns how many times it was not logged before.
    pub(crate) fn warnings_due(
        &self,
        context: &RequestContext,
        problem: BackendProblem,
    ) -> Option<u64> {
        match context.backend() {
            Some(backend) => self.warnings.are_due(&backend.name, problem),
            None => Some(0),
        }
    }

    /// Sets the timeouts for all further waits for the client. `listen` bounds the wait for a request and its header and, over
    /// HTTP/1, for the client to read the response. Over HTTP/2 it doesn't see the windows.
    fn set_timeouts(&self, session: &mut Session) {
        session.set_read_timeout(Some(self.timeouts.downstream_read));
        if session.as_http1().is_none() {
            session.set_write_timeout(Some(self.timeouts.downstream_write));
        }
        session.set_total_drain_timeout(Some(DRAIN));
        session.set_pipelining_enabled(true);
    }

    /// Returns the endpoint to connect to, with all settings.
    pub(crate) fn peer(&self, context: &mut RequestContext) -> Result<Box<HttpPeer>> {
        let (Some(endpoints), Some(endpoint)) = (context.endpoints(), context.endpoint) else {
            return Err(Error::new_in(ErrorType::InternalError));
        };
        let exchange = Exchange::of(endpoints.version, context.upgrade);
        let tls = context.tls()?;
        let prepared = tls.map(|tls| self.tls_cache.prepare(tls));
        let secure = tls.map(|tls| &**tls).zip(prepared.as_deref());
        let mut peer = self.timeouts.peer(endpoint, exchange, secure)?;
        if let Some(tls) = tls {
            backend_tls::defer_names(&mut peer, tls);
        }
        self.watch
            .set(&mut peer, exchange, context.read_ahead(), tls);
        if context.fresh && exchange != Exchange::Upgrade {
            pool_key::set_single_request(&mut peer);
        }
        context.attempt();
        context.limit(&mut peer, exchange)?;
        Ok(peer)
    }

    /// Changes a client's request into the request to its backend.
    pub(crate) fn change_request(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        let traffic = context.client_traffic.as_deref();
        let set_by_policy = traffic.iter().flat_map(|it| it.request_headers.names());
        for name in set_by_policy.chain(&context.set_by_auth) {
            fields::restore(name, session.req_header(), request)?;
        }
        if traffic.is_some_and(|it| it.forwarded_client_cert.added().is_some()) {
            fields::restore(&FORWARDED_CLIENT_CERT, session.req_header(), request)?;
        }
        forwarded::add(session, request, context)?;
        if let Some(log) = &mut context.log {
            log.sending(false);
        }
        let mut forwarding = Forwarding {
            session,
            request,
            mirrors: &self.mirrors,
            copying: context.copying(),
            identity: context.identity,
            taps: None,
        };
        forwarding.run_identity(context.client.passed())?;
        if let Some(rule) = &context.rule {
            forwarding.run(&rule.filters)?;
        }
        // The filters of the backend apply to this backend only, not to the mirrors of the rule.
        if let Some(backend) = context.backend() {
            forwarding.run(&backend.filters)?;
        }
        if let Some(taps) = forwarding.taps {
            context.copies.get_or_insert_default().add(taps);
        }
        Ok(())
    }
}
