use super::api::{
    ConfigMap, EndpointSlice, Endpoints, Gateway, GatewayClass, HTTPRoute, Namespace,
    NamespacedName, Pod, ReferenceGrant, Secret, Service,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The label that every namespace carries with its own name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Every object of the folder that is in force, ordered by namespace and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// GatewayClasses by name.
    pub gateway_classes: BTreeMap<String, Arc<GatewayClass>>,
    /// Gateways.
    pub gateways: BTreeMap<NamespacedName, Arc<Gateway>>,
    /// HTTPRoutes.
    pub http_routes: BTreeMap<NamespacedName, Arc<HTTPRoute>>,
    /// ReferenceGrants.
    pub reference_grants: BTreeMap<NamespacedName, Arc<ReferenceGrant>>,
    /// Services.
    pub services: BTreeMap<NamespacedName, Arc<Service>>,
    /// EndpointSlices.
    pub endpoint_slices: BTreeMap<NamespacedName, Arc<EndpointSlice>>,
    /// Endpoints.
    pub endpoints: BTreeMap<NamespacedName, Arc<Endpoints>>,
    /// Secrets.
    pub secrets: BTreeMap<NamespacedName, Arc<Secret>>,
    /// ConfigMaps.
    pub config_maps: BTreeMap<NamespacedName, Arc<ConfigMap>>,
    /// Namespaces by name; only those that stand in a file.
    pub namespaces: BTreeMap<String, Arc<Namespace>>,
    /// Pods.
    pub pods: BTreeMap<NamespacedName, Arc<Pod>>,
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
}
