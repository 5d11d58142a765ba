//! The hooks that Pingora calls for each step of a request.

use crate::access_log;
use crate::context::RequestContext;
use crate::gatefold::{DRAIN, Gatefold};
use crate::ready_hook::{done, known, ready_hook};
use crate::request::admission::Admission;
use crate::request::expect_continue;
use crate::request::limits;
use crate::request::upload;
use crate::response::answer::OwnAnswer;
use crate::response::failure;
use crate::response::reason::{AnswerReason, KeepAlive};
use crate::response::relay;
use crate::upstream::backend_tls;
use crate::upstream::deadline;
use crate::upstream::endpoint::EndpointChoice;
use crate::warnings::BackendProblem;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use std::future::ready;
use std::os::fd::RawFd;
use std::time::Duration;
use tracing::{debug, warn};

#[async_trait]
impl ProxyHttp for Gatefold {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext::default()
    }

    /// None: Pingora would consider compression for every message.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    ready_hook! {
        fn request_filter<'s, 'c>(
            &self,
            session: &'s mut Session,
            context: &'c mut RequestContext,
        ) -> Result<bool> {
            match self.begin(session, context) {
                Ok(Admission::Forward) => known(|| Ok(false)),
                Ok(Admission::Wait(waiting)) => Box::pin(async move {
                    match waiting.resume(&self.servers, session, context).await {
                        Ok(()) => Ok(false),
                        Err(answer) => self.answer(answer, session, context).await,
                    }
                }),
                Err(answer) => Box::pin(self.answer(answer, session, context)),
            }
        }
    }

    ready_hook! {
        fn upstream_peer<'s, 'c>(
            &self,
            _session: &'s mut Session,
            context: &'c mut RequestContext,
        ) -> Result<Box<HttpPeer>> {
            match EndpointChoice::of(context) {
                EndpointChoice::Ready => Box::pin(ready(self.peer(context))),
                choice @ EndpointChoice::After(_) => Box::pin(async move {
                    choice.complete().await;
                    self.peer(context)
                }),
            }
        }
    }

    ready_hook! {
        fn connected_to_upstream<'s, 'p, 'd, 'c>(
            &self,
            session: &'s mut Session,
            _reused: bool,
            peer: &'p HttpPeer,
            _descriptor: RawFd,
            digest: Option<&'d Digest>,
            context: &'c mut RequestContext,
        ) -> Result<()> {
            if let Some(log) = &mut context.log {
                log.connected = true;
            }
            if let Err(error) = context.take_connection(deadline::watched(digest), self.watch.now()) {
                return done(Err(error));
            }
            if !peer.is_tls() {
                // Over TLS, a session ticket would count as a response.
                upload::prepare(session, context);
                return done(Ok(()));
            }
            match (context.tls(), context.endpoint) {
                (Ok(Some(tls)), Some(endpoint)) if !tls.handshake.names.is_empty() => {
                    let patience = context.time_left().min(self.timeouts.connect);
                    let prepared = self.tls_cache.prepare(tls);
                    Box::pin(async move {
                        let checked =
                            backend_tls::check_names(tls, &prepared, endpoint, digest, patience);
                        checked.await.map_err(Error::into_up)
                    })
                }
                (tls, _) => done(tls.map(|_| ())),
            }
        }
    }

    ready_hook! {
        fn upstream_request_filter<'s, 'r, 'c>(
            &self,
            session: &'s mut Session,
            request: &'r mut RequestHeader,
            context: &'c mut RequestContext,
        ) -> Result<()> {
            match self.change_request(session, request, context) {
                Ok(()) if expect_continue::is_ours(request, context) => {
                    Box::pin(expect_continue::answer(session, request))
                }
                changed => done(changed),
            }
        }
    }

    ready_hook! {
        fn request_body_filter<'s, 'b, 'c>(
            &self,
            session: &'s mut Session,
            body: &'b mut Option<Bytes>,
            end_of_stream: bool,
            context: &'c mut RequestContext,
        ) -> Result<()> {
            // An HTTP/2 body may end with an empty frame. Written as a chunk, it would end the body twice, and the endpoint
            // would read the second end as the beginning of a request.
            if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
                *body = None;
            }
            if let Some(whole) = &context.body {
                whole.replace(body);
            }
            context.record_activity(self.watch.now());
            if let Some(log) = &mut context.log {
                log.sending(end_of_stream);
            }
            if let Some(limits) = context.body_limits.filter(|_| !end_of_stream)
                && let Err(late) = limits::check(session, limits)
            {
                return done(Err(late));
            }
            if let Some(copies) = &mut context.copies {
                copies.offer(body.as_ref(), end_of_stream);
            }
            if !end_of_stream && upload::must_wait(context, body.as_ref()) {
                return Box::pin(upload::wait_for_room(session, context, self.timeouts));
            }
            done(Ok(()))
        }
    }

    ready_hook! {
        fn upstream_response_filter<'s, 'r, 'c>(
            &self,
            session: &'s mut Session,
            response: &'r mut ResponseHeader,
            context: &'c mut RequestContext,
        ) -> Result<()> {
            // After `100 Continue`, the request is still on its way.
            if !response.status.is_informational() {
                limits::response_begins(session, context);
            }
            context.record_activity(self.watch.now());
            context.responded(response.status);
            context
                .upload
                .answered(response.status, context.upstream.as_deref());
            done(context.check_status(session, response.status))
        }
    }

    ready_hook! {
        fn response_filter<'s, 'r, 'c>(
            &self,
            session: &'s mut Session,
            response: &'r mut ResponseHeader,
            context: &'c mut RequestContext,
        ) -> Result<()> {
            if response.status == StatusCode::SWITCHING_PROTOCOLS {
                session.set_read_timeout(Some(self.timeouts.upgraded));
            }
            match relay::change(session, response, context, self.watch.now()) {
                Ok(None) => done(Ok(())),
                Ok(Some(at)) => Box::pin(relay::resume(at, session, response, context)),
                Err(error) => done(Err(error)),
            }
        }
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut RequestContext,
    ) -> Result<Option<Duration>> {
        if end_of_stream {
            if context.upload.is_unwanted() && !session.is_body_done() {
                // The client has its response and need not send the rest of its body.
                session.set_read_timeout(Some(DRAIN));
            }
            context.release_connection(self.watch.now());
        } else {
            context.record_activity(self.watch.now());
        }
        Ok(None)
    }

    ready_hook! {
        fn response_trailer_filter<'s, 't, 'c>(
            &self,
            _session: &'s mut Session,
            trailers: &'t mut HeaderMap,
            context: &'c mut RequestContext,
        ) -> Result<Option<Bytes>> {
            if let Some(log) = &mut context.log {
                log.ended(trailers);
            }
            // Trailers end the response instead of the body.
            context.release_connection(self.watch.now());
            known(|| Ok(None))
        }
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        peer: &HttpPeer,
        context: &mut RequestContext,
        mut error: Box<Error>,
    ) -> Box<Error> {
        self.counters.connect_failure();
        let retry = context.retries_elsewhere(&error);
        if retry {
            self.counters.retry();
        }
        if let Some(unlogged) = self.warnings_due(context, BackendProblem::Connecting) {
            warn!(
                backend = context.backend().map(|backend| &*backend.name),
                endpoint = %peer._address,
                retry,
                %error,
                unlogged = (unlogged > 0).then_some(unlogged),
                "can't connect to an endpoint"
            );
        }
        error.set_retry(retry);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut RequestContext,
        reused: bool,
    ) -> Box<Error> {
        let error = failure::without_header(error);
        let mut error = error.more_context(format!("endpoint {}", peer._address));
        context.decide_retry(session, &mut error, reused);
        if error.retry() {
            self.counters.retry();
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut RequestContext,
    ) -> FailToProxy {
        let answer = match context.answer.take() {
            Some(answer) => Some(OwnAnswer::from(answer)),
            None => {
                let reason = failure::reason(error);
                self.log_failure(reason, error, context);
                reason.map(OwnAnswer::from)
            }
        };
        let status = answer.as_ref().map(OwnAnswer::status);
        if let Some(answer) = answer.filter(|_| !relay::has_begun(session)) {
            context.ends_in_order();
            let name = self.reason_header.as_ref();
            if let Err(error) = answer.send(KeepAlive::Close, session, context, name).await {
                debug!(%error, "can't send an answer to the client");
            }
        }
        FailToProxy {
            error_code: status.map_or(0, |status| status.as_u16()),
            can_reuse_downstream: false,
        }
    }

    ready_hook! {
        fn logging<'s, 'e, 'c>(
            &self,
            session: &'s mut Session,
            error: Option<&'e Error>,
            context: &'c mut RequestContext,
        ) -> () {
            if error.is_none() {
                context.ends_in_order();
            }
            let status = session.response_written().map(|response| response.status);
            self.counters.request(status);
            context.observe_duration(status);
            if let Some(reason) = context.reason {
                self.counters.answer(reason);
            }
            access_log::log(session, context, error, self.access_log.as_ref());
            known(|| ())
        }
    }

    /// `fail_to_proxy` logs failures, with their context.
    fn suppress_error_log(&self, _: &Session, _: &RequestContext, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &RequestContext,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

impl Gatefold {
    /// Answers a request that is not forwarded.
    async fn answer(
        &self,
        answer: OwnAnswer,
        session: &mut Session,
        context: &mut RequestContext,
    ) -> Result<bool> {
        let (keep_alive, name) = (answer.keep_alive(), self.reason_header.as_ref());
        let sent = answer.send(keep_alive, session, context, name).await;
        sent.map(|()| true).map_err(Error::into_down)
    }

    /// Logs why a request failed. Failures of backends are warnings.
    fn log_failure(&self, reason: Option<AnswerReason>, error: &Error, context: &RequestContext) {
        let status = reason.map_or(0, |reason| reason.status().as_u16());
        let due = if status >= 500 {
            self.warnings_due(context, BackendProblem::Failing)
        } else {
            None
        };
        match due {
            Some(unlogged) => warn!(
                route = context.rule.as_ref().map(|rule| &*rule.id.route),
                backend = context.backend().map(|backend| &*backend.name),
                status,
                %error,
                unlogged = (unlogged > 0).then_some(unlogged),
                "a request failed"
            ),
            None => debug!(status, %error, "a request failed"),
        }
    }
}
