//! Decides when gatefold ends a connection, and tells the connection's task.
//!
//! The sweep marks a connection for closing and wakes its task. The task checks that the reason still holds before it ends the
//! connection, so a request that has just arrived isn't lost.

use super::Connection;
use crate::clock::Tick;
use crate::connection::phase::ClientPhase;
use crate::meters::CloseReason;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use tracing::debug;

/// How many ticks a task has to end its connection. It needs that long only if its thread is busy, for example because thousands
/// of connections are overdue at once.
pub(crate) const PATIENCE: Tick = 4;

/// The wakers of the tasks to wake when the connection must end. They are only ever replaced, so a task whose waker is
/// registered needn't register it again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The direction that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Reader,
    Writer,
}

impl Connection {
    /// The tick since which the connection has been unused; `None` if it is in use. A new connection counts as unused once
    /// its client has had time to send a request. An HTTP/2 connection counts as unused once a request that has arrived
    /// has had time to begin.
    pub(crate) fn unused_since(&self) -> Option<Tick> {
        let (deadlines, clock) = (self.deadlines(), &self.shared.clock);
        let settled = |since: &Tick| clock.now().saturating_sub(*since) > 1;
        let (phase, since) = self.state.get();
        match phase {
            ClientPhase::Idle => Some(since),
            ClientPhase::Fresh => Some(since).filter(settled),
            ClientPhase::Http2 => self.without_request_since().filter(settled),
            // A client that is always within some frame, but has no request in flight.
            ClientPhase::Http2Frame => self
                .without_request_since()
                .filter(|since| clock.has_passed(deadlines.header, *since)),
            ClientPhase::Handshake | ClientPhase::Header | ClientPhase::Busy => None,
        }
    }

    /// The tick since which an HTTP/2 client has had no request in flight and no response data pending.
    fn without_request_since(&self) -> Option<Tick> {
        let idle = self.active.load(Ordering::Acquire) == 0 && self.stalled_since().is_none();
        idle.then(|| self.finished.load(Ordering::Relaxed))
    }

    /// The tick since which the client has read nothing of the data pending for it; `None` if no data is pending.
    fn stalled_since(&self) -> Option<Tick> {
        self.stalled.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The reason to close the connection if one of its deadlines has passed.
    pub(crate) fn overdue(&self) -> Option<CloseReason> {
        let (deadlines, clock) = (self.deadlines(), &self.shared.clock);
        let passed = |deadline, since| clock.has_passed(deadline, since);
        if self.is_lingering() {
            return None;
        }
        let stalled = self.stalled_since();
        if stalled.is_some_and(|since| passed(deadlines.write, since)) {
            return Some(CloseReason::Write);
        }
        let (phase, since) = self.state.get();
        let (deadline, since, closed) = match phase {
            // The PROXY header and the TLS handshake have their own timeout, in `socket::port_server`.
            ClientPhase::Handshake => return None,
            // The proxy bounds requests, except for a client that may have left: only sending to it would show that.
            ClientPhase::Busy => (
                deadlines.half_closed,
                self.half_closed_since()?,
                CloseReason::OneSided,
            ),
            // A client that has just connected or has just received a response may have sent a request that hasn't
            // arrived yet; it gets a response with `Connection: close`. A client that was idle for longer is closed.
            ClientPhase::Fresh | ClientPhase::Idle if self.is_draining() => {
                (clock.tick() * 2, since, CloseReason::Drained)
            }
            ClientPhase::Fresh => (deadlines.first_byte, since, CloseReason::FirstByte),
            ClientPhase::Header => (deadlines.header, since, CloseReason::Header),
            ClientPhase::Idle => (deadlines.idle, since, CloseReason::Idle),
            ClientPhase::Http2Frame if passed(deadlines.header, since) => {
                return Some(CloseReason::Header);
            }
            // Only requests count as activity, other frames don't.
            ClientPhase::Http2 | ClientPhase::Http2Frame => {
                let since = self.without_request_since()?;
                (deadlines.http2_idle, since, CloseReason::Idle)
            }
        };
        passed(deadline, since).then_some(closed)
    }

    /// Marks the connection for closing. Its task ends it if the reason still holds.
    pub(crate) fn mark_for_closing(&self, reason: CloseReason) {
        let before = self.close_mark.swap(reason.code(), Ordering::Release);
        if before != reason.code() {
            self.marked
                .store(self.shared.clock.now(), Ordering::Relaxed);
        }
        self.wake();
    }

    /// Whether the task of the marked connection hasn't reacted for [`PATIENCE`].
    pub(crate) fn ignores_mark(&self) -> bool {
        let marked = self.marked.load(Ordering::Relaxed);
        self.shared.clock.now().saturating_sub(marked) >= PATIENCE
    }

    /// Clears the mark, since the client became active in time. A drain timeout can't be cleared.
    pub(crate) fn clear_mark(&self) {
        let mark = self.close_mark.load(Ordering::Relaxed);
        if mark != 0 && mark != CloseReason::DrainTimeout.code() {
            self.close_mark.store(0, Ordering::Relaxed);
        }
    }

    /// Records that gatefold ends the connection, and counts it by reason.
    pub(crate) fn ended(&self, reason: CloseReason) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.shared.meters.closed(reason);
            debug!(peer = %self.peer(), ?reason, "closing a client's connection");
        }
    }

    /// Whether gatefold has ended the connection.
    pub(crate) fn has_been_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Ends the connection now, by aborting its task.
    pub(crate) fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Makes the connection end after the request in flight.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.wake();
    }

    /// Ready with the reason if the connection must end; otherwise registers the task to be woken. Call this only after a read
    /// of the socket was pending, so that no request that has arrived is lost. `known` is the waker that this caller has
    /// registered; the caller keeps it for its next call.
    pub(crate) fn poll_end(
        &self,
        context: &mut Context<'_>,
        known: &mut Option<Waker>,
    ) -> Poll<CloseReason> {
        self.register(context, known, Side::Reader);
        match self.end() {
            Some(closed) => Poll::Ready(closed),
            None => Poll::Pending,
        }
    }

    /// Records that a write to the client is pending. Ready with the reason if the connection must end because of that;
    /// otherwise registers the task to be woken.
    pub(crate) fn poll_stalled(
        &self,
        context: &mut Context<'_>,
        known: &mut Option<Waker>,
    ) -> Poll<CloseReason> {
        if self.stalled_since().is_none() {
            let since = self.shared.clock.now().saturating_add(1);
            self.stalled.store(since, Ordering::Relaxed);
        }
        self.register(context, known, Side::Writer);
        match self.end() {
            Some(reason @ (CloseReason::Write | CloseReason::DrainTimeout)) => Poll::Ready(reason),
            _ => Poll::Pending,
        }
    }

    /// Records that a write to the client has made progress.
    pub(crate) fn flow(&self) {
        // Over HTTP/2 the proxy may have finished a response long before the client has received it.
        let now = self.shared.clock.now();
        self.finished.store(now, Ordering::Relaxed);
        self.stalled.store(0, Ordering::Relaxed);
    }

    /// The reason for which the connection is marked, if it still holds: the client may have become active since.
    fn end(&self) -> Option<CloseReason> {
        let reason = CloseReason::of_code(self.close_mark.load(Ordering::Acquire))?;
        let holds = match reason {
            CloseReason::DrainTimeout | CloseReason::Malformed => true,
            CloseReason::Reclaimed => self.unused_since().is_some(),
            CloseReason::ProxyHeader
            | CloseReason::SocketLimit
            | CloseReason::Handshake
            | CloseReason::FirstByte
            | CloseReason::Header
            | CloseReason::Idle
            | CloseReason::Write
            | CloseReason::OneSided
            | CloseReason::Drained => self.overdue() == Some(reason),
        };
        holds.then_some(reason)
    }

    /// Registers the task to be woken when the connection must end. A task whose waker doesn't change takes the lock only
    /// once.
    fn register(&self, context: &Context<'_>, known: &mut Option<Waker>, side: Side) {
        let waker = context.waker();
        if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match side {
            Side::Reader => &mut wakers.reader,
            Side::Writer => &mut wakers.writer,
        };
        *place = Some(waker.clone());
        *known = Some(waker.clone());
    }

    /// Wakes the tasks. Call this after storing the mark. No wake-up is lost: a task that registers later sees the mark, since
    /// both take the lock; a task that is already registered is woken and checks again, and if it is running at the
    /// moment, Tokio schedules it to run once more.
    fn wake(&self) {
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let Wakers { reader, writer } = wakers.clone();
        drop(wakers);
        for waker in reader.into_iter().chain(writer) {
            waker.wake();
        }
    }
}
