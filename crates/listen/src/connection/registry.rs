//! The open connections of each socket.

use crate::clock::Tick;
use crate::connection::Connection;
use crate::connection::limit::ConnectionPermit;
use crate::meters::{Meters, SocketMetrics};
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::SocketKey;
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The open connections of one socket.
#[derive(Debug)]
pub(crate) struct Registry {
    socket: SocketKey,
    meters: SocketMetrics,
    open: Mutex<OpenConnections>,
    empty: Notify,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    /// By numbers that clients can't choose, so hashing needn't resist collision attacks.
    connections: HashMap<u64, Arc<Connection>>,
    /// The tick in which the socket was closed.
    draining: Option<Tick>,
    /// The last snapshot that has the socket, once a later one doesn't.
    last: Option<Arc<Snapshot>>,
}

/// Keeps a connection in its registry. When this is dropped, the connection is removed and its permit is released, however
/// the connection ends.
#[derive(Debug)]
pub(crate) struct RegistryEntry {
    registry: Arc<Registry>,
    id: u64,
    /// `None` for a connection that is served beyond the limit.
    _permit: Option<ConnectionPermit>,
}

impl Registry {
    fn new(socket: SocketKey, meters: SocketMetrics) -> Self {
        Registry {
            socket,
            meters,
            open: Mutex::default(),
            empty: Notify::new(),
        }
    }

    /// Adds a new connection.
    pub(crate) fn enter(
        self: &Arc<Self>,
        connection: Arc<Connection>,
        permit: Option<ConnectionPermit>,
    ) -> RegistryEntry {
        let mut open = self.open();
        if open.draining.is_some() {
            connection.drain();
        }
        if let Some(last) = &open.last {
            connection.keep_port(last);
        }
        let id = open.next;
        open.next += 1;
        open.connections.insert(id, connection);
        self.meters.open.inc();
        self.meters.accepted.inc();
        RegistryEntry {
            registry: self.clone(),
            id,
            _permit: permit,
        }
    }

    /// Records that the next snapshot doesn't have the socket. Requests that arrive later are still routed by `last`.
    pub(crate) fn keep_port(&self, last: Arc<Snapshot>) {
        let mut open = self.open();
        for connection in open.connections.values() {
            connection.keep_port(&last);
        }
        open.last = Some(last);
    }

    /// The last snapshot that has the socket. `None` if the current one has it.
    pub(crate) fn last_snapshot(&self) -> Option<Arc<Snapshot>> {
        self.open().last.clone()
    }

    /// Ends idle connections now and the others after the request in flight.
    pub(crate) fn drain(&self, now: Tick) {
        let mut open = self.open();
        open.draining = Some(now);
        for connection in open.connections.values() {
            connection.drain();
        }
    }

    /// The tick in which the socket was closed.
    pub(crate) fn draining_since(&self) -> Option<Tick> {
        self.open().draining
    }

    /// The number of open connections.
    pub(crate) fn count(&self) -> usize {
        self.open().connections.len()
    }

    /// Calls `visit` for every open connection.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Arc<Connection>)) {
        self.open().connections.values().for_each(&mut visit);
    }

    /// Waits until no connection is open.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.empty.notified();
            if self.count() == 0 {
                return;
            }
            notified.await;
        }
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RegistryEntry {
    fn drop(&mut self) {
        let registry = &self.registry;
        let mut open = registry.open();
        let connection = open.connections.remove(&self.id);
        registry.meters.open.dec();
        if open.connections.is_empty() {
            registry.empty.notify_waiters();
        }
        drop(open);
        drop(connection);
    }
}

/// The registries of all sockets, including closed ones that still have connections.
#[derive(Debug, Default)]
pub(crate) struct Registries(Mutex<Vec<Arc<Registry>>>);

impl Registries {
    /// Creates the registry of a new socket.
    pub(crate) fn open(&self, socket: SocketKey, meters: &Meters) -> Arc<Registry> {
        let mut list = self.list();
        let registry = Arc::new(Registry::new(socket, meters.socket(socket)));
        list.push(registry.clone());
        registry
    }

    /// All registries.
    pub(crate) fn all(&self) -> Vec<Arc<Registry>> {
        self.list().clone()
    }

    /// Removes the registries whose socket and connections are closed, and the metrics of sockets without any registry.
    pub(crate) fn forget_done(&self, meters: &Meters) {
        let mut list = self.list();
        let is_done =
            |registry: &Arc<Registry>| registry.draining_since().is_some() && registry.count() == 0;
        let (done, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *list).into_iter().partition(is_done);
        *list = left;
        for registry in done {
            if !list.iter().any(|other| other.socket == registry.socket) {
                meters.forget(registry.socket);
            }
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Arc<Registry>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
