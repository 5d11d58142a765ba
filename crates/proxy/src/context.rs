use super::backend_tls;
use super::deadline::{self, Armed, Watched};
use super::failure;
use super::forwarded::RequestId;
use super::mirror::Copies;
use super::peer::Exchange;
use super::read_ahead::ReadAhead;
use super::upload::Upload;
use super::watch::Phase;
use gatefold_dataplane::backend::{Backend, Endpoints};
use gatefold_dataplane::backend_tls::BackendTls;
use gatefold_dataplane::timeouts::Limit;
use gatefold_dataplane::{Action, Rule};
use gatefold_listen::clock::Tick;
use gatefold_listen::{Connection, InHand};
use http::HeaderValue;
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::Session;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of one request, from its beginning to its log line.
#[derive(Debug, Default)]
pub struct RequestContext {
    /// When it began; only when its log line is wanted.
    pub(super) began: Option<Instant>,
    /// The connection that it came over, which isn't idle while this is here.
    pub(super) connection: Option<InHand>,
    /// Whether it asks to go on as a WebSocket.
    pub(super) upgrade: bool,
    /// The rule that takes it, kept as it was when the request was routed.
    pub(super) rule: Option<Arc<Rule>>,
    /// The place of its backend in the rule's split.
    pub(super) backend: Option<usize>,
    /// The place of the client certificate that its Gateway shows to backends.
    pub(super) identity: Option<usize>,
    /// Where it is sent.
    pub(super) endpoint: Option<SocketAddr>,
    /// How often it was sent.
    pub(super) tries: usize,
    /// Whether the next try needs a connection of its own, since a pooled one turned out to be dead.
    pub(super) fresh: bool,
    /// How far its body has been handed to the endpoint, in the try in hand.
    pub(super) upload: Upload,
    /// How often it was tried again since its rule says so.
    pub(super) retries: usize,
    /// How long to wait before that.
    pub(super) pause: Option<Duration>,
    /// When it must be over, by its rule.
    pub(super) deadline: Option<Instant>,
    /// When the try in hand must be over.
    pub(super) try_deadline: Option<Instant>,
    /// The connection to the endpoint, where it can be aborted.
    pub(super) held: Option<Arc<Watched>>,
    /// Makes the deadline true of it.
    pub(super) armed: Option<Armed>,
    /// Its copies, as far as they get its body; nothing before it was first sent.
    pub(super) copies: Option<Copies>,
    /// Where a redirect leads.
    pub(super) location: Option<HeaderValue>,
    /// What identifies it in everybody's logs.
    pub(super) id: Option<RequestId>,
}

impl RequestContext {
    /// The backend that takes it.
    pub(super) fn backend(&self) -> Option<&Backend> {
        match &self.rule.as_ref()?.action {
            Action::Forward(split) => split.get(self.backend?),
            Action::Redirect(_) | Action::Refuse(_) => None,
        }
    }

    /// The endpoints that it may go to.
    pub(super) fn endpoints(&self) -> Option<&Endpoints> {
        self.backend()?.target.endpoints()
    }

    /// How TLS is spoken to them; plain text when absent.
    ///
    /// # Errors
    ///
    /// When the Gateway's client certificate isn't among those that TLS was prepared with.
    pub(super) fn tls(&self) -> Result<Option<&Arc<BackendTls>>> {
        match self.endpoints() {
            Some(endpoints) => backend_tls::of(endpoints, self.identity),
            None => Ok(None),
        }
    }

    /// How much of its response is read before its client takes it.
    pub(super) fn read_ahead(&self) -> ReadAhead {
        match &self.connection {
            Some(request) => ReadAhead::of(request.in_flight(), request.windows()),
            None => ReadAhead::Full,
        }
    }

    /// Begins to count its time, when its rule has a limit.
    pub(super) fn start_timer(&mut self) {
        let Some(rule) = &self.rule else {
            return;
        };
        if let limit @ Limit::After(_) = rule.timeouts.request {
            self.deadline = limit.deadline(Instant::now());
        }
    }

    /// Puts the time limits of its rule in the place of those that hold for everybody.
    ///
    /// # Errors
    ///
    /// When its time is over.
    pub(super) fn limit(&mut self, peer: &mut HttpPeer, exchange: Exchange) -> Result<()> {
        self.drop_connection();
        let timeouts = match &self.rule {
            Some(rule) if !rule.timeouts.is_unset() => rule.timeouts,
            _ => return Ok(()),
        };
        if exchange != Exchange::Upgrade {
            // Who sets a limit, or none, means the time that a backend may be silent as well.
            peer.options.read_timeout = None;
            peer.options.write_timeout = None;
        }
        let now = Instant::now();
        let of_try = timeouts.backend_request.deadline(now);
        self.try_deadline = self.deadline.into_iter().chain(of_try).min();
        match self.try_deadline {
            Some(until) => deadline::bound(peer, exchange, self.tls()?, (until, now)),
            None => Ok(()),
        }
    }

    /// Takes hold of the connection that the try in hand has got.
    ///
    /// # Errors
    ///
    /// When it was ended between two requests: nothing was sent, so another one will do.
    pub(super) fn hold(&mut self, watched: Option<&Arc<Watched>>, now: Tick) -> Result<()> {
        let Some(watched) = watched else {
            return Ok(());
        };
        let phase = match &self.rule {
            Some(rule) if !rule.timeouts.is_unset() => Phase::Unbounded,
            _ => Phase::Busy,
        };
        if !watched.state.enter(phase, now) {
            return Err(failure::unused());
        }
        self.armed = self.try_deadline.map(|until| Watched::arm(watched, until));
        self.held = Some(watched.clone());
        Ok(())
    }

    /// Notes that something has happened on it.
    pub(super) fn note(&self, now: Tick) {
        if let Some(held) = &self.held {
            held.state.note(now);
        }
    }

    /// HTTP is left for another protocol: what follows is no request of the rule any more.
    pub(super) fn switch(&mut self, now: Tick) {
        self.armed = None;
        if let Some(connection) = &self.connection {
            connection.switch_protocols();
        }
        if let Some(held) = &self.held {
            held.state.enter(Phase::Unbounded, now);
        }
    }

    /// The response has come: the connection goes back to the pool, and what is left is to write to the client.
    pub(super) fn let_go(&mut self, now: Tick) {
        self.armed = None;
        if let Some(held) = &self.held {
            self.upload.end(held);
            held.state.enter(Phase::Idle, now);
        }
    }

    /// A try is over, its connection dropped by Pingora: so that the endpoint learns it, here as well.
    pub(super) fn drop_connection(&mut self) {
        self.armed = None;
        self.upload = Upload::default();
        self.held = None;
    }

    /// The client has got all that its connection's end could cut off.
    pub(super) fn ends_in_order(&self) {
        if let Some(connection) = &self.connection {
            connection.end_in_order();
        }
    }

    /// Whether the endpoint has done nothing for too long.
    pub(super) fn is_silent(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.state.is_over())
    }

    /// How much time the try in hand has; more than enough without a limit.
    pub(super) fn time_left(&self) -> Duration {
        let until = self.try_deadline;
        until.map_or(Duration::MAX, |it| {
            it.saturating_duration_since(Instant::now())
        })
    }

    /// Whether the time of the try in hand is over.
    pub(super) fn is_late(&self) -> bool {
        self.try_deadline
            .is_some_and(|until| until <= Instant::now())
    }

    /// Turns to another endpoint of the same backend; false when there is none.
    pub(super) fn next_endpoint(&mut self) -> bool {
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

/// What the listening side knows of a session's connection.
pub(super) fn connection(session: &Session) -> Option<&Arc<Connection>> {
    let digest = session.digest()?.proxy_digest.as_ref()?;
    digest.user_data.as_ref()?.downcast_ref()
}
