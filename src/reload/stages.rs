//! The expensive stages, load and build, with the state that they keep between reloads.
//!
//! In: wakes, and what was found outside the folder. Out: a graph, if anything has changed. Runs on a blocking
//! thread.

use super::log::ReloadLog;
use crate::environment::address_pool::AddressPool;
use crate::environment::discovery::Found;
use crate::environment::port_plan::PortPlan;
use crate::environment::{host_addresses, system_authorities};
use crate::watch::Wake;
use gatefold_compile::Compiler;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_graph::environment::{
    AddressSharing, Environment, GatewayAddresses, GatewayPorts, IgnoredPolicy, SpecAddresses,
};
use gatefold_graph::{Graph, build_after};
use gatefold_manifest::{ChangeHint, Loaded, Loader, SettlingFiles, Update};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// The command line's settings for reading the manifests.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Folders or files.
    pub roots: Vec<PathBuf>,
    /// `--controller-name`.
    pub controller_name: Option<String>,
    /// `--address`. Empty means all interfaces.
    pub addresses: Vec<IpAddr>,
    /// `--address NS/GATEWAY=IP`.
    pub gateway_addresses: GatewayAddresses,
    /// Whether the addresses in the Gateways' `spec.addresses` are bound, or replaced by those of this host.
    pub spec_addresses: SpecAddresses,
    /// `--address-pool`.
    pub address_pool: Option<IpNet>,
    /// `--port-map`.
    pub port_map: BTreeMap<u16, u16>,
    /// Whether Gateways share the ports of an address.
    pub port_sharing: PortSharing,
    /// `--path-normalization`.
    pub path_normalization: PathNormalization,
    /// `--ignore-policy`.
    pub ignored_policies: Vec<IgnoredPolicy>,
    /// Sockets of listeners that systemd opened, by socket name.
    pub named_sockets: BTreeMap<String, Vec<SocketKey>>,
}

/// Whether Gateways share the ports of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortSharing {
    /// They share each port, as far as protocols and hostnames permit.
    #[default]
    Shared,
    /// Each port is bound for one Gateway only. Another Gateway with the same port gets the next higher one that is free.
    ByGateway,
}

/// The state that is kept from one reload to the next.
pub(super) struct Stages {
    settings: Settings,
    loader: Loader,
    pub(super) log: ReloadLog,
    loaded: Arc<Loaded>,
    pool: Option<AddressPool>,
    port_plan: PortPlan,
    /// The newest graph.
    graph: Arc<Graph>,
    pub(super) compiler: Compiler,
}

/// A graph, with the inputs it was built from.
pub(super) struct Built {
    pub(super) loaded: Arc<Loaded>,
    pub(super) graph: Arc<Graph>,
    /// What was found outside the folder when it was built.
    pub(super) found: Found,
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
            port_plan: PortPlan::default(),
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

    /// Loads the files that have changed and, if there are any, builds a new graph with what is known of the world outside.
    pub(super) fn load_and_build(&mut self, wake: &Wake, known: Found) -> ScanResult {
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
        // Each update includes the results of the earlier ones, so the last one counts.
        [deferred, scanned, changed].into_iter().find_map(new)
    }

    /// Builds a graph from the objects loaded last and what was found outside the folder.
    pub(super) fn build(&mut self, found: Found) -> Built {
        let (pool, gateway_ports) = (self.assigned_addresses(), self.assigned_ports());
        let environment = Environment {
            controller_name: self.settings.controller_name.clone(),
            ignored_policies: self.settings.ignored_policies.clone(),
            addresses: self.settings.addresses.clone(),
            gateway_addresses: self.settings.gateway_addresses.clone(),
            spec_addresses: self.settings.spec_addresses,
            sharing: AddressSharing::Shared,
            pool,
            port_map: self.settings.port_map.clone(),
            gateway_ports,
            named_sockets: self.settings.named_sockets.clone(),
            path_normalization: self.settings.path_normalization,
            reachable: host_addresses::reachable(),
            now: Some(time::OffsetDateTime::now_utc()),
            system_authorities: system_authorities::wanted_by(&self.loaded.resources),
            discovered: found.endpoints.clone(),
            stand_ins: found.stand_ins.clone(),
        };
        let graph = build_after(&self.graph, &self.loaded.resources, &environment);
        self.graph = Arc::new(graph);
        Built {
            loaded: self.loaded.clone(),
            graph: self.graph.clone(),
            found,
        }
    }

    /// The addresses of the pool for the objects loaded last. `None` without a pool.
    fn assigned_addresses(&mut self) -> Option<GatewayAddresses> {
        let Settings {
            gateway_addresses,
            spec_addresses,
            ..
        } = &self.settings;
        let pool = self.pool.as_mut()?;
        Some(pool.assign(&self.loaded.resources, gateway_addresses, *spec_addresses))
    }

    /// The ports by Gateway for the objects loaded last. Empty if Gateways share ports.
    fn assigned_ports(&mut self) -> GatewayPorts {
        let Settings {
            port_map,
            controller_name,
            ..
        } = &self.settings;
        match self.settings.port_sharing {
            PortSharing::Shared => GatewayPorts::new(),
            PortSharing::ByGateway => {
                let resources = &self.loaded.resources;
                let ours = controller_name.as_deref();
                self.port_plan.assign(resources, port_map, ours)
            }
        }
    }
}
