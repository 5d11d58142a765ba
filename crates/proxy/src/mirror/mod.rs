//! Copies of requests for mirrors.
//!
//! In: a request to a backend, and the mirrors of its rule and backend. Out: concurrent copies at the mirrors, whose
//! responses are discarded. A mirror never delays or fails the request itself.

mod body;
mod copy;

pub(crate) use body::{Copies, Tap};

use crate::Counters;
use crate::counters::Mirrored;
use crate::upstream::peer::Timeouts;
use crate::upstream::side_request;
use crate::upstream::tls_cache::TlsCache;
use copy::MirrorCopy;
use gatefold_dataplane::backend::BackendTarget;
use gatefold_dataplane::filter::request_mirror::RequestMirror;
use pingora_core::connectors::http::Connector;
use pingora_http::RequestHeader;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::debug;

/// Maximum number of copies in flight.
const IN_FLIGHT: usize = 256;
/// Maximum number of copies in flight per mirror, so that a silent mirror leaves room for others.
const IN_FLIGHT_EACH: usize = 64;
/// Maximum number of idle connections to mirrors, over all threads.
const IDLE: usize = 128;

/// Whether an attempt to forward a request starts its copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copying {
    /// The request is forwarded for the first time.
    Start,
    /// A previous attempt has started them, or the request asks for an upgrade: a copy of a WebSocket would be a client that
    /// never sends anything.
    Skip,
}

/// Sends copies of requests to mirrors.
#[derive(Clone)]
pub(crate) struct Mirrors {
    inner: Arc<MirrorState>,
}

struct MirrorState {
    /// Created with the first copy.
    connector: OnceLock<Connector>,
    /// Maximum number of its idle connections.
    idle: usize,
    in_flight: CopiesInFlight,
    timeouts: Timeouts,
    counters: Counters,
    tls_cache: Arc<TlsCache>,
}

impl std::fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirrors").finish_non_exhaustive()
    }
}

impl Mirrors {
    /// `threads` is the number of threads with their own connections.
    pub(crate) fn new(
        timeouts: Timeouts,
        counters: Counters,
        tls_cache: Arc<TlsCache>,
        threads: usize,
    ) -> Self {
        Mirrors {
            inner: Arc::new(MirrorState {
                connector: OnceLock::new(),
                idle: (IDLE / threads.max(1)).max(1),
                in_flight: CopiesInFlight::default(),
                timeouts,
                counters,
                tls_cache,
            }),
        }
    }

    /// Returns the mirrors of another thread. They have their own connections, and share the limits.
    pub(crate) fn for_another_thread(&self) -> Self {
        let MirrorState {
            connector: _,
            idle,
            in_flight,
            timeouts,
            counters,
            tls_cache,
        } = &*self.inner;
        Mirrors {
            inner: Arc::new(MirrorState {
                connector: OnceLock::new(),
                idle: *idle,
                in_flight: in_flight.clone(),
                timeouts: *timeouts,
                counters: counters.clone(),
                tls_cache: tls_cache.clone(),
            }),
        }
    }

    /// Starts the copy of a request for a mirror, if the mirror's share contains the request. Returns the end that takes the
    /// body, if the request has one.
    pub(crate) fn begin(
        &self,
        mirror: &RequestMirror,
        request: &RequestHeader,
        identity: Option<usize>,
        bodiless: bool,
    ) -> Option<Tap> {
        if !mirror.share.takes_next() {
            return None;
        }
        self.copy(mirror, request, identity, bodiless)
    }

    /// Starts one copy.
    fn copy(
        &self,
        mirror: &RequestMirror,
        request: &RequestHeader,
        identity: Option<usize>,
        bodiless: bool,
    ) -> Option<Tap> {
        let counters = &self.inner.counters;
        let BackendTarget::Endpoints(endpoints) = &mirror.target else {
            counters.mirrored(Mirrored::NoEndpoint);
            return None;
        };
        let Some(slot) = self.inner.in_flight.begin(&mirror.name) else {
            counters.mirrored(Mirrored::TooMany);
            return None;
        };
        let MirrorState {
            timeouts,
            tls_cache,
            ..
        } = &*self.inner;
        let selected = side_request::select(endpoints, identity, *timeouts, tls_cache);
        let prepared = selected.and_then(|(peer, secured)| {
            let header = side_request::header(request, endpoints.version, peer.is_tls(), bodiless)?;
            Ok((peer, secured, header))
        });
        let (peer, secured, header) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                debug!(mirror = &*mirror.name, %error, "can't mirror a request");
                counters.mirrored(Mirrored::Failed);
                return None;
            }
        };
        let (tap, pieces, overrun) = Tap::new();
        let copy = MirrorCopy {
            name: mirror.name.clone(),
            peer,
            secured,
            header,
            pieces: (!bodiless).then_some(pieces),
            overrun,
        };
        self.spawn(copy, slot);
        (!bodiless).then_some(tap)
    }

    /// Sends a copy in the background, and releases its slot at the end.
    fn spawn(&self, copy: MirrorCopy, slot: Slot) {
        let inner = self.inner.clone();
        tokio::spawn(async move {
            let _slot = slot;
            let connector = inner
                .connector
                .get_or_init(|| side_request::connector(inner.idle));
            let outcome = copy.send(connector).await;
            inner.counters.mirrored(outcome);
        });
    }
}

/// The number of copies in flight.
#[derive(Clone, Debug, Default)]
struct CopiesInFlight {
    /// By the name of the mirror. Never contains zero.
    counts: Arc<Mutex<HashMap<Arc<str>, usize>>>,
}

impl CopiesInFlight {
    /// Reserves a slot until the result is dropped. `None` if there are too many copies, of this mirror or in total.
    fn begin(&self, mirror: &Arc<str>) -> Option<Slot> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(mirror).copied().unwrap_or_default();
        if count >= IN_FLIGHT_EACH || counts.values().sum::<usize>() >= IN_FLIGHT {
            return None;
        }
        counts.insert(mirror.clone(), count + 1);
        Some(Slot {
            in_flight: self.clone(),
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

/// The slot of a copy in flight.
#[derive(Debug)]
struct Slot {
    in_flight: CopiesInFlight,
    mirror: Arc<str>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.in_flight.end(&self.mirror);
    }
}
