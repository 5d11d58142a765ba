//! The expensive stages, load and build, with the state that they keep between reloads.
//!
//! In: wakes, and endpoints found outside the folder. Out: a graph, if anything has changed. Runs on a blocking
//! thread.

use super::log::ReloadLog;
use crate::environment::address_pool::AddressPool;
use crate::environment::{host_addresses, system_authorities};
use crate::render::RenderOutputs;
use crate::watch::Wake;
use gatefold_compile::Compiler;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_graph::environment::{Environment, IgnoredPolicy};
use gatefold_graph::{Graph, ServicePortKey, build_after};
use gatefold_manifest::{ChangeHint, Loaded, Loader, SettlingFiles, Update};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Endpoints found outside the folder, by Service port.
pub(super) type Discovered = Arc<BTreeMap<ServicePortKey, Vec<SocketAddr>>>;

/// The command line's settings for reading the manifests.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Folders or files.
    pub roots: Vec<PathBuf>,
    /// `--controller-name`.
    pub controller_name: Option<String>,
    /// `--address`. Empty means all interfaces.
    pub addresses: Vec<IpAddr>,
    /// `--address-pool`.
    pub address_pool: Option<IpNet>,
    /// `--port-map`.
    pub port_map: BTreeMap<u16, u16>,
    /// `--path-normalization`.
    pub path_normalization: PathNormalization,
    /// `--ignore-policy`.
    pub ignored_policies: Vec<IgnoredPolicy>,
    /// What the commands of `--render` have printed.
    pub renders: RenderOutputs,
    /// Sockets of listeners that systemd opened, by socket name.
    pub named_sockets: BTreeMap<String, Vec<SocketKey>>,
}

/// The state that is kept from one reload to the next.
pub(super) struct Stages {
    settings: Settings,
    loader: Loader,
    pub(super) log: ReloadLog,
    loaded: Arc<Loaded>,
    pool: Option<AddressPool>,
    /// The newest graph.
    graph: Arc<Graph>,
    pub(super) compiler: Compiler,
}

/// A graph, with the inputs it was built from.
pub(super) struct Built {
    pub(super) loaded: Arc<Loaded>,
    pub(super) graph: Arc<Graph>,
    /// The endpoints found outside the folder that it was built with.
    pub(super) discovered: Discovered,
}

/// The result of scanning the files.
pub(super) struct ScanResult {
    /// The new graph. `None` if nothing has changed.
    pub(super) built: Option<Built>,
    /// When to scan again, because a file seems to be half-written.
    pub(super) rescan_at: Option<Instant>,
}

impl Stages {
    /// Creates the state. The loader skips files that are not settled; the watcher records their events in `settling`.
    pub(super) fn new(settings: Settings, settling: SettlingFiles) -> Self {
        Stages {
            loader: Loader::new(settings.roots.clone()).with_settling_files(settling),
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

    /// Loads the files that have changed and, if there are any, builds a new graph with the known endpoints.
    pub(super) fn load_and_build(&mut self, wake: &Wake, known: Discovered) -> ScanResult {
        let loaded = self.update(wake);
        let is_new = loaded.is_some();
        self.loaded = loaded.map_or_else(|| self.loaded.clone(), Arc::new);
        let asked = wake.requested || wake.discovered;
        ScanResult {
            built: (is_new || asked).then(|| self.build(known)),
            rescan_at: self.loader.recheck_at(),
        }
    }

    /// Loads the files that have changed. `None` if nothing differs.
    fn update(&mut self, wake: &Wake) -> Option<Loaded> {
        let changed = match &wake.changed {
            ChangeHint::Nothing => Update::Same,
            ChangeHint::Files(files) => self.loader.update_files(files),
            ChangeHint::Anything => self.loader.update(),
        };
        let scanned = match &wake.scan {
            // A full scan is newer than this one.
            Some(scan) if wake.changed != ChangeHint::Anything => {
                self.loader.update_from_scan(scan)
            }
            _ => Update::Same,
        };
        let due = self.loader.recheck_at();
        let is_due = due.is_some_and(|due| due <= Instant::now());
        let deferred = if is_due {
            self.loader.update_deferred()
        } else {
            Update::Same
        };
        let new = |update| match update {
            Update::New(loaded) => Some(loaded),
            Update::Same => None,
        };
        let texts = self.settings.renders.take().into_iter();
        let rendered = texts.map(|(name, text)| self.loader.set_text(&name, text));
        let rendered: Vec<Update> = rendered.collect();
        // Each update includes the results of the earlier ones, so the last one counts.
        let updates = rendered.into_iter().rev();
        let mut updates = updates.chain([deferred, scanned, changed]);
        updates.find_map(new)
    }

    /// Builds a graph from the objects loaded last and the endpoints found outside the folder.
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
            reachable: host_addresses::reachable(),
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
