//! Enforces the deadlines of all connections in one periodic pass, instead of a timer for each connection.
//!
//! In: the open connections of all sockets. Out: connections marked for closing, or aborted if they don't react.

use crate::clock::Clock;
use crate::connection::Connection;
use crate::connection::registry::Registry;
use crate::meters::CloseReason;
use crate::shared::SharedState;
use crate::sweep::{Sweep, sweep};
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Maximum number of unused connections that are closed at once to make room for new ones. At most one in eight
/// is closed, so that recently used connections are kept. nginx does the same.
const MAX_RECLAIMED: usize = 32;

/// The task that enforces deadlines. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct DeadlineSweep(JoinHandle<()>);

impl DeadlineSweep {
    /// Starts the task on the current Tokio runtime.
    pub(crate) fn start(shared: &Arc<SharedState>) -> Self {
        DeadlineSweep(tokio::spawn(sweep(Arc::downgrade(shared))))
    }
}

impl Drop for DeadlineSweep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sweep for SharedState {
    fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Closes connections that have passed a deadline.
    fn pass(&self) -> ControlFlow<()> {
        for registry in self.registries.all() {
            let drained = self.is_drain_over(&registry);
            registry.each(|connection| {
                let reason = if drained {
                    Some(CloseReason::DrainTimeout)
                } else {
                    connection.overdue()
                };
                match reason {
                    Some(reason) => self.end(connection, reason),
                    // It is no longer overdue. The next time it is, its task again has some passes to end it.
                    None => connection.clear_mark(),
                }
            });
        }
        self.registries.forget_done(&self.meters);
        ControlFlow::Continue(())
    }
}

impl SharedState {
    fn is_drain_over(&self, registry: &Registry) -> bool {
        let since = registry.draining_since();
        since.is_some_and(|since| self.clock.has_passed(self.deadlines.drain, since))
    }

    /// Asks the connection's task to end it. Aborts a task that doesn't react: it may be waiting for a client that reads
    /// nothing.
    fn end(&self, connection: &Connection, reason: CloseReason) {
        connection.mark_for_closing(reason);
        if connection.ignores_mark() {
            connection.ended(reason);
            connection.abort();
        }
    }

    /// Closes the connections that have been unused for longest, to make room for new ones. This scans all
    /// connections, so the limit restricts how often it runs.
    pub(crate) fn reclaim(&self) {
        if !self.limit.may_reclaim() {
            return;
        }
        let mut unused = Vec::new();
        for registry in self.registries.all() {
            registry.each(|connection| {
                if let Some(since) = connection.unused_since() {
                    unused.push((since, connection.clone()));
                }
            });
        }
        let count = (unused.len() / 8).clamp(1, MAX_RECLAIMED);
        unused.sort_by_key(|(since, _)| *since);
        for (_, connection) in unused.iter().take(count) {
            connection.mark_for_closing(CloseReason::Reclaimed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ending::PATIENCE;
    use crate::shared::ListenOptions;
    use gatefold_dataplane::SocketKey;
    use std::net::SocketAddr;

    #[test]
    fn a_task_has_some_passes_to_end_a_connection_that_stays_overdue() {
        let shared = Arc::new(SharedState::new(ListenOptions::default()));
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let socket = SocketKey::tcp(address);
        let registry = shared.registries.open(socket, &shared.meters);
        let connection = Arc::new(Connection::new(socket, address, false, shared.clone()));
        let _entry = registry.enter(connection.clone(), None);
        let passes = |count| (0..count).for_each(|_| shared.clock.advance());
        connection.mark_for_closing(CloseReason::Idle);
        passes(PATIENCE);
        assert!(connection.ignores_mark());
        // The connection isn't overdue, so this pass clears the mark.
        let _ = shared.pass();
        connection.mark_for_closing(CloseReason::Idle);
        assert!(!connection.ignores_mark(), "the mark is new");
        passes(PATIENCE - 1);
        connection.mark_for_closing(CloseReason::Idle);
        assert!(!connection.ignores_mark(), "the task still has a pass");
        passes(1);
        connection.mark_for_closing(CloseReason::Idle);
        assert!(connection.ignores_mark());
    }
}
