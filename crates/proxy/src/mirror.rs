mod body;
mod copy;

pub(super) use body::Copies;

use super::Counters;
use super::backend_tls;
use super::context::RequestContext;
use super::counters::Mirrored;
use super::peer::{Exchange, Timeouts};
use body::Tap;
use copy::{Copy, Secured};
use gatefold_dataplane::backend::{Endpoints, Target};
use gatefold_dataplane::filter::request_mirror::RequestMirror;
use pingora_core::Result;
use pingora_core::connectors::ConnectorOptions;
use pingora_core::connectors::http::Connector;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::debug;

/// How many copies may be under way.
const IN_FLIGHT: usize = 256;
/// How many of them may be for one mirror: one that is silent leaves room for others.
const IN_FLIGHT_EACH: usize = 64;
/// How many idle connections to mirrors are kept.
const IDLE: usize = 128;

/// Whose filter asks for a copy. The filters of a backend are for the requests that are forwarded to it
/// (`HTTPBackendRef.filters`): a mirror of the rule gets the request without them, a mirror of a backend with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MirrorOwner {
    /// The rule.
    Rule,
    /// The backend that the request is forwarded to.
    Backend,
}

/// Which attempt to forward a request this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Its copies have not begun.
    First,
    /// A retry: its copies have begun before.
    Repeated,
}

/// Sends copies.
#[derive(Clone)]
pub(super) struct Mirrors {
    inner: Arc<Inner>,
}

struct Inner {
    /// Made with the first copy.
    connector: OnceLock<Connector>,
    under_way: UnderWay,
    timeouts: Timeouts,
    counters: Counters,
}

impl std::fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirrors").finish_non_exhaustive()
    }
}

impl Mirrors {
    pub(super) fn new(timeouts: Timeouts, counters: Counters) -> Self {
        Mirrors {
            inner: Arc::new(Inner {
                connector: OnceLock::new(),
                under_way: UnderWay::default(),
                timeouts,
                counters,
            }),
        }
    }

    /// Whether the request goes to its backend for the first time. If it has been copied before, the copies are told
    /// that its body begins anew.
    pub(super) fn attempt(context: &mut RequestContext) -> Attempt {
        match &mut context.copies {
            Some(copies) => {
                copies.rewind();
                Attempt::Repeated
            }
            None => Attempt::First,
        }
    }

    /// Begins the copies of a request that has gone through the filters of the rule, or of the rule and the backend.
    pub(super) fn begin(
        &self,
        owner: MirrorOwner,
        attempt: Attempt,
        session: &mut Session,
        request: &RequestHeader,
        context: &mut RequestContext,
    ) {
        let filters = match owner {
            MirrorOwner::Rule => context.rule.as_ref().map(|rule| &rule.filters),
            MirrorOwner::Backend => context.backend().map(|backend| &backend.filters),
        };
        let mirrors = filters.map_or(&[][..], |filters| &filters.mirrors);
        // A copy of a WebSocket would be a client that says nothing.
        if mirrors.is_empty() || attempt == Attempt::Repeated || context.upgrade {
            return;
        }
        let bodiless = session.is_body_empty();
        let identity = context.identity;
        let taken = mirrors.iter().filter(|mirror| mirror.share.takes_next());
        let taps = taken.filter_map(|mirror| self.copy(mirror, request, identity, bodiless));
        let taps: Vec<Tap> = taps.collect();
        context.copies.get_or_insert_default().add(taps);
    }

    /// A mirror's endpoint, as the backend's: with the TLS that its policy asks for.
    fn peer(
        &self,
        endpoints: &Endpoints,
        identity: Option<usize>,
    ) -> Result<(Box<HttpPeer>, Secured)> {
        let tls = backend_tls::of(endpoints, identity)?;
        let exchange = Exchange::of(endpoints.version, false);
        let endpoint = endpoints.next();
        let mut peer = self.inner.timeouts.peer(endpoint, exchange, tls)?;
        if let Some(tls) = tls {
            backend_tls::defer_names(&mut peer, tls);
        }
        Ok((peer, tls.map(|tls| (tls.clone(), endpoint))))
    }

    /// Begins one copy.
    fn copy(
        &self,
        mirror: &RequestMirror,
        request: &RequestHeader,
        identity: Option<usize>,
        bodiless: bool,
    ) -> Option<Tap> {
        let counters = &self.inner.counters;
        let Target::Endpoints(endpoints) = &mirror.target else {
            counters.mirrored(Mirrored::NoEndpoint);
            return None;
        };
        let Some(slot) = self.inner.under_way.begin(&mirror.name) else {
            counters.mirrored(Mirrored::TooMany);
            return None;
        };
        let prepared = self.peer(endpoints, identity).and_then(|(peer, secured)| {
            let header = copy::header(request, endpoints.version, peer.is_tls(), bodiless)?;
            Ok((peer, secured, header))
        });
        let (peer, secured, header) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                debug!(mirror = &*mirror.name, %error, "a request can't be mirrored");
                counters.mirrored(Mirrored::Failed);
                return None;
            }
        };
        let (tap, pieces, overrun) = Tap::new();
        let copy = Copy {
            name: mirror.name.clone(),
            peer,
            secured,
            header,
            pieces: (!bodiless).then_some(pieces),
            overrun,
        };
        let inner = self.inner.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let connector = inner
                .connector
                .get_or_init(|| Connector::new(Some(ConnectorOptions::new(IDLE))));
            let outcome = copy.send(connector).await;
            inner.counters.mirrored(outcome);
        });
        (!bodiless).then_some(tap)
    }
}

/// The copies under way.
#[derive(Clone, Debug, Default)]
struct UnderWay {
    /// By what their mirrors are called; none that has none.
    counts: Arc<Mutex<HashMap<Arc<str>, usize>>>,
}

impl UnderWay {
    /// A place for one more, until the result is dropped; nothing when there are too many, of this mirror or in all.
    fn begin(&self, mirror: &Arc<str>) -> Option<Slot> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(mirror).copied().unwrap_or_default();
        if count >= IN_FLIGHT_EACH || counts.values().sum::<usize>() >= IN_FLIGHT {
            return None;
        }
        counts.insert(mirror.clone(), count + 1);
        Some(Slot {
            under_way: self.clone(),
            mirror: mirror.clone(),
        })
    }

    fn end(&self, mirror: &Arc<str>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(mirror) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = counts.remove(mirror),
        }
    }
}

/// The place of a copy among those under way.
#[derive(Debug)]
struct Slot {
    under_way: UnderWay,
    mirror: Arc<str>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.under_way.end(&self.mirror);
    }
}
