//! Collects the inputs of a graph besides the manifests.
//!
//! In: the settings, the objects in force, and what was found outside the folder. Out: an [`Environment`]. Gateways keep the
//! addresses and ports that they were assigned.

use super::address_pool::AddressPool;
use super::discovery::Found;
use super::port_plan::PortPlan;
use super::port_shift;
use super::settings::{PortSharing, PrivilegedPorts, Settings};
use super::{host_addresses, system_authorities};
use gatefold_graph::environment::{Environment, GatewayPorts};
use gatefold_manifest::Resources;
use std::collections::BTreeMap;

/// The settings, and what Gateways were assigned.
#[derive(Debug)]
pub(crate) struct Surroundings {
    settings: Settings,
    pool: Option<AddressPool>,
    port_plan: PortPlan,
    first_bindable: u16,
}

impl Surroundings {
    /// Begins without assignments.
    pub(crate) fn new(settings: Settings) -> Self {
        Surroundings {
            pool: settings.address_pool.map(AddressPool::new),
            port_plan: PortPlan::default(),
            first_bindable: match settings.privileged_ports {
                PrivilegedPorts::Bind => 0,
                PrivilegedPorts::Shift => port_shift::first_bindable(),
            },
            settings,
        }
    }

    /// The settings.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the environment for these objects.
    pub(crate) fn environment(&mut self, resources: &Resources, found: &Found) -> Environment {
        let settings = &self.settings;
        let (given, spec) = (&settings.gateway_addresses, settings.spec_addresses);
        let pool = self.pool.as_mut();
        let pool = pool.map(|pool| pool.assign(resources, given, spec));
        let port_map = self.port_map(resources);
        let gateway_ports = self.gateway_ports(resources, &port_map);
        let settings = &self.settings;
        Environment {
            controller_name: settings.controller_name.clone(),
            ignored_policies: settings.ignored_policies.clone(),
            addresses: settings.addresses.clone(),
            gateway_addresses: settings.gateway_addresses.clone(),
            spec_addresses: settings.spec_addresses,
            sharing: settings.sharing,
            pool,
            port_map,
            gateway_ports,
            named_sockets: settings.named_sockets.clone(),
            access_log_dir: settings.access_log_dir.clone(),
            path_normalization: settings.path_normalization,
            reachable: host_addresses::reachable(),
            now: Some(time::OffsetDateTime::now_utc()),
            system_authorities: system_authorities::wanted_by(resources),
            discovered: found.endpoints.clone(),
            stand_ins: found.stand_ins.clone(),
        }
    }

    fn port_map(&self, resources: &Resources) -> BTreeMap<u16, u16> {
        let given = &self.settings.port_map;
        match self.settings.privileged_ports {
            PrivilegedPorts::Bind => given.clone(),
            PrivilegedPorts::Shift => port_shift::shifted(resources, given, self.first_bindable),
        }
    }

    /// The ports by Gateway. Empty if Gateways share ports.
    fn gateway_ports(
        &mut self,
        resources: &Resources,
        port_map: &BTreeMap<u16, u16>,
    ) -> GatewayPorts {
        match self.settings.port_sharing {
            PortSharing::Shared => GatewayPorts::new(),
            PortSharing::ByGateway => {
                let ours = self.settings.controller_name.as_deref();
                self.port_plan.assign(resources, port_map, ours)
            }
        }
    }
}
