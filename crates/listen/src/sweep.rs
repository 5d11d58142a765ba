//! Looking after connections now and then, instead of with a timer for each of them.

use super::connection::Connection;
use super::meters::Closed;
use super::registry::Registry;
use super::shared::Shared;
use std::sync::{Arc, Weak};
use tokio::task::JoinHandle;

/// At most as many unused connections are closed at once, when others need their places; and of the unused
/// ones no more than one in eight, so that those used last are kept. nginx does the same.
const RECLAIMED: usize = 32;

/// Sees to deadlines until it is dropped.
#[derive(Debug)]
pub(super) struct Sweeper(JoinHandle<()>);

impl Sweeper {
    /// Call it within a Tokio runtime.
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        Sweeper(tokio::spawn(run(Arc::downgrade(shared))))
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(shared: Weak<Shared>) {
    let Some(tick) = shared.upgrade().map(|shared| shared.clock.tick()) else {
        return;
    };
    loop {
        // After each look: a clock that is late makes nobody's time short.
        tokio::time::sleep(tick).await;
        match shared.upgrade() {
            Some(shared) => shared.sweep(),
            None => return,
        }
    }
}

impl Shared {
    /// Ends what has passed a deadline.
    fn sweep(&self) {
        self.clock.advance();
        for registry in self.registries.all() {
            let drained = self.is_drain_over(&registry);
            registry.each(|connection| {
                let reason = match drained {
                    true => Some(Closed::DrainTimeout),
                    false => connection.overdue(),
                };
                match reason {
                    Some(reason) => self.end(connection, reason),
                    // Told in time for a look that came too late, or in vain: the next time is the first one again.
                    None => connection.acquit(),
                }
            });
        }
        self.registries.forget_done(&self.meters);
    }

    fn is_drain_over(&self, registry: &Registry) -> bool {
        let since = registry.draining_since();
        since.is_some_and(|since| self.clock.has_passed(self.deadlines.drain, since))
    }

    /// Its task ends it, and at the next look it is ended in spite of its task, which may wait for a client that
    /// takes nothing.
    fn end(&self, connection: &Connection, reason: Closed) {
        if !connection.condemn(reason) {
            connection.ended(reason);
            connection.abort();
        }
    }

    /// Closes the unused connections that have been so for longest, to make room for new ones. Not more often
    /// than it is worth: all connections are looked at.
    pub(super) fn reclaim(&self) {
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
        let count = (unused.len() / 8).clamp(1, RECLAIMED);
        unused.sort_by_key(|(since, _)| *since);
        for (_, connection) in unused.iter().take(count) {
            connection.condemn(Closed::Reclaimed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared::Options;
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn a_verdict_in_vain_does_not_cost_the_next_one_its_goodbye() {
        let shared = Arc::new(Shared::new(Options::default()));
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let registry = shared.registries.open(address, &shared.meters);
        let connection = Arc::new(Connection::new(address, address, false, shared.clone()));
        let _entry = registry.enter(connection.clone(), None);
        assert!(connection.condemn(Closed::Idle), "told while it was in use");
        shared.sweep();
        assert!(connection.condemn(Closed::Idle), "told for the first time");
        assert!(!connection.condemn(Closed::Idle), "it doesn't react");
    }
}
