//! The Gateways that a policy affects (API: `PolicyAncestorStatus`).

use super::target::TargetedObject;
use crate::gateway::{GatewayNodes, ListenerSetNodes};
use crate::route::{AnyRoute, Routes};
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Finds the Gateways that serve an object. An object that no Gateway serves has none.
pub(crate) struct Ancestors<'g> {
    gateways: &'g GatewayNodes,
    listener_sets: &'g ListenerSetNodes,
    routes: &'g Routes,
    /// The Gateways of each Service that an attached route refers to. Built when it is first needed: most folders have no
    /// policies.
    of_services: OnceCell<HashMap<&'g NamespacedName, BTreeSet<&'g NamespacedName>>>,
}

impl<'g> Ancestors<'g> {
    pub fn new(
        gateways: &'g GatewayNodes,
        listener_sets: &'g ListenerSetNodes,
        routes: &'g Routes,
    ) -> Self {
        Ancestors {
            gateways,
            listener_sets,
            routes,
            of_services: OnceCell::new(),
        }
    }

    /// Returns the Gateways that serve a targeted object, with the names of their controllers.
    pub(super) fn of(&self, target: &TargetedObject) -> BTreeMap<NamespacedName, String> {
        let key = &target.key;
        let keys: BTreeSet<&NamespacedName> = match target.kind {
            PolicyTargetKind::Gateway => BTreeSet::from([key]),
            PolicyTargetKind::ListenerSet => {
                let set = self.listener_sets.get(key).filter(|set| set.allowed);
                set.map(|set| &set.gateway).into_iter().collect()
            }
            PolicyTargetKind::Route(kind) => {
                let route = self.routes.find(kind, key);
                route.into_iter().flat_map(gateways_of).collect()
            }
            PolicyTargetKind::Service => {
                let services = self.of_services.get_or_init(|| self.services());
                services.get(key).cloned().unwrap_or_default()
            }
        };
        let gateways = keys.into_iter().filter_map(|key| {
            let gateway = self.gateways.get(key)?;
            Some((key.clone(), gateway.controller_name.clone()))
        });
        gateways.collect()
    }

    fn services(&self) -> HashMap<&'g NamespacedName, BTreeSet<&'g NamespacedName>> {
        let mut services: HashMap<_, BTreeSet<_>> = HashMap::new();
        for route in self.routes.iter() {
            for (service, _) in route.service_ports() {
                let gateways = services.entry(service).or_default();
                gateways.extend(gateways_of(route));
            }
        }
        services.retain(|_, gateways| !gateways.is_empty());
        services
    }
}

/// The Gateways to which a route is attached.
fn gateways_of(route: &dyn AnyRoute) -> impl Iterator<Item = &NamespacedName> {
    let parents = route.parents().iter();
    let attached = parents.filter(|parent| !parent.attachments.is_empty());
    attached.map(|parent| &parent.gateway)
}
