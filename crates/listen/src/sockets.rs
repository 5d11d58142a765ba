use super::accept::{Acceptance, Families};
use super::activated::Activated;
use super::bind::{BindFailure, BindFailureReason, bind, set_options};
use super::inherited::Inherited;
use super::registry::Registry;
use super::retry::Backoff;
use super::shared::{Options, Shared};
use super::sweep::Sweeper;
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use pingora_core::apps::ServerApp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info};

/// Sockets that couldn't be bound, and why.
pub type Failures = BTreeMap<SocketAddr, BindFailure>;

/// The listening sockets, and the connections that came in by them.
///
/// A change goes in two steps: [`prepare`](Self::prepare), then the new snapshot is published, then
/// [`commit`](Self::commit). Everything runs on the Tokio runtime that it is called in.
pub struct Sockets<A> {
    app: Arc<A>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    wanted: BTreeSet<SocketAddr>,
    /// Bound, but nobody accepts.
    prepared: BTreeMap<SocketAddr, TcpListener>,
    accepting: BTreeMap<SocketAddr, Accepting>,
    /// Told to stop, and not yet seen to have done so.
    closing: Vec<Closing>,
    /// Those that systemd bound; they stay open whether they are wanted or not.
    activated: BTreeMap<SocketAddr, Activated>,
    shared: Arc<Shared>,
    /// Runs since the first socket accepts.
    sweeper: Option<Sweeper>,
    failures: Failures,
    backoff: Backoff,
}

/// A socket that accepts connections.
struct Accepting {
    /// Shared with the task, and with nobody else: when both have dropped it the socket is closed.
    listener: Arc<tokio::net::TcpListener>,
    stop: watch::Sender<bool>,
    connections: Arc<Registry>,
    task: JoinHandle<()>,
}

/// A socket that is to be closed: it is when its task has ended.
struct Closing {
    connections: Arc<Registry>,
    task: JoinHandle<()>,
}

impl<A: ServerApp + Send + Sync + 'static> Sockets<A> {
    /// No sockets yet. Connections will be given to `app`; whether a socket speaks TLS, and with which
    /// certificates, is read from `snapshot` for each connection.
    pub fn new(app: Arc<A>, snapshot: Arc<ArcSwap<Snapshot>>, options: Options) -> Self {
        Sockets {
            app,
            snapshot,
            wanted: BTreeSet::new(),
            prepared: BTreeMap::new(),
            accepting: BTreeMap::new(),
            closing: Vec::new(),
            activated: BTreeMap::new(),
            shared: Arc::new(Shared::new(options)),
            sweeper: None,
            failures: Failures::new(),
            backoff: Backoff::default(),
        }
    }

    /// Takes a socket that is bound and listens already. It is used when a snapshot wants its address. When
    /// none does, the next [`commit`](Self::commit) closes it, unless it is systemd's, which would keep it open.
    ///
    /// # Errors
    ///
    /// When it isn't a TCP socket.
    pub fn adopt(&mut self, inherited: Inherited) -> io::Result<SocketAddr> {
        set_options(&inherited.listener)?;
        let address = inherited.listener.local_addr()?;
        match inherited.activated {
            Some(name) => {
                let activated = Activated::new(name, inherited.listener, address);
                self.activated.insert(address, activated);
            }
            None => {
                self.prepared.insert(address, inherited.listener);
            }
        }
        Ok(address)
    }

    /// Duplicates of all sockets, for a successor. Both processes accept from the same queues from then on.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptors left.
    pub fn lend(&self) -> io::Result<Vec<Inherited>> {
        let mut lent = Vec::new();
        for activated in self.activated.values() {
            lent.push(activated.lend()?);
        }
        let activated = |address: &SocketAddr| self.activated.contains_key(address);
        for (address, accepting) in &self.accepting {
            if !activated(address) {
                let listener = accepting.listener.as_fd().try_clone_to_owned()?;
                lent.push(Inherited::from(TcpListener::from(listener)));
            }
        }
        for (address, listener) in &self.prepared {
            if !activated(address) {
                lent.push(Inherited::from(listener.try_clone()?));
            }
        }
        Ok(lent)
    }

    /// Binds what `wanted` has and isn't bound yet, what failed before too; clients queue there from now on.
    /// Gives every wanted address that couldn't be bound. Nothing is closed yet.
    pub fn prepare(&mut self, wanted: impl IntoIterator<Item = SocketAddr>) -> &Failures {
        let wanted = wanted.into_iter();
        self.wanted = wanted.map(|address| self.serving(address)).collect();
        for (address, accepting) in &self.accepting {
            if !self.wanted.contains(address) {
                accepting.connections.keep(self.snapshot.load_full());
            }
        }
        self.backoff.reset();
        self.bind_missing();
        &self.failures
    }

    /// Stops what is no longer wanted, starts to accept on what is new, and tries once more what couldn't be
    /// bound, since a socket that was closed just now may have stood in its way. Gives what still couldn't.
    pub async fn commit(&mut self) -> &Failures {
        self.close_unwanted().await;
        if !self.failures.is_empty() {
            self.bind_missing();
        }
        self.start_prepared();
        for (address, activated) in &mut self.activated {
            activated.wanted(self.wanted.contains(address), *address);
        }
        &self.failures
    }

    /// When [`retry`](Self::retry) is due: nothing when every wanted socket is bound.
    pub fn retry_after(&self) -> Option<Duration> {
        (!self.failures.is_empty()).then(|| self.backoff.delay())
    }

    /// Tries again what couldn't be bound, and accepts on what now could. Gives whether the failures changed.
    pub fn retry(&mut self) -> bool {
        let before = self.failures.clone();
        self.bind_missing();
        self.start_prepared();
        if !self.failures.is_empty() {
            self.backoff.failed();
        }
        before != self.failures
    }

    /// What couldn't be bound at the last try.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// The addresses on which connections are accepted, in order.
    pub fn accepting(&self) -> impl Iterator<Item = SocketAddr> {
        self.accepting.keys().copied()
    }

    /// How many connections are open, those of closed sockets too.
    pub fn connections(&self) -> usize {
        let registries = self.shared.registries.all();
        registries.iter().map(|registry| registry.count()).sum()
    }

    /// Closes every socket, ends idle connections, and waits for the others as long as `grace`. Gives how
    /// many were still open then.
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
        for &address in &self.wanted {
            if self.accepting.contains_key(&address) || self.prepared.contains_key(&address) {
                continue;
            }
            match self.bound(address) {
                Ok(listener) => {
                    self.prepared.insert(address, listener);
                }
                Err(failure) => {
                    self.failures.insert(address, failure);
                }
            }
        }
        self.forgive_hosts_without_ipv6();
    }

    /// A socket of systemd's, or one of our own.
    fn bound(&self, address: SocketAddr) -> Result<TcpListener, BindFailure> {
        match self.activated.get(&address) {
            Some(activated) => activated.try_clone().map_err(|error| BindFailure {
                reason: BindFailureReason::Other,
                message: format!(
                    "the socket for {address} that systemd gave can't be used: {error}"
                ),
            }),
            None => bind(address).map_err(|failure| self.explained(address, failure)),
        }
    }

    /// Linux lets no two sockets have a port, one on every address and one on a single one, also when both are
    /// ours: nobody else is to blame then.
    fn explained(&self, address: SocketAddr, failure: BindFailure) -> BindFailure {
        if failure.reason != BindFailureReason::PortInUse {
            return failure;
        }
        let own = self.accepting.keys().chain(self.prepared.keys());
        let in_the_way = |own: &&SocketAddr| {
            own.port() == address.port()
                && own.is_ipv4() == address.is_ipv4()
                && (own.ip().is_unspecified() || address.ip().is_unspecified())
        };
        match { own }.find(in_the_way) {
            Some(own) => BindFailure::overlap(address, *own),
            None => failure,
        }
    }

    /// The socket that serves an address: its own, but for "every IPv4 interface" where systemd has bound one
    /// socket for both families, as it does when only a port is given.
    fn serving(&self, wanted: SocketAddr) -> SocketAddr {
        let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), wanted.port());
        let covered = wanted.ip() == Ipv4Addr::UNSPECIFIED
            && !self.activated.contains_key(&wanted)
            && self
                .activated
                .get(&both)
                .is_some_and(Activated::is_dual_stack);
        if covered { both } else { wanted }
    }

    /// "Every interface" is two sockets, and on a host without IPv6 one of them can't be. That is no failure
    /// when the other one is bound.
    fn forgive_hosts_without_ipv6(&mut self) {
        let bound =
            |address| self.accepting.contains_key(&address) || self.prepared.contains_key(&address);
        self.failures.retain(|address, failure| {
            let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port());
            !(address.is_ipv6()
                && address.ip().is_unspecified()
                && failure.reason == BindFailureReason::AddressNotAvailable
                && bound(v4))
        });
    }

    fn start_prepared(&mut self) {
        let wanted = &self.wanted;
        let prepared = std::mem::take(&mut self.prepared);
        for (address, listener) in prepared {
            if !wanted.contains(&address) {
                continue;
            }
            let both = self
                .activated
                .get(&address)
                .is_some_and(Activated::is_dual_stack);
            let families = if both { Families::Both } else { Families::Own };
            let (app, snapshot) = (self.app.clone(), self.snapshot.clone());
            match start(address, families, listener, app, snapshot, &self.shared) {
                Ok(accepting) => {
                    self.accepting.insert(address, accepting);
                    self.sweeper
                        .get_or_insert_with(|| Sweeper::start(&self.shared));
                    info!(socket = %address, "listening");
                }
                Err(problem) => {
                    error!(socket = %address, error = %problem, "can't listen");
                    let failure = BindFailure {
                        reason: BindFailureReason::Other,
                        message: format!("{address} is bound but can't be listened on: {problem}"),
                    };
                    self.failures.insert(address, failure);
                }
            }
        }
    }

    /// Nothing is lost when this is given up half-way: the next call goes on with it.
    async fn close_unwanted(&mut self) {
        let wanted = &self.wanted;
        self.prepared.retain(|address, _| wanted.contains(address));
        let unwanted = self
            .accepting
            .extract_if(.., |address, _| !wanted.contains(address));
        // All are told first, so that none goes on accepting while another one empties its queue.
        for (address, accepting) in unwanted {
            drop(accepting.listener);
            let _ = accepting.stop.send(true);
            self.closing.push(Closing {
                connections: accepting.connections,
                task: accepting.task,
            });
            info!(socket = %address, "no longer listening");
        }
        while let Some(Closing { connections, task }) = self.closing.last_mut() {
            // It ends at once, and with it the socket is closed.
            let _ = task.await;
            connections.drain(self.shared.clock.now());
            self.closing.pop();
        }
    }
}

fn start<A: ServerApp + Send + Sync + 'static>(
    address: SocketAddr,
    families: Families,
    listener: TcpListener,
    app: Arc<A>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    shared: &Arc<Shared>,
) -> Result<Accepting, Box<dyn std::error::Error + Send + Sync>> {
    let listener = Arc::new(tokio::net::TcpListener::from_std(listener)?);
    let (stop, stopped) = watch::channel(false);
    let acceptance = Acceptance::new(address, families, app, snapshot, shared.clone(), stopped)?;
    Ok(Accepting {
        listener: listener.clone(),
        stop,
        connections: acceptance.connections.clone(),
        task: tokio::spawn(acceptance.run(listener)),
    })
}
