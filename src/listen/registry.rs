use super::connection::Connection;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The open connections of one socket.
#[derive(Debug, Default)]
pub(super) struct Registry {
    open: Mutex<Open>,
    empty: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    connections: HashMap<u64, Arc<Connection>>,
    draining: bool,
}

/// Keeps a connection in its registry; dropped, however the connection ends, it is gone from there.
#[derive(Debug)]
pub(super) struct Entry {
    registry: Arc<Registry>,
    id: u64,
}

impl Registry {
    /// Notes a new connection.
    pub(super) fn enter(self: &Arc<Self>, connection: Arc<Connection>) -> Entry {
        let mut open = self.open();
        if open.draining {
            connection.drain();
        }
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, connection);
        Entry {
            registry: self.clone(),
            id,
        }
    }

    /// Ends idle connections now and the others after the request in hand.
    pub(super) fn drain(&self) {
        let mut open = self.open();
        open.draining = true;
        for connection in open.connections.values() {
            connection.drain();
        }
    }

    /// How many connections are open.
    pub(super) fn count(&self) -> usize {
        self.open().connections.len()
    }

    /// Waits until no connection is open.
    pub(super) async fn emptied(&self) {
        loop {
            let notified = self.empty.notified();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.registry.open();
        open.connections.remove(&self.id);
        if open.connections.is_empty() {
            self.registry.empty.notify_waiters();
        }
    }
}
