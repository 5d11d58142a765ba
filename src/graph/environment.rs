//! What a graph depends on besides the manifests, all of it plain data.

use crate::manifest::api::NamespacedName;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What a graph depends on besides the manifests.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Only classes with this controller name are ours; all of them when absent.
    pub controller_name: Option<String>,
    /// Where Gateways without addresses of their own listen (`--address`): every interface when empty.
    pub addresses: Vec<IpAddr>,
    /// Addresses out of `--address-pool`, for each Gateway that gets some, in the order of its
    /// `spec.addresses` entries without a value (or the one, when it has no `spec.addresses`). A Gateway
    /// that needs one and isn't in here found the pool empty.
    pub pool: Option<BTreeMap<NamespacedName, Vec<IpAddr>>>,
    /// `--port-map`: the manifest's port to the one that is bound.
    pub port_map: BTreeMap<u16, u16>,
    /// The addresses a client on this host or its network can use when a Gateway listens on every
    /// interface; never empty in a running daemon.
    pub reachable: Vec<IpAddr>,
    /// The time, for certificates that are about to expire; without it none is said to be.
    pub now: Option<time::OffsetDateTime>,
    /// Endpoints that don't come from the folder: `--backend`, DNS, the built-in echo backend. By Service
    /// and port; a graph says in `wanted` which ones it lacks.
    pub discovered: BTreeMap<(NamespacedName, u16), Vec<SocketAddr>>,
}

impl Environment {
    /// The port that is bound for a manifest's one.
    pub fn bound_port(&self, port: u16) -> u16 {
        self.port_map.get(&port).copied().unwrap_or(port)
    }
}
