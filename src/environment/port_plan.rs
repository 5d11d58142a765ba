//! Gives each Gateway its own ports if Gateways share an address.

use gatefold_graph::environment::GatewayPorts;
use gatefold_graph::gateway::serves;
use gatefold_manifest::Resources;
use gatefold_manifest::api::NamespacedName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Gives each Gateway its own ports, so that Gateways on one address are as separate as in a cluster, where each of them has
/// its own address. A Gateway keeps its ports as long as it exists and has listeners for them.
#[derive(Debug, Default)]
pub struct PortPlan {
    assigned: GatewayPorts,
}

impl PortPlan {
    /// Returns the port to bind for each port of a Gateway and of its ListenerSets. It is the port of the manifest after
    /// `port_map`, or the next higher one that is free if another Gateway has that. Older Gateways are first, then those that
    /// are first by namespace and name. A port is left out if no higher one is free.
    ///
    /// Gateways of other classes than `controller_name`'s get no ports.
    pub fn assign(
        &mut self,
        resources: &Resources,
        port_map: &BTreeMap<u16, u16>,
        controller_name: Option<&str>,
    ) -> GatewayPorts {
        let preferred = |port: u16| port_map.get(&port).copied().unwrap_or(port);
        let mut needed = needed(resources, controller_name);
        // The system chooses a port for each socket that is bound to port 0.
        needed.retain(|(_, port)| preferred(*port) != 0);
        let still_needed: BTreeSet<&(NamespacedName, u16)> = needed.iter().collect();
        self.assigned.retain(|key, _| still_needed.contains(key));
        let mut taken: BTreeSet<u16> = self.assigned.values().copied().collect();
        // Every Gateway's preferred port comes first, so that a shifted port takes none that another Gateway asks for by number.
        for key in &needed {
            let port = preferred(key.1);
            if !self.assigned.contains_key(key) && taken.insert(port) {
                self.assigned.insert(key.clone(), port);
            }
        }
        for key in &needed {
            if self.assigned.contains_key(key) {
                continue;
            }
            let mut higher = (preferred(key.1)..=u16::MAX).skip(1);
            if let Some(port) = higher.find(|port| taken.insert(*port)) {
                self.assigned.insert(key.clone(), port);
            }
        }
        self.assigned.clone()
    }
}

/// Returns the ports of each Gateway that gatefold serves, the oldest Gateway first.
fn needed(resources: &Resources, controller_name: Option<&str>) -> Vec<(NamespacedName, u16)> {
    let mut ports: BTreeMap<NamespacedName, BTreeSet<u16>> = BTreeMap::new();
    for set in resources.listener_sets.values() {
        let parent = &set.spec.parent_ref;
        let namespace = parent.namespace.as_deref();
        let namespace = namespace.unwrap_or(&set.meta.namespace);
        let gateway = NamespacedName::new(namespace, parent.name.as_str());
        let listeners = set.spec.listeners.iter();
        ports
            .entry(gateway)
            .or_default()
            .extend(listeners.map(|listener| listener.port.get()));
    }
    let gateways = resources.gateways.values();
    let mut gateways: Vec<_> = gateways
        .filter(|gateway| serves(gateway, resources, controller_name))
        .map(Arc::as_ref)
        .collect();
    gateways.sort_by(|one, other| one.by_age(other));
    let all = gateways.into_iter().flat_map(|gateway| {
        let key = gateway.key();
        let mut own = ports.remove(&key).unwrap_or_default();
        own.extend(gateway.spec.listeners.iter().map(|it| it.port.get()));
        own.into_iter().map(move |port| (key.clone(), port))
    });
    all.collect()
}

#[cfg(test)]
mod tests;
