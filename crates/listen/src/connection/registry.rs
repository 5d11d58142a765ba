use crate::clock::Tick;
use crate::connection::Connection;
use crate::connection::limit::ConnectionPermit;
use crate::meters::{Meters, SocketMetrics};
use gatefold_dataplane::Snapshot;
use hashbrown::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The open connections of one socket.
#[derive(Debug)]
pub(crate) struct Registry {
    socket: SocketAddr,
    meters: SocketMetrics,
    open: Mutex<OpenConnections>,
    empty: Notify,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    /// Under numbers that nobody else chooses, so any hash will do.
    connections: HashMap<u64, Arc<Connection>>,
    /// Since when the socket is gone.
    draining: Option<Tick>,
    /// The last snapshot that has the socket, when there is one.
    last: Option<Arc<Snapshot>>,
}

/// Keeps a connection in its registry; dropped, however the connection ends, it is gone from there and its
/// place is free.
#[derive(Debug)]
pub(crate) struct RegistryEntry {
    registry: Arc<Registry>,
    id: u64,
    /// Nothing for one that is served beyond the limit.
    _place: Option<ConnectionPermit>,
}

impl Registry {
    /// No connections yet.
    fn new(socket: SocketAddr, meters: SocketMetrics) -> Self {
        Registry {
            socket,
            meters,
            open: Mutex::default(),
            empty: Notify::new(),
        }
    }

    /// Notes a new connection.
    pub(crate) fn enter(
        self: &Arc<Self>,
        connection: Arc<Connection>,
        place: Option<ConnectionPermit>,
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
            _place: place,
        }
    }

    /// The next snapshot won't have the socket: requests that are on the way are still answered by this one.
    pub(crate) fn keep(&self, last: Arc<Snapshot>) {
        let mut open = self.open();
        for connection in open.connections.values() {
            connection.keep_port(&last);
        }
        open.last = Some(last);
    }

    /// Ends idle connections now and the others after the request in hand.
    pub(crate) fn drain(&self, now: Tick) {
        let mut open = self.open();
        open.draining = Some(now);
        for connection in open.connections.values() {
            connection.drain();
        }
    }

    /// Since when the socket is gone.
    pub(crate) fn draining_since(&self) -> Option<Tick> {
        self.open().draining
    }

    /// How many connections are open.
    pub(crate) fn count(&self) -> usize {
        self.open().connections.len()
    }

    /// Looks at every open connection.
    pub(crate) fn each(&self, mut look: impl FnMut(&Arc<Connection>)) {
        self.open().connections.values().for_each(&mut look);
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

/// The registries of all sockets, also of those that are gone and still have connections.
#[derive(Debug, Default)]
pub(crate) struct Registries(Mutex<Vec<Arc<Registry>>>);

impl Registries {
    /// The registry of a new socket.
    pub(crate) fn open(&self, socket: SocketAddr, meters: &Meters) -> Arc<Registry> {
        let mut list = self.list();
        let registry = Arc::new(Registry::new(socket, meters.socket(socket)));
        list.push(registry.clone());
        registry
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Registry>> {
        self.list().clone()
    }

    /// Forgets those whose socket and connections are gone, and the meters of addresses for which nothing is
    /// left.
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
