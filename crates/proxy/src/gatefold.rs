//! Routes a request and prepares it for its backend. `hooks` defines when.

use crate::Counters;
use crate::Options;
use crate::access_log;
use crate::context::{RequestContext, connection};
use crate::filter::headers::RequestFields;
use crate::filter::url_rewrite;
use crate::mirror::{MirrorOwner, Mirrors};
use crate::request::check;
use crate::request::fields;
use crate::request::forwarded;
use crate::request::route;
use crate::response::answer::Answer;
use crate::response::close_delimited;
use crate::response::relay;
use crate::upstream::backend_tls;
use crate::upstream::peer;
use crate::upstream::peer::{Exchange, Timeouts};
use crate::upstream::upgrade;
use crate::upstream::watch::Watch;
use crate::warnings::{Trouble, Warnings};
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::path_normalization::PathNormalization;
use http::Version;
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
    warnings: Warnings,
    pub(crate) watch: Watch,
    preserve_header_case: bool,
    path_normalization: PathNormalization,
}

impl Gatefold {
    pub(crate) fn new(snapshot: Arc<ArcSwap<Snapshot>>, options: &Options) -> Self {
        let (timeouts, counters) = (options.timeouts, options.counters.clone());
        Gatefold {
            snapshot,
            timeouts,
            mirrors: Mirrors::new(timeouts, counters.clone()),
            counters,
            watch: Watch::new(timeouts.upstream_read, timeouts.upstream_idle),
            warnings: Warnings::default(),
            preserve_header_case: options.preserve_header_case,
            path_normalization: options.path_normalization,
        }
    }

    /// Routes a request.
    ///
    /// # Errors
    /// If the request is not forwarded: returns the answer.
    pub(crate) fn begin(
        &self,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<(), Answer> {
        if access_log::is_wanted() {
            context.began = Some(Instant::now());
        }
        context.upgrade = upgrade::is_asked(session.req_header());
        self.set_deadlines(session);
        let Some(connection) = connection(session).cloned() else {
            return Err(Answer::INTERNAL);
        };
        context.connection = Some(connection.begin());
        relay::keep_or_end(session, context);
        check::check(session, self.path_normalization)?;
        if !self.preserve_header_case {
            fields::forget_spelling(session.req_header_mut());
        }
        if session.req_header().version < Version::HTTP_11 {
            close_delimited::set(session);
            // HTTP/1.0 has no informational responses (RFC 9110, section 15.2).
            session.set_ignore_info_resp(true);
        }
        let snapshot = self.snapshot.load();
        let request = (session.req_header(), self.path_normalization);
        let chosen = route::choose(&snapshot, &connection, request, context);
        context.start_timer();
        chosen
    }

    /// Whether to log a problem with a request's backend. If so, returns how many times it was not logged before.
    pub(crate) fn warnings_due(&self, context: &RequestContext, trouble: Trouble) -> Option<u64> {
        match context.backend() {
            Some(backend) => self.warnings.are_due(&backend.name, trouble),
            None => Some(0),
        }
    }

    /// Sets the timeouts for all further waits for the client. `listen` bounds the wait for a request and its header and, over
    /// HTTP/1, for the client to read the response. Over HTTP/2 it doesn't see the windows.
    fn set_deadlines(&self, session: &mut Session) {
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
        let mut peer = self.timeouts.peer(endpoint, exchange, tls)?;
        if let Some(tls) = tls {
            backend_tls::defer_names(&mut peer, tls);
        }
        self.watch
            .set(&mut peer, exchange, context.read_ahead(), tls);
        if context.fresh && exchange != Exchange::Upgrade {
            peer::make_fresh(&mut peer);
        }
        context.tries += 1;
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
        forwarded::add(session, request, context)?;
        let attempt = Mirrors::attempt(context);
        if let Some(rule) = &context.rule {
            rule.filters.change_request(&mut RequestFields(request));
            url_rewrite::apply(&rule.filters, session, request)?;
        }
        forwarded::add_missing_host(session, request)?;
        // Before the filters of the backend, which apply to that backend only.
        let owner = MirrorOwner::Rule;
        self.mirrors
            .begin(owner, attempt, session, request, context);
        if let Some(backend) = context.backend() {
            backend.filters.change_request(&mut RequestFields(request));
            url_rewrite::apply(&backend.filters, session, request)?;
        }
        let owner = MirrorOwner::Backend;
        self.mirrors
            .begin(owner, attempt, session, request, context);
        Ok(())
    }
}
