//! The statuses by the kind of their objects.

use super::Statuses;
use gatefold_manifest::Kind;
use gatefold_manifest::api::NamespacedName;
use serde::Serialize;
use serde_json::Value;

impl Statuses {
    /// The status of an object as JSON. `None` if gatefold reports none for it.
    pub fn json(&self, kind: Kind, key: &NamespacedName) -> Option<Value> {
        match kind {
            Kind::GatewayClass => to_json(self.gateway_classes.get(&*key.name)),
            Kind::Gateway => to_json(self.gateways.get(key)),
            Kind::ListenerSet => to_json(self.listener_sets.get(key)),
            Kind::HTTPRoute => to_json(self.http_routes.get(key).map(|status| &**status)),
            Kind::BackendTLSPolicy => to_json(self.backend_tls_policies.get(key)),
            Kind::ReferenceGrant
            | Kind::Service
            | Kind::EndpointSlice
            | Kind::Endpoints
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::Namespace
            | Kind::Pod => None,
        }
    }
}

fn to_json(status: Option<&impl Serialize>) -> Option<Value> {
    serde_json::to_value(status?).ok()
}
