//! When a connection ends although its client hasn't asked for it.

use super::super::meters::Closed;
use super::super::phase::Phase;
use super::super::shared::Shared;
use super::Connection;
use crate::clock::Tick;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use tracing::debug;

/// Who is woken when the connection shall end. They are only ever replaced, so whoever knows that the one here is
/// its own needn't look again.
#[derive(Clone, Debug, Default)]
pub(super) struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Reader,
    Writer,
}

impl Connection {
    /// Since when nothing has been under way; nothing when something is. What has only just come counts too,
    /// when it has had time to say what it wants, and so does HTTP/2 when a request that has arrived has had time to
    /// be in hand.
    pub(crate) fn unused_since(&self) -> Option<Tick> {
        let Shared {
            deadlines, clock, ..
        } = &*self.shared;
        let settled = |since: &Tick| clock.now().saturating_sub(*since) > 1;
        let (phase, since) = self.state.get();
        match phase {
            Phase::Idle => Some(since),
            Phase::Fresh => Some(since).filter(settled),
            Phase::Http2 => self.without_request_since().filter(settled),
            // Always in the middle of a frame, and never of a request.
            Phase::Http2Frame => self
                .without_request_since()
                .filter(|since| clock.has_passed(deadlines.header, *since)),
            Phase::Handshake | Phase::Header | Phase::Busy => None,
        }
    }

    /// Since when an HTTP/2 client has had no request under way, and all of the responses.
    fn without_request_since(&self) -> Option<Tick> {
        let idle = self.in_hand.load(Ordering::Acquire) == 0 && self.stalled_since().is_none();
        idle.then(|| self.finished.load(Ordering::Relaxed))
    }

    /// Since when the client has taken nothing of what is to be written to it; nothing when nothing waits.
    fn stalled_since(&self) -> Option<Tick> {
        self.stalled.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The deadline that has passed.
    pub(crate) fn overdue(&self) -> Option<Closed> {
        let Shared {
            deadlines, clock, ..
        } = &*self.shared;
        let passed = |deadline, since| clock.has_passed(deadline, since);
        if self.is_lingering() {
            return None;
        }
        let stalled = self.stalled_since();
        if stalled.is_some_and(|since| passed(deadlines.write, since)) {
            return Some(Closed::Write);
        }
        let (phase, since) = self.state.get();
        let (deadline, since, closed) = match phase {
            // Bounded where it is done.
            Phase::Handshake => return None,
            // Bounded there, too, but for a client that may be gone: that shows only when it is sent something.
            Phase::Busy => (
                deadlines.half_closed,
                self.half_closed_since()?,
                Closed::OneSided,
            ),
            // A client that has come just before the end, or has just got an answer, may have its next request
            // on the way: it is answered with `Connection: close`. Who was silent for longer is closed.
            Phase::Fresh | Phase::Idle if self.is_draining() => {
                (clock.tick() * 2, since, Closed::Drained)
            }
            Phase::Fresh => (deadlines.first_byte, since, Closed::FirstByte),
            Phase::Header => (deadlines.header, since, Closed::Header),
            Phase::Idle => (deadlines.idle, since, Closed::Idle),
            Phase::Http2Frame if passed(deadlines.header, since) => return Some(Closed::Header),
            // Frames that aren't a request's don't make a client less idle.
            Phase::Http2 | Phase::Http2Frame => {
                let since = self.without_request_since()?;
                (deadlines.http2_idle, since, Closed::Idle)
            }
        };
        passed(deadline, since).then_some(closed)
    }

    /// Ends the connection as soon as its task finds that the reason still stands. Gives false when it was told
    /// so before.
    pub(crate) fn condemn(&self, reason: Closed) -> bool {
        let before = self.verdict.swap(reason.code(), Ordering::Release);
        self.wake();
        before != reason.code()
    }

    /// The client did what it was to be closed for not doing.
    pub(crate) fn acquit(&self) {
        let verdict = self.verdict.load(Ordering::Relaxed);
        if verdict != 0 && verdict != Closed::DrainTimeout.code() {
            self.verdict.store(0, Ordering::Relaxed);
        }
    }

    /// Counts the end of the connection.
    pub(crate) fn ended(&self, reason: Closed) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.shared.meters.closed(reason);
            debug!(peer = %self.peer, ?reason, "a connection is closed");
        }
    }

    /// Whether it was ended for a reason of ours.
    pub(crate) fn has_been_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Ends it now, whatever its task does.
    pub(crate) fn abort(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// Lets the request in hand finish and ends the connection.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.wake();
    }

    /// Ready when the connection shall end, with the reason. Else the task is woken when that changes. To be
    /// asked only after the socket had nothing to read, so that no request that has arrived is lost. `known` is
    /// the caller's, for its next call.
    pub(crate) fn poll_end(
        &self,
        context: &mut Context<'_>,
        known: &mut Option<Waker>,
    ) -> Poll<Closed> {
        self.register(context, known, Side::Reader);
        match self.end() {
            Some(closed) => Poll::Ready(closed),
            None => Poll::Pending,
        }
    }

    /// Notes that the client takes nothing now. Ready when the connection shall end because of that; else the task
    /// is woken when that changes.
    pub(crate) fn poll_stalled(
        &self,
        context: &mut Context<'_>,
        known: &mut Option<Waker>,
    ) -> Poll<Closed> {
        if self.stalled_since().is_none() {
            let since = self.shared.clock.now().saturating_add(1);
            self.stalled.store(since, Ordering::Relaxed);
        }
        self.register(context, known, Side::Writer);
        match self.end() {
            Some(reason @ (Closed::Write | Closed::DrainTimeout)) => Poll::Ready(reason),
            _ => Poll::Pending,
        }
    }

    /// The client has taken something.
    pub(crate) fn flow(&self) {
        // A response over HTTP/2 may have been done for us long before the client has it.
        let now = self.shared.clock.now();
        self.finished.store(now, Ordering::Relaxed);
        self.stalled.store(0, Ordering::Relaxed);
    }

    /// The reason to end the connection, if it still stands: time goes on between a verdict and this.
    fn end(&self) -> Option<Closed> {
        let reason = Closed::of_code(self.verdict.load(Ordering::Acquire))?;
        let stands = match reason {
            Closed::DrainTimeout | Closed::Malformed => true,
            Closed::Reclaimed => self.unused_since().is_some(),
            Closed::Handshake
            | Closed::FirstByte
            | Closed::Header
            | Closed::Idle
            | Closed::Write
            | Closed::OneSided
            | Closed::Drained => self.overdue() == Some(reason),
        };
        stands.then_some(reason)
    }

    /// Has the task woken when the connection shall end. A task that has one waker all its life takes the lock
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

    /// To be called after what the tasks shall see was stored. Whoever registers later sees it through the lock.
    /// Whoever is registered is woken after it, and looks again: that it sees nothing would take a look that
    /// began before, and during such a one the task is marked to run once more.
    fn wake(&self) {
        let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let Wakers { reader, writer } = wakers.clone();
        drop(wakers);
        for waker in reader.into_iter().chain(writer) {
            waker.wake();
        }
    }
}
