use super::api::{
    BackendTLSPolicy, ConfigMap, EndpointSlice, Endpoints, Gateway, GatewayClass, HTTPRoute,
    ListenerSet, Namespace, NamespacedName, Pod, ReferenceGrant, Secret, Service,
};
use crate::unread_policy::{PolicyKey, UnreadPolicy};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The label that every namespace carries with its own name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Objects of one kind by their names. A kind of which nothing has changed is shared with what was loaded before.
pub type Objects<K, T> = Arc<BTreeMap<K, Arc<T>>>;

/// Every object of the folder that is in force, ordered by namespace and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// GatewayClasses by name.
    pub gateway_classes: Objects<String, GatewayClass>,
    /// Gateways.
    pub gateways: Objects<NamespacedName, Gateway>,
    /// ListenerSets.
    pub listener_sets: Objects<NamespacedName, ListenerSet>,
    /// HTTPRoutes.
    pub http_routes: Objects<NamespacedName, HTTPRoute>,
    /// ReferenceGrants.
    pub reference_grants: Objects<NamespacedName, ReferenceGrant>,
    /// BackendTLSPolicies.
    pub backend_tls_policies: Objects<NamespacedName, BackendTLSPolicy>,
    /// Services.
    pub services: Objects<NamespacedName, Service>,
    /// EndpointSlices.
    pub endpoint_slices: Objects<NamespacedName, EndpointSlice>,
    /// Endpoints.
    pub endpoints: Objects<NamespacedName, Endpoints>,
    /// Secrets.
    pub secrets: Objects<NamespacedName, Secret>,
    /// ConfigMaps.
    pub config_maps: Objects<NamespacedName, ConfigMap>,
    /// Namespaces by name; only those that stand in a file.
    pub namespaces: Objects<String, Namespace>,
    /// Pods.
    pub pods: Objects<NamespacedName, Pod>,
    /// Policies of kinds that aren't read.
    pub unread_policies: Objects<PolicyKey, UnreadPolicy>,
}

impl Resources {
    /// The labels of a namespace. One that is only named by other objects exists as well, with the label
    /// `kubernetes.io/metadata.name`, which every namespace has.
    pub fn namespace_labels(&self, name: &str) -> Cow<'_, BTreeMap<String, String>> {
        match self.namespaces.get(name) {
            Some(namespace) if namespace.meta.labels.contains_key(NAMESPACE_NAME_LABEL) => {
                Cow::Borrowed(&namespace.meta.labels)
            }
            found => {
                let mut labels = found.map_or_else(BTreeMap::new, |n| n.meta.labels.clone());
                labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
                Cow::Owned(labels)
            }
        }
    }

    /// Takes every kind of which nothing has changed from what was loaded before.
    pub(super) fn share(&mut self, before: &Resources) {
        let Resources {
            gateway_classes,
            gateways,
            listener_sets,
            http_routes,
            reference_grants,
            backend_tls_policies,
            services,
            endpoint_slices,
            endpoints,
            secrets,
            config_maps,
            namespaces,
            pods,
            unread_policies,
        } = before;
        share(&mut self.gateway_classes, gateway_classes);
        share(&mut self.gateways, gateways);
        share(&mut self.listener_sets, listener_sets);
        share(&mut self.http_routes, http_routes);
        share(&mut self.reference_grants, reference_grants);
        share(&mut self.backend_tls_policies, backend_tls_policies);
        share(&mut self.services, services);
        share(&mut self.endpoint_slices, endpoint_slices);
        share(&mut self.endpoints, endpoints);
        share(&mut self.secrets, secrets);
        share(&mut self.config_maps, config_maps);
        share(&mut self.namespaces, namespaces);
        share(&mut self.pods, pods);
        share(&mut self.unread_policies, unread_policies);
    }
}

/// The very same objects have the same names, so only they are compared.
fn share<K, T>(now: &mut Objects<K, T>, before: &Objects<K, T>) {
    let mut pairs = now.values().zip(before.values());
    if now.len() == before.len() && pairs.all(|(now, before)| Arc::ptr_eq(now, before)) {
        *now = Arc::clone(before);
    }
}
