//! The Services of Gateways.
//!
//! In a cluster an implementation creates a Service for each Gateway (GEP-1762), and tools find it by its labels.
//! gatefold creates no objects. It shows the addresses and ports of a Gateway as such a Service.

use super::derived_name;
use crate::reload::Published;
use crate::status::{GatewayStatus, StatusAddress};
use gatefold_dataplane::Transport;
use gatefold_graph::condition::{ConditionStatus, ConditionType};
use gatefold_manifest::api::{GATEWAY_GROUP, Gateway, NamespacedName};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A Service for each accepted Gateway of gatefold, unless the folder contains a Service with the same name.
pub(super) fn services(published: &Published) -> Vec<Value> {
    let resources = &published.loaded.resources;
    let gateways = published.statuses.gateways.iter();
    gateways
        .filter(|(_, status)| is_accepted(status))
        .filter_map(|(key, status)| {
            let gateway = resources.gateways.get(key)?;
            let name = name(gateway);
            let key = NamespacedName::new(&*key.namespace, &*name);
            let exists = resources.services.contains_key(&key);
            (!exists).then(|| service(&name, gateway, status, published))
        })
        .collect()
}

fn is_accepted(status: &GatewayStatus) -> bool {
    let mut conditions = status.conditions.iter();
    conditions.any(|it| it.kind == ConditionType::Accepted && it.status == ConditionStatus::True)
}

/// The name that GEP-1762 recommends, or a similar one if that isn't valid for a Service.
fn name(gateway: &Gateway) -> String {
    let wanted = format!("{}-{}", gateway.meta.name, gateway.spec.gateway_class_name);
    derived_name::service_name(&wanted)
}

fn service(name: &str, gateway: &Gateway, status: &GatewayStatus, published: &Published) -> Value {
    let addresses = status.addresses.iter();
    let ingress = addresses.map(|StatusAddress(address)| json!({"ip": address}));
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, gateway),
        "spec": {"type": "LoadBalancer", "ports": ports(&gateway.key(), published)},
        "status": {"loadBalancer": {"ingress": ingress.collect::<Vec<_>>()}},
    })
}

/// The metadata, with the labels and annotations of `spec.infrastructure` and the labels that name the Gateway.
fn metadata(name: &str, gateway: &Gateway) -> Value {
    let meta = &gateway.meta;
    let infrastructure = gateway.spec.infrastructure.as_ref();
    let mut labels = infrastructure.map_or_else(BTreeMap::new, |it| it.labels.clone());
    let class = &gateway.spec.gateway_class_name;
    for (key, value) in [("gateway-name", &*meta.name), ("gateway-class-name", class)] {
        let value = derived_name::label_value(value);
        labels.insert(format!("{GATEWAY_GROUP}/{key}"), value);
    }
    let mut metadata = json!({
        "name": name,
        "namespace": &*meta.namespace,
        "labels": labels,
        "ownerReferences": [{
            "apiVersion": format!("{GATEWAY_GROUP}/v1"),
            "kind": gateway.kind().name(),
            "name": &*meta.name,
            "uid": meta.uid,
            "controller": true,
        }],
    });
    let annotations = infrastructure.map(|it| &it.annotations);
    if let Some(annotations) = annotations.filter(|it| !it.is_empty()) {
        metadata["annotations"] = json!(annotations);
    }
    metadata
}

/// Each port of the Gateway's listeners, once. `targetPort` is the port that is bound.
fn ports(gateway: &NamespacedName, published: &Published) -> Vec<Value> {
    let gateway = gateway.to_string();
    let listeners = published.listeners.iter();
    let mut ports = BTreeMap::new();
    for listener in listeners.filter(|listener| listener.gateway == gateway) {
        if let Some(socket) = listener.listening.first() {
            let port = json!({
                "name": format!("port-{}", listener.port),
                "port": listener.port,
                "protocol": match socket.transport {
                    Transport::Tcp => "TCP",
                    Transport::Udp => "UDP",
                },
                "targetPort": socket.port(),
            });
            ports.entry(listener.port).or_insert(port);
        }
    }
    ports.into_values().collect()
}
