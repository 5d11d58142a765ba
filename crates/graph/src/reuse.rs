//! What of the graph before still holds.
//!
//! A route's node depends on its object, on Gateways and what else decides about attachment and references, and on the
//! ports of Services that it refers to. Where the very same objects stand as before the node is taken over, so that
//! an edit costs what it touches. Objects are told apart by identity, never by looking into them: the loader keeps
//! those that it hasn't read anew.

use super::Graph;
use super::endpoints::{ServicePortKey, ServicePortNodes, ServicePorts};
use super::environment::Environment;
use super::http_route::HttpRouteNode;
use super::protection::Protections;
use crate::ordered::Follow;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_manifest::api::{HTTPRoute, NamespacedName, PolicyTargetKind};
use gatefold_manifest::{Objects, Resources};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a graph was built of, as far as routes depend on it.
#[derive(Debug, Default)]
pub(super) struct Basis {
    resources: Resources,
    controller_name: Option<String>,
    path_normalization: PathNormalization,
    system_authorities: Option<Arc<[CertificateDer<'static>]>>,
    discovered: Arc<BTreeMap<ServicePortKey, Vec<SocketAddr>>>,
    protections: Arc<Protections>,
}

impl Basis {
    pub(super) fn of(
        resources: &Resources,
        environment: &Environment,
        protections: Arc<Protections>,
    ) -> Self {
        Basis {
            resources: resources.clone(),
            controller_name: environment.controller_name.clone(),
            path_normalization: environment.path_normalization,
            system_authorities: environment.system_authorities.clone(),
            discovered: environment.discovered.clone(),
            protections,
        }
    }

    /// What of what was built of this holds for another basis.
    fn holds(&self, now: &Basis) -> Holds {
        let (one, other) = (&self.resources, &now.resources);
        Holds {
            attachment: same(&one.gateway_classes, &other.gateway_classes)
                && same(&one.gateways, &other.gateways)
                && same(&one.listener_sets, &other.listener_sets)
                && same(&one.namespaces, &other.namespaces)
                && same(&one.reference_grants, &other.reference_grants)
                && same(&one.backend_tls_policies, &other.backend_tls_policies)
                && same_authorities(one, other)
                && self.system_authorities == now.system_authorities
                && self.path_normalization == now.path_normalization
                && self.controller_name == now.controller_name
                && now.protections.same_listeners(&self.protections),
            endpoints: same(&one.services, &other.services)
                && same(&one.endpoint_slices, &other.endpoint_slices)
                && same(&one.endpoints, &other.endpoints)
                && same(&one.pods, &other.pods)
                && self.discovered == now.discovered,
        }
    }
}

/// Whether two sets hold the very same objects.
fn same<K, T>(one: &Objects<K, T>, other: &Objects<K, T>) -> bool {
    let pairs = || one.values().zip(other.values());
    Arc::ptr_eq(one, other)
        || (one.len() == other.len() && pairs().all(|(one, other)| Arc::ptr_eq(one, other)))
}

/// Whether BackendTLSPolicies find the same ConfigMaps as before, provided that the policies haven't changed. A ConfigMap that is
/// the same gives the same certificates, also if they are last good ones.
fn same_authorities(one: &Resources, other: &Resources) -> bool {
    if Arc::ptr_eq(&one.config_maps, &other.config_maps) {
        return true;
    }
    let policies = other.backend_tls_policies.values();
    let mut keys = policies.flat_map(|policy| {
        let references = policy.spec.validation.ca_certificate_refs.iter();
        references.map(|it| NamespacedName::new(policy.meta.namespace.clone(), &*it.name))
    });
    keys.all(|key| {
        let found = |resources: &Resources| resources.config_maps.get(&key).map(Arc::as_ptr);
        found(one) == found(other)
    })
}

/// What holds of the graph before, for a route that is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holds {
    /// Where it is attached, what it may refer to, and how that is spoken to.
    attachment: bool,
    /// Where all references lead.
    endpoints: bool,
}

/// The graph before, as far as it holds.
pub(super) struct Before<'g> {
    holds: Holds,
    protections: &'g Protections,
    http_routes: Follow<'g, NamespacedName, Arc<HttpRouteNode>>,
    service_ports: &'g ServicePortNodes,
}

impl<'g> Before<'g> {
    pub(super) fn new(graph: &'g Graph, basis: &Basis) -> Self {
        Before {
            holds: graph.basis.holds(basis),
            protections: &graph.basis.protections,
            http_routes: Follow::new(&graph.http_routes),
            service_ports: &graph.service_ports,
        }
    }

    /// To look up the ports of Services; what the graph before knows of them is taken over.
    pub(super) fn service_ports(
        &self,
        resources: &'g Resources,
        environment: &'g Environment,
    ) -> ServicePorts<'g> {
        let unchanged = self.holds.endpoints;
        ServicePorts::new(resources, environment, self.service_ports, unchanged)
    }

    /// The node of a route, if it would be built the same. Routes are asked for in the order of their keys.
    pub(super) fn http_route(
        &mut self,
        key: &NamespacedName,
        route: &Arc<HTTPRoute>,
        protections: &Protections,
        ports: &mut ServicePorts<'_>,
    ) -> Option<Arc<HttpRouteNode>> {
        let node = self.http_routes.at(key)?;
        if !self.holds.attachment || !Arc::ptr_eq(&node.resource, route) {
            return None;
        }
        let protected_as_before = |kind, key| protections.is_unchanged(self.protections, kind, key);
        let mut services = node.service_ports.iter();
        if !protected_as_before(PolicyTargetKind::HttpRoute, key)
            || !services.all(|(service, _)| protected_as_before(PolicyTargetKind::Service, service))
        {
            return None;
        }
        // Findings tell of Services that aren't there, and of those that are.
        let mut uses = node.service_ports.iter();
        let holds = self.holds.endpoints
            || (node.findings.is_empty() && uses.all(|port| ports.is_unchanged(port)));
        holds.then(|| node.clone())
    }
}
