//! The listening sockets: which are bound, which accept, and how a change is applied to them.
//!
//! In: the keys of the sockets that a snapshot needs, and sockets that another process has bound. Out: accept loops, and a
//! [`BindFailure`] for every socket that can't be bound.

pub(crate) mod accept;
mod activated;
mod backoff;
pub(crate) mod bind;
pub(crate) mod inherited;
mod keep_alive;
mod layers;
mod port_server;

use crate::HttpApp;
use crate::connection::deadline_sweep::DeadlineSweep;
use crate::connection::registry::Registry;
use crate::shared::{ListenOptions, SharedState};
use crate::worker::Workers;
use accept::AcceptLoop;
use activated::ActivatedSocket;
use arc_swap::ArcSwap;
use backoff::Backoff;
use bind::{BindFailure, BindFailureReason, bind, ignore_missing_ipv6, set_options};
use gatefold_dataplane::{Snapshot, SocketKey};
use inherited::InheritedSocket;
use port_server::{IpFamilies, PortServer};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info};

/// Sockets that couldn't be bound, and why.
pub type Failures = BTreeMap<SocketKey, BindFailure>;

/// The listening sockets and their connections.
///
/// A change has three steps: [`prepare`](Self::prepare), publishing the new snapshot, and [`commit`](Self::commit).
pub struct Sockets<A> {
    workers: Arc<Workers<A>>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    wanted: BTreeSet<SocketKey>,
    /// Bound, but not accepting yet.
    prepared: BTreeMap<SocketKey, TcpListener>,
    accepting: BTreeMap<SocketKey, Accepting>,
    /// Told to stop, but possibly still running.
    closing: Vec<Closing>,
    /// Sockets from systemd. They stay open whether they are wanted or not.
    activated: BTreeMap<SocketKey, ActivatedSocket>,
    shared: Arc<SharedState>,
    /// Runs once the first socket accepts.
    sweeper: Option<DeadlineSweep>,
    failures: Failures,
    backoff: Backoff,
}

/// A socket that accepts connections.
struct Accepting {
    /// Shared with the task only: when both have dropped it, the socket is closed.
    listener: Arc<tokio::net::TcpListener>,
    stop: watch::Sender<bool>,
    connections: Arc<Registry>,
    task: JoinHandle<()>,
}

/// A socket that is being closed. It is closed when its task has ended.
struct Closing {
    connections: Arc<Registry>,
    task: JoinHandle<()>,
}

impl<A: HttpApp> Sockets<A> {
    /// Creates an empty set of sockets. Connections are served by `workers`. `snapshot` determines, for each connection, what the
    /// port serves and with which certificates.
    pub fn new(
        workers: Workers<A>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        options: ListenOptions,
    ) -> Self {
        Sockets {
            workers: Arc::new(workers),
            snapshot,
            wanted: BTreeSet::new(),
            prepared: BTreeMap::new(),
            accepting: BTreeMap::new(),
            closing: Vec::new(),
            activated: BTreeMap::new(),
            shared: Arc::new(SharedState::new(options)),
            sweeper: None,
            failures: Failures::new(),
            backoff: Backoff::default(),
        }
    }

    /// Adds a socket that another process has bound, and returns its key. It is used if a snapshot needs it. If none does,
    /// the next [`commit`](Self::commit) closes it, unless it is from systemd, which keeps it open.
    ///
    /// # Errors
    ///
    /// If it isn't a TCP socket.
    pub fn adopt(&mut self, inherited: InheritedSocket) -> io::Result<SocketKey> {
        let key = inherited.socket.key()?;
        let listener = inherited.socket.into_tcp()?;
        set_options(&listener)?;
        match inherited.activated {
            Some(name) => {
                let activated = ActivatedSocket::new(name, listener, key);
                self.activated.insert(key, activated);
            }
            None => {
                self.prepared.insert(key, listener);
            }
        }
        Ok(key)
    }

    /// Returns duplicates of all sockets, for a successor. From then on both processes accept from the same queues.
    ///
    /// # Errors
    ///
    /// If the process has no file descriptors left.
    pub fn lend(&self) -> io::Result<Vec<InheritedSocket>> {
        let mut lent = Vec::new();
        for activated in self.activated.values() {
            lent.push(activated.lend()?);
        }
        let is_activated = |key: &SocketKey| self.activated.contains_key(key);
        for (key, accepting) in &self.accepting {
            if !is_activated(key) {
                let listener = accepting.listener.as_fd().try_clone_to_owned()?;
                lent.push(InheritedSocket::from(TcpListener::from(listener)));
            }
        }
        for (key, listener) in &self.prepared {
            if !is_activated(key) {
                lent.push(InheritedSocket::from(listener.try_clone()?));
            }
        }
        Ok(lent)
    }

    /// Binds the wanted sockets that aren't bound yet, including those that failed before. Clients queue there from now on.
    /// Returns the sockets that couldn't be bound. Nothing is closed yet.
    pub fn prepare(&mut self, wanted: impl IntoIterator<Item = SocketKey>) -> &Failures {
        let wanted = wanted.into_iter();
        self.wanted = wanted.map(|key| self.serving(key)).collect();
        for (key, accepting) in &self.accepting {
            if !self.wanted.contains(key) {
                accepting.connections.keep_port(self.snapshot.load_full());
            }
        }
        self.backoff.reset();
        self.bind_missing();
        &self.failures
    }

    /// Closes sockets that are no longer wanted and starts accepting on the new ones. Retries those that couldn't be bound,
    /// since a socket that was just closed may have been in the way. Returns the sockets that still couldn't be bound.
    pub async fn commit(&mut self) -> &Failures {
        self.close_unwanted().await;
        if !self.failures.is_empty() {
            self.bind_missing();
        }
        self.start_prepared();
        for (key, activated) in &mut self.activated {
            activated.report_use(self.wanted.contains(key), *key);
        }
        &self.failures
    }

    /// The time until [`retry`](Self::retry) is due; `None` if every wanted socket is bound.
    pub fn retry_after(&self) -> Option<Duration> {
        (!self.failures.is_empty()).then(|| self.backoff.delay())
    }

    /// Retries the sockets that couldn't be bound, and starts accepting on those that now could. Returns whether the failures
    /// have changed.
    pub fn retry(&mut self) -> bool {
        let before = self.failures.clone();
        self.bind_missing();
        self.start_prepared();
        if !self.failures.is_empty() {
            self.backoff.failed();
        }
        before != self.failures
    }

    /// The threads that serve the connections.
    pub fn workers(&self) -> &Arc<Workers<A>> {
        &self.workers
    }

    /// The sockets that couldn't be bound in the last attempt.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The sockets that accept connections, in order.
    pub fn accepting(&self) -> impl Iterator<Item = SocketKey> {
        self.accepting.keys().copied()
    }

    /// The number of open connections, including those of closed sockets.
    pub fn connections(&self) -> usize {
        let registries = self.shared.registries.all();
        registries.iter().map(|registry| registry.count()).sum()
    }

    /// Closes every socket, ends idle connections, and waits for the others, at most for `grace`. Returns the number of
    /// connections that were still open then.
    pub async fn shutdown(&mut self, grace: Duration) -> usize {
        self.wanted.clear();
        self.failures.clear();
        self.close_unwanted().await;
        let emptied = async {
            for registry in self.shared.registries.all() {
                registry.emptied().await;
            }
        };
        let _ = tokio::time::timeout(grace, emptied).await;
        self.connections()
    }

    fn bind_missing(&mut self) {
        self.failures.clear();
        for &key in &self.wanted {
            if self.is_bound(key) {
                continue;
            }
            match self.bind(key) {
                Ok(listener) => {
                    self.prepared.insert(key, listener);
                }
                Err(failure) => {
                    self.failures.insert(key, failure);
                }
            }
        }
        let is_bound = |key| self.accepting.contains_key(&key) || self.prepared.contains_key(&key);
        ignore_missing_ipv6(&mut self.failures, is_bound);
    }

    fn is_bound(&self, key: SocketKey) -> bool {
        self.accepting.contains_key(&key) || self.prepared.contains_key(&key)
    }

    /// Returns the socket from systemd for `key` if there is one, or binds a new one.
    fn bind(&self, key: SocketKey) -> Result<TcpListener, BindFailure> {
        match self.activated.get(&key) {
            Some(activated) => activated.try_clone().map_err(|error| BindFailure {
                reason: BindFailureReason::Other,
                message: format!("the socket for {key} from systemd can't be used: {error}"),
            }),
            None => bind(key).map_err(|failure| self.explained(key, failure)),
        }
    }

    /// Linux doesn't let a socket for every address share its port with one for a single address, even in the same process.
    /// If that is why binding failed, the message says so instead of blaming another process.
    fn explained(&self, key: SocketKey, failure: BindFailure) -> BindFailure {
        if failure.reason != BindFailureReason::PortInUse {
            return failure;
        }
        let own = self.accepting.keys().chain(self.prepared.keys());
        let conflicts = |own: &&SocketKey| {
            own.transport == key.transport
                && own.port() == key.port()
                && own.ip().is_ipv4() == key.ip().is_ipv4()
                && (own.ip().is_unspecified() || key.ip().is_unspecified())
        };
        match { own }.find(conflicts) {
            Some(own) => BindFailure::overlap(key, *own),
            None => failure,
        }
    }

    /// The socket that serves `wanted`. This is another one only for `0.0.0.0` if systemd has bound one socket for both
    /// families, as it does if only a port is configured.
    fn serving(&self, wanted: SocketKey) -> SocketKey {
        let both = wanted.with_ip(Ipv6Addr::UNSPECIFIED);
        let covered = wanted.ip() == Ipv4Addr::UNSPECIFIED
            && !self.activated.contains_key(&wanted)
            && self
                .activated
                .get(&both)
                .is_some_and(ActivatedSocket::is_dual_stack);
        if covered { both } else { wanted }
    }

    fn start_prepared(&mut self) {
        for (key, listener) in std::mem::take(&mut self.prepared) {
            if !self.wanted.contains(&key) {
                continue;
            }
            match self.start(key, listener) {
                Ok(accepting) => {
                    self.accepting.insert(key, accepting);
                    self.sweeper
                        .get_or_insert_with(|| DeadlineSweep::start(&self.shared));
                    info!(socket = %key, "listening");
                }
                Err(problem) => {
                    error!(socket = %key, error = %problem, "can't listen");
                    let failure = BindFailure {
                        reason: BindFailureReason::Other,
                        message: format!(
                            "{key} is bound, but accepting connections fails: {problem}"
                        ),
                    };
                    self.failures.insert(key, failure);
                }
            }
        }
    }

    /// Starts accepting on a bound socket.
    fn start(
        &self,
        key: SocketKey,
        listener: TcpListener,
    ) -> Result<Accepting, Box<dyn std::error::Error + Send + Sync>> {
        let activated = self.activated.get(&key);
        let families = if activated.is_some_and(ActivatedSocket::is_dual_stack) {
            IpFamilies::Both
        } else {
            IpFamilies::Own
        };
        let worker = self.workers.for_socket();
        let runtime = self.workers.runtime(worker);
        let listener = {
            // Registers the socket with the worker's runtime.
            let _entered = runtime.enter();
            Arc::new(tokio::net::TcpListener::from_std(listener)?)
        };
        let (stop, stopped) = watch::channel(false);
        let server = PortServer::new(
            key,
            families,
            self.workers.clone(),
            worker,
            self.snapshot.clone(),
            self.shared.clone(),
            stopped.clone(),
        )?;
        let connections = server.connections().clone();
        let accept_loop = AcceptLoop::new(key, server, self.shared.clone(), stopped);
        Ok(Accepting {
            listener: listener.clone(),
            stop,
            connections,
            task: runtime.spawn(accept_loop.run(listener)),
        })
    }

    /// Closes the sockets that aren't wanted. If this is cancelled, the next call continues with the rest.
    async fn close_unwanted(&mut self) {
        let wanted = &self.wanted;
        self.prepared.retain(|key, _| wanted.contains(key));
        let unwanted = self
            .accepting
            .extract_if(.., |key, _| !wanted.contains(key));
        // Stop all of them first, so that none keeps accepting while another one empties its queue.
        for (key, accepting) in unwanted {
            drop(accepting.listener);
            let _ = accepting.stop.send(true);
            self.closing.push(Closing {
                connections: accepting.connections,
                task: accepting.task,
            });
            info!(socket = %key, "no longer listening");
        }
        while let Some(Closing { connections, task }) = self.closing.last_mut() {
            // The task ends at once, and drops the last handle of the socket.
            let _ = task.await;
            connections.drain(self.shared.clock.now());
            self.closing.pop();
        }
    }
}
