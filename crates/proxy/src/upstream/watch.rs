//! Detects silent endpoints and idle connections without a timer for each wait.
//!
//! Pingora sets two timers per request: one for the response, and one for the idle connection. Most are cancelled within a
//! millisecond. Instead, a request records its activity as a number in its connection, and a periodic sweep over all
//! connections closes those without activity for too long, which fails the pending read or write.

use crate::upstream::deadline::{self, EndpointConnection};
use crate::upstream::peer::Exchange;
use crate::upstream::read_ahead::ReadAhead;
use async_trait::async_trait;
use gatefold_dataplane::backend_tls::BackendTls;
use gatefold_listen::clock::{Clock, Tick};
use gatefold_listen::sweep::{Sweep, sweep};
use pingora_core::Result;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::upstreams::peer::HttpPeer;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tracing::debug;

/// The phase of a connection to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointPhase {
    /// In the pool, without a request.
    Idle,
    /// In use by a request.
    Busy,
    /// In use by a request with its own timeout, or by an upgraded connection.
    Unbounded,
    /// Closed by the sweep.
    Over,
}

/// A phase and the time of the last activity in one word, so that both change atomically.
#[derive(Debug, Default)]
pub(crate) struct EndpointState(AtomicU64);

impl EndpointState {
    /// Starts a phase. Returns false if the connection was closed.
    pub(crate) fn enter(&self, phase: EndpointPhase, now: Tick) -> bool {
        let next = word(phase, now);
        let update = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
                (phase_of(state) != EndpointPhase::Over).then_some(next)
            });
        update.is_ok()
    }

    /// Records activity. Costs two loads if activity was already recorded in the same tick.
    pub(crate) fn record_activity(&self, now: Tick) {
        let state = self.0.load(Ordering::Acquire);
        if state as Tick != now {
            self.enter(phase_of(state), now);
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        phase_of(self.0.load(Ordering::Acquire)) == EndpointPhase::Over
    }
}

fn word(phase: EndpointPhase, tick: Tick) -> u64 {
    (phase as u64) << 32 | u64::from(tick)
}

fn phase_of(state: u64) -> EndpointPhase {
    match state >> 32 {
        0 => EndpointPhase::Idle,
        1 => EndpointPhase::Busy,
        2 => EndpointPhase::Unbounded,
        _ => EndpointPhase::Over,
    }
}

/// All connections to endpoints that start as HTTP/1.1, with the clock for them.
#[derive(Clone, Debug)]
pub(crate) struct EndpointWatch {
    inner: Arc<WatchState>,
    /// Opens connections that read ahead in full.
    full: Arc<WatchingConnector>,
    /// Opens connections that read little ahead.
    little: Arc<WatchingConnector>,
}

#[derive(Debug)]
struct WatchState {
    /// How long an endpoint may be silent during a request.
    silent: Duration,
    /// How long a connection may be idle.
    idle: Duration,
    clock: Clock,
    connections: Mutex<SweptConnections>,
}

#[derive(Debug, Default)]
struct SweptConnections {
    all: Vec<Weak<EndpointConnection>>,
    /// Whether a sweep is running.
    swept: bool,
}

impl EndpointWatch {
    pub(crate) fn new(silent: Duration, idle: Duration) -> Self {
        let inner = Arc::new(WatchState {
            silent,
            idle,
            clock: Clock::for_shortest(silent.min(idle)),
            connections: Mutex::default(),
        });
        let connector = |read_ahead| {
            Arc::new(WatchingConnector {
                inner: inner.clone(),
                exchange: Exchange::Http1,
                read_ahead,
                tls: None,
            })
        };
        EndpointWatch {
            full: connector(ReadAhead::Full),
            little: connector(ReadAhead::Little),
            inner,
        }
    }

    /// Registers a peer's connections. This replaces the timers for responses and idle connections. The timeout for writing a
    /// request stays: writes seldom wait, and nothing is read meanwhile. `tls` is for upgrades, which use TLS below what Pingora
    /// sees.
    pub(crate) fn set(
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
                options.custom_l4 = Some(Arc::new(WatchingConnector {
                    inner: self.inner.clone(),
                    exchange,
                    read_ahead: ReadAhead::Full,
                    tls: tls.cloned(),
                }));
            }
            // Many requests share the connection.
            Exchange::Http2 => {}
        }
    }

    pub(crate) fn now(&self) -> Tick {
        self.inner.clock.now()
    }
}

/// Opens connections and registers them for the sweep.
#[derive(Debug)]
struct WatchingConnector {
    inner: Arc<WatchState>,
    exchange: Exchange,
    read_ahead: ReadAhead,
    tls: Option<Arc<BackendTls>>,
}

#[async_trait]
impl L4Connect for WatchingConnector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let (exchange, tls) = (self.exchange, self.tls.as_deref());
        let connected = deadline::connect(address, exchange, self.read_ahead, tls);
        let (stream, watched) = connected.await?;
        // Until a request uses it, which a handshake may delay.
        watched.state.enter(EndpointPhase::Unbounded, 0);
        WatchState::add(&self.inner, &watched);
        Ok(stream)
    }
}

impl Sweep for WatchState {
    fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Checks all connections. The sweep ends if none is left.
    fn pass(&self) -> ControlFlow<()> {
        let mut connections = self.lock();
        connections.all.retain(|connection| {
            let connection = connection.upgrade();
            connection.is_some_and(|connection| self.check(&connection))
        });
        connections.swept = !connections.all.is_empty();
        if connections.swept {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

impl WatchState {
    fn add(this: &Arc<Self>, watched: &Arc<EndpointConnection>) {
        let mut connections = this.lock();
        connections.all.push(Arc::downgrade(watched));
        if !std::mem::replace(&mut connections.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(this)));
        }
    }

    /// Closes a connection that is overdue. Returns false if it need not be checked any more.
    fn check(&self, watched: &EndpointConnection) -> bool {
        let state = watched.state.0.load(Ordering::Acquire);
        let phase = phase_of(state);
        let limit = match phase {
            EndpointPhase::Idle => self.idle,
            EndpointPhase::Busy => self.silent,
            EndpointPhase::Unbounded => return true,
            EndpointPhase::Over => return false,
        };
        if !self.clock.has_passed(limit, state as Tick) {
            return true;
        }
        let lives = phase == EndpointPhase::Busy && watched.has_unread();
        // If the endpoint has sent something, the client is the one that delays.
        let next = if lives {
            EndpointPhase::Busy
        } else {
            EndpointPhase::Over
        };
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
            // The connection has just become active.
            return true;
        }
        if !lives {
            match phase {
                // Closes as Pingora would at its idle timeout: endpoints log connections that are reset.
                EndpointPhase::Idle => watched.close(),
                EndpointPhase::Busy | EndpointPhase::Unbounded | EndpointPhase::Over => {
                    watched.reset()
                }
            }
            debug!(?phase, "closed a connection without activity");
        }
        lives
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SweptConnections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_state_is_final() {
        let state = EndpointState::default();
        assert!(state.enter(EndpointPhase::Busy, 7));
        state.record_activity(8);
        assert_eq!(
            state.0.load(Ordering::Relaxed),
            word(EndpointPhase::Busy, 8)
        );
        assert!(state.enter(EndpointPhase::Over, 9));
        state.record_activity(10);
        assert!(!state.enter(EndpointPhase::Busy, 11));
        assert!(state.is_over());
    }
}
