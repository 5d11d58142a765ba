//! Endpoints that are silent, and connections that nobody uses, found without a timer for each wait.
//!
//! Pingora sets two timers a request: for the response, and for the connection once it is kept. Most are taken back within
//! a millisecond. Here a request notes that something has happened, which is a number stored in its connection, and
//! all connections are looked at now and then: one where nothing has happened for too long is ended, so that
//! whatever is waited for fails.

use super::deadline::Watched;
use super::peer::Exchange;
use super::read_ahead::ReadAhead;
use async_trait::async_trait;
use gatefold_dataplane::backend_tls::BackendTls;
use gatefold_listen::clock::{Clock, Tick};
use pingora_core::Result;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tracing::debug;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Kept for a request to come.
    Idle,
    /// A request is under way.
    Busy,
    /// One is whose rule says itself how long it may take, or another protocol that HTTP was left for.
    Unbounded,
    /// It was ended.
    Over,
}

/// A phase and its last event in one word, so that they change together.
#[derive(Debug, Default)]
pub(super) struct State(AtomicU64);

impl State {
    /// Begins another phase, unless the connection was ended: then false.
    pub(super) fn enter(&self, phase: Phase, now: Tick) -> bool {
        let next = word(phase, now);
        let update = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (phase_of(state) != Phase::Over).then_some(next)
            });
        update.is_ok()
    }

    /// Notes that something has happened. Costs two loads when that was noted in the same tick before.
    pub(super) fn note(&self, now: Tick) {
        let state = self.0.load(Ordering::Acquire);
        if state as Tick != now {
            self.enter(phase_of(state), now);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        phase_of(self.0.load(Ordering::Acquire)) == Phase::Over
    }
}

fn word(phase: Phase, tick: Tick) -> u64 {
    (phase as u64) << 32 | u64::from(tick)
}

fn phase_of(state: u64) -> Phase {
    match state >> 32 {
        0 => Phase::Idle,
        1 => Phase::Busy,
        2 => Phase::Unbounded,
        _ => Phase::Over,
    }
}

/// All connections to endpoints that speak HTTP/1.1 at first, and the clock for them.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    inner: Arc<Inner>,
    /// Makes connections that read ahead in full.
    full: Arc<Connector>,
    /// Makes connections that read little ahead.
    little: Arc<Connector>,
}

#[derive(Debug)]
struct Inner {
    /// How long an endpoint may let a request wait.
    silent: Duration,
    /// How long a connection is kept without one.
    idle: Duration,
    clock: Clock,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    all: Vec<Weak<Watched>>,
    /// Whether somebody looks at them.
    looked_at: bool,
}

impl Watch {
    pub(super) fn new(silent: Duration, idle: Duration) -> Self {
        let inner = Arc::new(Inner {
            silent,
            idle,
            clock: Clock::for_shortest(silent.min(idle)),
            connections: Mutex::default(),
        });
        let connector = |read_ahead| {
            Arc::new(Connector {
                inner: inner.clone(),
                exchange: Exchange::Http1,
                read_ahead,
                tls: None,
            })
        };
        Watch {
            full: connector(ReadAhead::Full),
            little: connector(ReadAhead::Little),
            inner,
        }
    }

    /// Has a peer's connections watched. For responses and unused connections that replaces timers. The wait for an
    /// endpoint to take a request keeps its own: it seldom waits, and nothing is read meanwhile. `tls` is for
    /// upgrades, which speak it below Pingora.
    pub(super) fn set(
        &self,
        peer: &mut HttpPeer,
        exchange: Exchange,
        read_ahead: ReadAhead,
        tls: Option<&Arc<BackendTls>>,
    ) {
        read_ahead.apply(peer, exchange);
        let options = &mut peer.options;
        match exchange {
            Exchange::Http1 => {
                options.idle_timeout = None;
                options.read_timeout = None;
                let connector = match read_ahead {
                    ReadAhead::Full => &self.full,
                    ReadAhead::Little => &self.little,
                };
                options.custom_l4 = Some(connector.clone());
            }
            Exchange::Upgrade => {
                options.custom_l4 = Some(Arc::new(Connector {
                    inner: self.inner.clone(),
                    exchange,
                    read_ahead: ReadAhead::Full,
                    tls: tls.cloned(),
                }));
            }
            // Shared by many requests.
            Exchange::Http2 => {}
        }
    }

    pub(super) fn now(&self) -> Tick {
        self.inner.clock.now()
    }
}

/// Makes connections that are watched.
#[derive(Debug)]
struct Connector {
    inner: Arc<Inner>,
    exchange: Exchange,
    read_ahead: ReadAhead,
    tls: Option<Arc<BackendTls>>,
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let (exchange, tls) = (self.exchange, self.tls.as_deref());
        let connected = super::deadline::connect(address, exchange, self.read_ahead, tls);
        let (stream, watched) = connected.await?;
        // Until a request has got it, which a handshake may put off.
        watched.state.enter(Phase::Unbounded, 0);
        Inner::add(&self.inner, &watched);
        Ok(stream)
    }
}

impl Inner {
    fn add(this: &Arc<Self>, watched: &Arc<Watched>) {
        let mut connections = this.lock();
        connections.all.push(Arc::downgrade(watched));
        if !std::mem::replace(&mut connections.looked_at, true) {
            tokio::spawn(look(Arc::downgrade(this), this.clock.tick()));
        }
    }

    /// A tick has passed. False when there is no connection left to look at.
    fn advance(&self) -> bool {
        self.clock.advance();
        let mut connections = self.lock();
        connections.all.retain(|connection| {
            let connection = connection.upgrade();
            connection.is_some_and(|connection| self.check(&connection))
        });
        connections.looked_at = !connections.all.is_empty();
        connections.looked_at
    }

    /// Ends a connection that is overdue. False when it needn't be looked at again.
    fn check(&self, watched: &Watched) -> bool {
        let state = watched.state.0.load(Ordering::Acquire);
        let phase = phase_of(state);
        let limit = match phase {
            Phase::Idle => self.idle,
            Phase::Busy => self.silent,
            Phase::Unbounded => return true,
            Phase::Over => return false,
        };
        if !self.clock.has_passed(limit, state as Tick) {
            return true;
        }
        let lives = phase == Phase::Busy && watched.has_unread();
        // It is the client that lets us wait.
        let next = if lives { Phase::Busy } else { Phase::Over };
        let next = word(next, self.clock.now());
        let exchange = AtomicU64::compare_exchange;
        if exchange(
            &watched.state.0,
            state,
            next,
            Ordering::AcqRel,
            Ordering::Acquire,
        )
        .is_err()
        {
            // Something happens just now.
            return true;
        }
        if !lives {
            match phase {
                // As if the time to keep it were Pingora's: endpoints log connections that are reset.
                Phase::Idle => watched.close(),
                Phase::Busy | Phase::Unbounded | Phase::Over => watched.reset(),
            }
            debug!(?phase, "nothing has happened for too long");
        }
        lives
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at all connections with each tick, as long as there are any.
async fn look(inner: Weak<Inner>, tick: Duration) {
    let mut ticks = tokio::time::interval(tick);
    // A tick is never shorter.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        match inner.upgrade() {
            Some(inner) if inner.advance() => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_ended_stays_so() {
        let state = State::default();
        assert!(state.enter(Phase::Busy, 7));
        state.note(8);
        assert_eq!(state.0.load(Ordering::Relaxed), word(Phase::Busy, 8));
        assert!(state.enter(Phase::Over, 9));
        state.note(10);
        assert!(!state.enter(Phase::Busy, 11));
        assert!(state.is_over());
    }
}
