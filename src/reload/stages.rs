//! The stages that cost time: load and build.

use super::log::ReloadLog;
use crate::address_pool::AddressPool;
use crate::system_authorities;
use crate::watch::Wake;
use gatefold_compile::Compiler;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_graph::environment::{Environment, IgnoredPolicy};
use gatefold_graph::{Graph, ServicePortKey, build_after};
use gatefold_manifest::{Busy, Loaded, Loader, Touched, Update};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Endpoints from elsewhere.
pub(super) type Discovered = Arc<BTreeMap<ServicePortKey, Vec<SocketAddr>>>;

/// What the command line says about the manifests.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Folders or files.
    pub roots: Vec<PathBuf>,
    /// `--controller-name`.
    pub controller_name: Option<String>,
    /// `--address`; every interface when empty.
    pub addresses: Vec<IpAddr>,
    /// `--address-pool`.
    pub address_pool: Option<IpNet>,
    /// `--port-map`.
    pub port_map: BTreeMap<u16, u16>,
    /// `--path-normalization`.
    pub path_normalization: PathNormalization,
    /// `--ignore-policy`.
    pub ignored_policies: Vec<IgnoredPolicy>,
    /// Sockets of listeners by their names, from systemd.
    pub named_sockets: BTreeMap<String, Vec<SocketKey>>,
}

/// What lives from one reload to the next.
pub(super) struct Stages {
    settings: Settings,
    loader: Loader,
    pub(super) log: ReloadLog,
    loaded: Arc<Loaded>,
    pool: Option<AddressPool>,
    /// The newest one.
    graph: Arc<Graph>,
    pub(super) compiler: Compiler,
}

/// A graph, with what it was made of.
pub(super) struct Built {
    pub(super) loaded: Arc<Loaded>,
    pub(super) graph: Arc<Graph>,
    /// The endpoints from elsewhere that it was built with.
    pub(super) discovered: Discovered,
}

/// What a look at the files has shown.
pub(super) struct Look {
    /// A graph of what is there now, when anything is new.
    pub(super) built: Option<Built>,
    /// When there should be another look, since something seems to be half-written.
    pub(super) again: Option<Instant>,
}

impl Stages {
    /// Files that are in `busy` are left alone.
    pub(super) fn new(settings: Settings, busy: Busy) -> Self {
        Stages {
            loader: Loader::new(settings.roots.clone()).sparing(busy),
            pool: settings.address_pool.map(AddressPool::new),
            settings,
            log: ReloadLog::new(Instant::now()),
            loaded: Arc::default(),
            graph: Arc::default(),
            compiler: Compiler::default(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Looks whether anything has changed; if so, a new graph, with the endpoints from elsewhere that are known.
    pub(super) fn load_and_build(&mut self, wake: &Wake, known: Discovered) -> Look {
        let loaded = self.update(wake);
        let is_new = loaded.is_some();
        self.loaded = loaded.map_or_else(|| self.loaded.clone(), Arc::new);
        let asked = wake.requested || wake.discovered;
        Look {
            built: (is_new || asked).then(|| self.build(known)),
            again: self.loader.look_again(),
        }
    }

    /// All that is in force, if anything differs.
    fn update(&mut self, wake: &Wake) -> Option<Loaded> {
        let touched = match &wake.touched {
            Touched::Nothing => Update::Same,
            Touched::Files(files) => self.loader.update_files(files),
            Touched::Anything => self.loader.update(),
        };
        let seen = match &wake.seen {
            // It is older than the look at everything.
            Some(scan) if wake.touched != Touched::Anything => self.loader.update_seen(scan),
            _ => Update::Same,
        };
        let due = self.loader.look_again();
        let doubtful = match due.is_some_and(|due| due <= Instant::now()) {
            true => self.loader.update_doubtful(),
            false => Update::Same,
        };
        let new = |update| match update {
            Update::New(loaded) => Some(loaded),
            Update::Same => None,
        };
        // Each knows what those before it have found.
        [doubtful, seen, touched].into_iter().find_map(new)
    }

    /// A graph of what was loaded last, with endpoints from elsewhere.
    pub(super) fn build(&mut self, discovered: Discovered) -> Built {
        let pool = self
            .pool
            .as_mut()
            .map(|pool| pool.assign(&self.loaded.resources));
        let environment = Environment {
            controller_name: self.settings.controller_name.clone(),
            ignored_policies: self.settings.ignored_policies.clone(),
            addresses: self.settings.addresses.clone(),
            pool,
            port_map: self.settings.port_map.clone(),
            named_sockets: self.settings.named_sockets.clone(),
            path_normalization: self.settings.path_normalization,
            reachable: reachable(),
            now: Some(time::OffsetDateTime::now_utc()),
            system_authorities: system_authorities::wanted_by(&self.loaded.resources),
            discovered,
        };
        let graph = build_after(&self.graph, &self.loaded.resources, &environment);
        self.graph = Arc::new(graph);
        Built {
            loaded: self.loaded.clone(),
            graph: self.graph.clone(),
            discovered: environment.discovered,
        }
    }
}

/// Addresses by which this host can be reached when a socket listens on all of them: those it would use to
/// go out, else loopback. Nothing is sent to find them.
pub fn reachable() -> Vec<IpAddr> {
    // TEST-NET-1 and the documentation prefix (RFC 5737, RFC 3849): connecting a datagram socket only
    // chooses a route.
    let ways: [(SocketAddr, SocketAddr); 2] = [
        (
            (Ipv4Addr::UNSPECIFIED, 0).into(),
            (Ipv4Addr::new(192, 0, 2, 1), 9).into(),
        ),
        (
            (Ipv6Addr::UNSPECIFIED, 0).into(),
            (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into(),
        ),
    ];
    let found: Vec<IpAddr> = ways
        .into_iter()
        .filter_map(|(from, to)| {
            let socket = UdpSocket::bind(from).ok()?;
            socket.connect(to).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
        .collect();
    if found.is_empty() {
        return vec![Ipv4Addr::LOCALHOST.into()];
    }
    found
}
