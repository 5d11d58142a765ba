//! Report: turns the graph and the outcome of binding sockets into the statuses of the API.
//!
//! In: a graph, the sockets that couldn't be bound, the previous statuses, the time. Out: statuses as Kubernetes would show
//! them, valid according to the kinds' CRDs. This module does no input or output.

mod by_kind;
mod foreign;
mod gateway;
mod listener;
mod listener_set;
mod policy;
mod route;
pub mod table;
mod types;

pub use by_kind::{AllRouteStatuses, tables};
pub use foreign::Conditions;
pub use gatefold_listen::{BindFailure, BindFailureReason};
pub use route::RouteStatuses;
pub use types::{
    AncestorReference, GatewayClassStatus, GatewayStatus, ListenerSetStatus, ListenerStatus,
    PolicyAncestorStatus, PolicyStatus, RouteParentStatus, RouteStatus, StatusAddress,
    StatusCondition, SupportedFeature, SupportedKind,
};

use gatefold_dataplane::SocketKey;
use gatefold_graph::Graph;
use gatefold_graph::gateway::{GatewayClassNode, SUPPORTED_FEATURES};
use gatefold_graph::policy::backend_tls_policy::BackendTlsPolicyNode;
use gatefold_manifest::api::NamespacedName;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use types::Stamp;

/// The outcome of binding the sockets that a snapshot needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Sockets that couldn't be bound, and why. All others are bound.
    pub failed: BTreeMap<SocketKey, BindFailure>,
}

/// The statuses of all objects that gatefold serves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statuses {
    /// GatewayClasses by name.
    pub gateway_classes: BTreeMap<String, GatewayClassStatus>,
    /// Gateways.
    pub gateways: BTreeMap<NamespacedName, GatewayStatus>,
    /// ListenerSets.
    pub listener_sets: BTreeMap<NamespacedName, ListenerSetStatus>,
    /// Routes of all kinds.
    pub routes: AllRouteStatuses,
    /// BackendTLSPolicies.
    pub backend_tls_policies: BTreeMap<NamespacedName, PolicyStatus>,
    /// SecurityPolicies.
    pub security_policies: BTreeMap<NamespacedName, PolicyStatus>,
    /// ClientTrafficPolicies.
    pub client_traffic_policies: BTreeMap<NamespacedName, PolicyStatus>,
}

/// Makes the statuses. A condition whose status is the same as in `previous` keeps its transition time.
pub fn report(
    graph: &Graph,
    applied: &Applied,
    previous: &Statuses,
    now: OffsetDateTime,
) -> Statuses {
    let ours = &graph.controller_names;
    let class = |(name, node): (&String, &GatewayClassNode)| {
        let before = previous.gateway_classes.get(name);
        (name.clone(), gateway_class(node, before, now))
    };
    let listener_sets = listener_set::report(graph, applied, previous, now);
    let attached = listener_set::attached(graph, &listener_sets);
    let gateways = graph.gateways.iter().map(|(key, node)| {
        let before = previous.gateways.get(key);
        let attached = attached.get(key).copied().unwrap_or_default();
        let status = gateway::report(node, attached, applied, before, now);
        (key.clone(), status)
    });
    let policy = |(key, node): (&NamespacedName, &BackendTlsPolicyNode)| {
        let before = previous.backend_tls_policies.get(key);
        (
            key.clone(),
            policy::backend_tls_policy(node, before, ours, now),
        )
    };
    Statuses {
        security_policies: policy::layered(
            &graph.security_policies,
            &previous.security_policies,
            ours,
            now,
        ),
        client_traffic_policies: policy::layered(
            &graph.client_traffic_policies,
            &previous.client_traffic_policies,
            ours,
            now,
        ),
        backend_tls_policies: graph.backend_tls_policies.iter().map(policy).collect(),
        gateway_classes: graph.gateway_classes.iter().map(class).collect(),
        gateways: gateways.collect(),
        listener_sets,
        routes: AllRouteStatuses::report(graph, &previous.routes, now),
    }
}

fn gateway_class(
    node: &GatewayClassNode,
    previous: Option<&GatewayClassStatus>,
    now: OffsetDateTime,
) -> GatewayClassStatus {
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let before = previous.map_or(&[][..], |status| &status.conditions);
    GatewayClassStatus {
        conditions: stamp.conditions(
            &node.conditions,
            before,
            &node.resource.recorded().conditions,
        ),
        supported_features: SUPPORTED_FEATURES
            .iter()
            .map(|name| SupportedFeature { name })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_graph::{Environment, build};
    use gatefold_manifest::Loader;
    use time::macros::datetime;

    const FOLDER: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, generation: 7}
spec:
  gatewayClassName: any
  listeners: [{name: http, protocol: HTTP, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, generation: 3}
spec:
  parentRefs: [{name: edge, sectionName: http, port: 80}]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
";
    const SERVICE: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
";
    const MORNING: OffsetDateTime = datetime!(2026-01-01 8:00:00.5 UTC);
    const EVENING: OffsetDateTime = datetime!(2026-01-01 20:00 UTC);

    fn statuses(folder: &str, previous: &Statuses, now: OffsetDateTime) -> Statuses {
        let loaded = Loader::from_text("folder.yaml", folder);
        assert_eq!(loaded.diagnostics, [], "the folder must load");
        let environment = Environment {
            reachable: vec![std::net::Ipv4Addr::LOCALHOST.into()],
            ..Environment::default()
        };
        let graph = build(&loaded.resources, &environment);
        report(&graph, &Applied::default(), previous, now)
    }

    fn name(name: &str) -> NamespacedName {
        NamespacedName::new("default", name)
    }

    #[test]
    fn spells_the_status_of_a_gateway_as_the_api_does() {
        let statuses = statuses(FOLDER, &Statuses::default(), MORNING);
        let status = serde_json::to_value(&statuses.gateways[&name("edge")]).expect("JSON");
        let address = serde_json::json!([{"type": "IPAddress", "value": "127.0.0.1"}]);
        assert_eq!(status["addresses"], address);
        let accepted = serde_json::json!({
            "type": "Accepted", "status": "True", "reason": "Accepted", "observedGeneration": 7,
            "lastTransitionTime": "2026-01-01T08:00:00Z", "message": "the Gateway is accepted",
        });
        assert_eq!(status["conditions"][0], accepted);
        let listener = &status["listeners"][0];
        let kind = |name| serde_json::json!({"group": "gateway.networking.k8s.io", "kind": name});
        let kinds = serde_json::json!([kind("HTTPRoute"), kind("GRPCRoute")]);
        assert_eq!(listener["supportedKinds"], kinds);
        assert_eq!(listener["attachedRoutes"], 1);
    }

    #[test]
    fn shows_a_parent_reference_with_its_defaults_and_without_absent_fields() {
        let statuses = statuses(FOLDER, &Statuses::default(), MORNING);
        let status = serde_json::to_value(&*statuses.routes.http[&name("shop")]).expect("JSON");
        let reference = serde_json::json!({
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge",
            "sectionName": "http", "port": 80,
        });
        assert_eq!(status["parents"][0]["parentRef"], reference);
    }

    #[test]
    fn route_without_a_served_parent_has_an_empty_list_of_parents() {
        let folder = FOLDER.replace("parentRefs: [{name: edge,", "parentRefs: [{name: gone,");
        let statuses = statuses(&folder, &Statuses::default(), MORNING);
        let status = serde_json::to_value(&*statuses.routes.http[&name("shop")]).expect("JSON");
        assert_eq!(status, serde_json::json!({"parents": []}));
    }

    #[test]
    fn transition_time_changes_only_with_the_status_of_the_condition() {
        let before = statuses(FOLDER, &Statuses::default(), MORNING);
        let after = statuses(&format!("{FOLDER}{SERVICE}"), &before, EVENING);
        let times = |statuses: &Statuses| -> Vec<(ConditionType, i64)> {
            let conditions = &statuses.routes.http[&name("shop")].parents[0].conditions;
            let hour = |c: &StatusCondition| (c.kind, i64::from(c.last_transition_time.hour()));
            conditions.iter().map(hour).collect()
        };
        use gatefold_graph::condition::ConditionType;
        assert_eq!(
            times(&after),
            [
                (ConditionType::Accepted, 8),
                (ConditionType::ResolvedRefs, 20)
            ],
            "the new Service resolves the reference; the route was accepted before"
        );
        assert_eq!(
            statuses(FOLDER, &before, EVENING),
            before,
            "the statuses changed although the folder is as before"
        );
    }

    #[test]
    fn lists_features_in_order_as_the_api_requires() {
        let names: Vec<&str> = SUPPORTED_FEATURES.to_vec();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
    }
}
