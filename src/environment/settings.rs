//! The command line's settings for reading the manifests.

use crate::render::RenderOutputs;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::access_log::LineSinks;
use gatefold_dataplane::durations::Durations;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_graph::environment::{AddressSharing, GatewayAddresses, IgnoredPolicy, SpecAddresses};
use gatefold_manifest::LoadOptions;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// The command line's settings for reading the manifests.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Folders or files.
    pub roots: Vec<PathBuf>,
    /// How the files are read.
    pub load: LoadOptions,
    /// What the commands of `--render` have printed.
    pub renders: RenderOutputs,
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
    /// Whether ports that this process may not bind are replaced (`--port-map auto`).
    pub privileged_ports: PrivilegedPorts,
    /// Whether Gateways share the ports of an address.
    pub port_sharing: PortSharing,
    /// Whether Gateways that listen on every interface share its ports.
    pub sharing: AddressSharing,
    /// `--access-log-dir`, as an absolute path.
    pub access_log_dir: Option<PathBuf>,
    /// Where access logs write their lines.
    pub sinks: LineSinks,
    /// The histograms that rules and backends count into.
    pub durations: Durations,
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

/// What happens with ports that this process may not bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivilegedPorts {
    /// gatefold tries to bind them, and reports a failure.
    #[default]
    Bind,
    /// Higher ports take their place: 80 becomes 8080.
    Shift,
}
