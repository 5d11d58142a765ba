//! Reuses the route nodes of the previous graph whose inputs have not changed.
//!
//! In: the previous graph, and the inputs of the next one. Out: the nodes that would be built equal. A route's node
//! depends on its own object, on the objects that decide its attachment and its references, and on the Service ports
//! that it refers to. Objects are compared by address, never by content, because the loader keeps the objects that it
//! doesn't read again. So the cost of a build depends on the size of the edit.

use super::Graph;
use super::environment::Environment;
use super::route::{RouteKind, RouteNode, RouteNodes};
use crate::backend::endpoints::{ServicePortKey, ServicePortNodes, ServicePorts};
use crate::ordered::Follow;
use crate::policy::protection::Protections;
use crate::stand_in::StandIns;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_manifest::api::{BackendObjectReference, NamespacedName, Object, PolicyTargetKind};
use gatefold_manifest::{Invalidates, Kind, Resources};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The inputs of a graph that route nodes depend on.
#[derive(Debug, Default)]
pub(super) struct Basis {
    resources: Resources,
    controller_name: Option<String>,
    path_normalization: PathNormalization,
    system_authorities: Option<Arc<[CertificateDer<'static>]>>,
    discovered: Arc<BTreeMap<ServicePortKey, Vec<SocketAddr>>>,
    stand_ins: StandIns,
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
            stand_ins: environment.stand_ins.clone(),
            protections,
        }
    }

    /// Which parts of the nodes built from this basis are also valid for another one.
    fn holds(&self, now: &Basis) -> Holds {
        let unchanged = |part| {
            let kinds = Kind::ALL.iter().copied();
            let mut kinds = kinds.filter(|kind| kind.invalidates() == part);
            kinds.all(|kind| self.resources.has_identical(kind, &now.resources))
        };
        Holds {
            attachment: unchanged(Invalidates::Routes)
                && same_authorities(&self.resources, &now.resources)
                && same_credentials(&self.resources, &now.resources)
                && same_config_maps_of_policies(&self.resources, &now.resources)
                && self.has_same_servers_of_policies(now)
                && self.system_authorities == now.system_authorities
                && self.path_normalization == now.path_normalization
                && self.controller_name == now.controller_name
                && self.stand_ins.authority() == now.stand_ins.authority()
                && now.protections.same_listeners(&self.protections),
            endpoints: unchanged(Invalidates::Endpoints)
                && self.discovered == now.discovered
                && self.stand_ins.services == now.stand_ins.services
                && self.stand_ins.echo == now.stand_ins.echo,
            refusals: self.resources.refused_objects == now.resources.refused_objects,
        }
    }

    /// Whether SecurityPolicies find the same Services with keys, and the same authorization servers, as before, provided that the
    /// policies haven't changed. A policy whose Service is gone, or is refused for a policy of its own, closes what it protects.
    /// Routes compare the endpoints of authorization servers themselves.
    fn has_same_servers_of_policies(&self, now: &Basis) -> bool {
        let mut policies = now.resources.security_policies.values();
        policies.all(|policy| {
            let own = &policy.meta.namespace;
            let mut servers = policy.spec.servers().peekable();
            if servers.peek().is_none() {
                return true;
            }
            // The namespace of a merged policy's server may be that of another policy.
            let is_merged = policy.spec.merge_type.is_some();
            let same_services = || Arc::ptr_eq(&self.resources.services, &now.resources.services);
            self.stand_ins.services == now.stand_ins.services
                && (!is_merged || same_services())
                && servers.all(|it| self.has_same_server(now, own, it))
        })
    }

    fn has_same_server(
        &self,
        now: &Basis,
        own: &Arc<str>,
        reference: &BackendObjectReference,
    ) -> bool {
        let namespace = reference.namespace.as_deref().unwrap_or(own);
        let key = NamespacedName::new(namespace, &*reference.name);
        let port = reference.port.map_or(0, |port| port.get());
        let found = |basis: &Basis| {
            let service = basis.resources.services.get(&key).map(Arc::as_ptr);
            (service, basis.discovered.contains_key(&(key.clone(), port)))
        };
        let kind = PolicyTargetKind::Service;
        found(self) == found(now) && now.protections.is_unchanged(&self.protections, kind, &key)
    }
}

/// Whether BackendTLSPolicies find the same ConfigMaps as before, provided that the policies haven't changed. An
/// identical ConfigMap has the same certificates, even if they are the last good ones.
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

/// Whether SecurityPolicies find the same Secrets as before, provided that the policies haven't changed. A merged policy may have
/// a reference of its own, so every Secret counts if policies are merged.
fn same_credentials(one: &Resources, other: &Resources) -> bool {
    if Arc::ptr_eq(&one.secrets, &other.secrets) {
        return true;
    }
    let mut policies = other.security_policies.values();
    policies.all(|policy| {
        let spec = &policy.spec;
        let users = spec.basic_auth.iter().map(|it| &it.users);
        let keys = spec
            .api_key_auth
            .iter()
            .flat_map(|it| &it.credential_refs.0);
        let clients = spec.oidc.iter().flat_map(|it| {
            let id = it.client_id_ref.as_ref();
            id.into_iter().chain([&it.client_secret])
        });
        let own = &policy.meta.namespace;
        let references = users.chain(keys).chain(clients);
        let references = references.map(|it| (it.namespace.as_deref().unwrap_or(own), &*it.name));
        let texts = spec.context_references("Secret").map(|name| (&**own, name));
        let same = references.chain(texts).all(|(namespace, name)| {
            let key = NamespacedName::new(namespace, name);
            let found = |resources: &Resources| resources.secrets.get(&key).map(Arc::as_ptr);
            found(one) == found(other)
        });
        same && spec.merge_type.is_none()
    })
}

/// Whether SecurityPolicies find the same ConfigMaps with keys and texts as before, provided that the policies haven't changed.
fn same_config_maps_of_policies(one: &Resources, other: &Resources) -> bool {
    if Arc::ptr_eq(&one.config_maps, &other.config_maps) {
        return true;
    }
    let mut policies = other.security_policies.values();
    policies.all(|policy| {
        let jwt = policy.spec.jwt.iter();
        let local = jwt.flat_map(|it| &it.providers).filter_map(|it| {
            let local = it.local_jwks.as_ref()?;
            local.value_ref.as_ref()
        });
        let names = local.map(|it| &*it.name);
        let mut names = names.chain(policy.spec.context_references("ConfigMap"));
        names.all(|name| {
            let key = NamespacedName::new(policy.meta.namespace.clone(), name);
            let found = |resources: &Resources| resources.config_maps.get(&key).map(Arc::as_ptr);
            found(one) == found(other)
        })
    })
}

/// Which parts of a route's previous node are still valid, if its object is identical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holds {
    /// Its attachment, its permitted references, and how its backends are contacted.
    attachment: bool,
    /// The endpoints of its backends.
    endpoints: bool,
    /// What its findings say of refused objects. A node without findings refers to none.
    refusals: bool,
}

/// The previous graph, with the parts of it that are still valid.
#[derive(Clone, Copy)]
pub(super) struct Before<'g> {
    holds: Holds,
    protections: &'g Protections,
    service_ports: &'g ServicePortNodes,
}

impl<'g> Before<'g> {
    pub(super) fn new(graph: &'g Graph, basis: &Basis) -> Self {
        Before {
            holds: graph.basis.holds(basis),
            protections: &graph.basis.protections,
            service_ports: &graph.service_ports,
        }
    }

    /// Looks up the ports of Services, and reuses those of the previous graph.
    pub(super) fn service_ports(
        &self,
        resources: &'g Resources,
        environment: &'g Environment,
    ) -> ServicePorts<'g> {
        let unchanged = self.holds.endpoints;
        ServicePorts::new(resources, environment, self.service_ports, unchanged)
    }

    /// Returns the routes of a kind in the previous graph.
    pub(super) fn routes<K: RouteKind>(self, nodes: &'g RouteNodes<K>) -> PreviousRoutes<'g, K> {
        PreviousRoutes {
            before: self,
            nodes: Follow::new(nodes),
        }
    }
}

/// The routes of a kind in the previous graph.
pub(super) struct PreviousRoutes<'g, K: RouteKind> {
    before: Before<'g>,
    nodes: Follow<'g, NamespacedName, Arc<RouteNode<K>>>,
}

impl<K: RouteKind> PreviousRoutes<'_, K> {
    /// The previous node of a route, if building it again would give an equal node. Must be called in the order of the
    /// routes' keys.
    pub(super) fn find(
        &mut self,
        key: &NamespacedName,
        route: &Arc<Object<K::Spec>>,
        protections: &Protections,
        ports: &mut ServicePorts<'_>,
    ) -> Option<Arc<RouteNode<K>>> {
        let node = self.nodes.at(key)?;
        let before = self.before;
        if !before.holds.attachment || !Arc::ptr_eq(&node.resource, route) {
            return None;
        }
        if !before.holds.refusals && !node.findings.is_empty() {
            return None;
        }
        let is_protected_as_before =
            |kind, key| protections.is_unchanged(before.protections, kind, key);
        let mut services = node.service_ports.iter().map(|(service, _)| service);
        if !is_protected_as_before(K::POLICY_TARGET, key)
            || !services.all(|it| is_protected_as_before(PolicyTargetKind::Service, it))
        {
            return None;
        }
        // Findings depend on all Services: they name missing ones and suggest existing ones.
        let mut uses = node.service_ports.iter();
        let holds = before.holds.endpoints
            || (node.findings.is_empty() && uses.all(|port| ports.is_unchanged(port)));
        holds.then(|| node.clone())
    }
}
