//! Report: what the graph says and what the sockets did become the statuses of the API.
//!
//! In: a graph, what binding the sockets gave, the statuses before, the time. Out: statuses as Kubernetes
//! would show them, valid by the kinds' CRDs. Nothing is read or written here.

mod foreign;
mod gateway;
mod listener;
mod listener_set;
pub mod table;
mod types;

pub use foreign::Conditions;
use gatefold_dataplane::SocketKey;
pub use gatefold_listen::{BindFailure, BindFailureReason};
pub use types::{
    AncestorReference, GatewayClassStatus, GatewayStatus, ListenerSetStatus, ListenerStatus,
    PolicyAncestorStatus, PolicyStatus, RouteKind, RouteParentStatus, RouteStatus, StatusAddress,
    StatusCondition, SupportedFeature,
};

use gatefold_graph::Graph;
use gatefold_graph::backend_tls_policy::BackendTlsPolicyNode;
use gatefold_graph::gateway_class::{GatewayClassNode, SUPPORTED_FEATURES};
use gatefold_graph::http_route::{HttpRouteNode, HttpRouteNodes, ParentNode};
use gatefold_graph::ordered::Follow;
use gatefold_manifest::api::{GATEWAY_GROUP, NamespacedName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use time::OffsetDateTime;
use types::Stamp;

/// The API allows no more in a policy's status.
const MOST_ANCESTORS: usize = 16;
/// The API allows no more in a route's status.
const MOST_PARENTS: usize = 32;

/// What became of the sockets that a snapshot needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Sockets that couldn't be bound, and why. What isn't in here is bound.
    pub failed: BTreeMap<SocketKey, BindFailure>,
}

/// The statuses of all objects that are ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statuses {
    /// GatewayClasses by name.
    pub gateway_classes: BTreeMap<String, GatewayClassStatus>,
    /// Gateways.
    pub gateways: BTreeMap<NamespacedName, GatewayStatus>,
    /// ListenerSets.
    pub listener_sets: BTreeMap<NamespacedName, ListenerSetStatus>,
    /// HTTPRoutes. One that is the same as before is shared.
    pub http_routes: BTreeMap<NamespacedName, Arc<RouteStatus>>,
    /// What those were made of.
    http_route_nodes: MadeOf<HttpRouteNodes>,
    /// BackendTLSPolicies.
    pub backend_tls_policies: BTreeMap<NamespacedName, PolicyStatus>,
}

/// What statuses were made of, which is no part of what they say.
#[derive(Clone, Debug, Default)]
struct MadeOf<T>(Arc<T>);

impl<T> PartialEq for MadeOf<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Makes the statuses. The time of a condition stays that of `previous` as long as its status is the same.
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
    let mut before = Follow::new(&previous.http_routes);
    let mut node_before = Follow::new(&previous.http_route_nodes.0);
    let route = |(key, node): (&NamespacedName, &Arc<HttpRouteNode>)| {
        let before = before.at(key);
        let is_same = node_before
            .at(key)
            .is_some_and(|old| Arc::ptr_eq(old, node));
        let status = match before.filter(|_| is_same) {
            Some(same) => same.clone(),
            None => Arc::new(http_route(node, before.map(|it| &**it), ours, now)),
        };
        (key.clone(), status)
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
        (key.clone(), backend_tls_policy(node, before, ours, now))
    };
    Statuses {
        backend_tls_policies: graph.backend_tls_policies.iter().map(policy).collect(),
        gateway_classes: graph.gateway_classes.iter().map(class).collect(),
        gateways: gateways.collect(),
        listener_sets,
        http_routes: graph.http_routes.iter().map(route).collect(),
        http_route_nodes: MadeOf(graph.http_routes.clone()),
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

fn http_route(
    node: &HttpRouteNode,
    previous: Option<&RouteStatus>,
    ours: &BTreeSet<String>,
    now: OffsetDateTime,
) -> RouteStatus {
    let recorded = &node.resource.recorded().parents;
    let home = &node.resource.meta.namespace;
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let parent = |parent: &ParentNode| {
        let before = previous.and_then(|status| {
            let same = |p: &&RouteParentStatus| {
                p.parent_ref == parent.reference && p.controller_name == parent.controller_name
            };
            status.parents.iter().find(same)
        });
        let before = before.map_or(&[][..], |parent| &parent.conditions);
        let (name, reference) = (&parent.controller_name, &parent.reference);
        let recorded = foreign::recorded_at(recorded, name, reference, home);
        RouteParentStatus {
            parent_ref: reference.clone(),
            controller_name: name.clone(),
            conditions: stamp.conditions(&parent.conditions, before, recorded),
        }
    };
    let parents: Vec<RouteParentStatus> = node.parents.iter().map(parent).collect();
    let room = MOST_PARENTS.saturating_sub(parents.len());
    RouteStatus {
        foreign: foreign::entries(recorded, ours, room),
        parents,
    }
}

fn backend_tls_policy(
    node: &BackendTlsPolicyNode,
    previous: Option<&PolicyStatus>,
    ours: &BTreeSet<String>,
    now: OffsetDateTime,
) -> PolicyStatus {
    let recorded = &node.resource.recorded().ancestors;
    let home = &node.resource.meta.namespace;
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let ancestor = |(gateway, controller_name): (&NamespacedName, &String)| {
        let ancestor_ref = AncestorReference {
            group: GATEWAY_GROUP,
            kind: "Gateway",
            namespace: gateway.namespace.to_string(),
            name: gateway.name.to_string(),
        };
        let before = previous.and_then(|status| {
            let same = |it: &&PolicyAncestorStatus| it.ancestor_ref == ancestor_ref;
            status.ancestors.iter().find(same)
        });
        let before = before.map_or(&[][..], |ancestor| &ancestor.conditions);
        let reference = ancestor_ref.as_parent();
        let recorded = foreign::recorded_at(recorded, controller_name, &reference, home);
        PolicyAncestorStatus {
            conditions: stamp.conditions(&node.conditions, before, recorded),
            ancestor_ref,
            controller_name: controller_name.clone(),
        }
    };
    let gateways = node.gateways.iter().take(MOST_ANCESTORS);
    let ancestors: Vec<PolicyAncestorStatus> = gateways.map(ancestor).collect();
    let room = MOST_ANCESTORS.saturating_sub(ancestors.len());
    PolicyStatus {
        foreign: foreign::entries(recorded, ours, room),
        ancestors,
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
    fn a_gateways_status_is_spelled_as_the_api_spells_it() {
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
        let kinds =
            serde_json::json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}]);
        assert_eq!(listener["supportedKinds"], kinds);
        assert_eq!(listener["attachedRoutes"], 1);
    }

    #[test]
    fn a_parent_reference_is_shown_with_its_defaults_but_without_what_it_leaves_out() {
        let statuses = statuses(FOLDER, &Statuses::default(), MORNING);
        let status = serde_json::to_value(&*statuses.http_routes[&name("shop")]).expect("JSON");
        let reference = serde_json::json!({
            "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge",
            "sectionName": "http", "port": 80,
        });
        assert_eq!(status["parents"][0]["parentRef"], reference);
    }

    #[test]
    fn a_route_without_a_parent_of_ours_has_an_empty_list_of_parents() {
        let folder = FOLDER.replace("parentRefs: [{name: edge,", "parentRefs: [{name: gone,");
        let statuses = statuses(&folder, &Statuses::default(), MORNING);
        let status = serde_json::to_value(&*statuses.http_routes[&name("shop")]).expect("JSON");
        assert_eq!(status, serde_json::json!({"parents": []}));
    }

    #[test]
    fn the_time_of_a_condition_changes_only_with_its_status() {
        let before = statuses(FOLDER, &Statuses::default(), MORNING);
        let after = statuses(&format!("{FOLDER}{SERVICE}"), &before, EVENING);
        let times = |statuses: &Statuses| -> Vec<(ConditionType, i64)> {
            let conditions = &statuses.http_routes[&name("shop")].parents[0].conditions;
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
            "the Service that came resolves the reference; acceptance was there before"
        );
        assert_eq!(
            statuses(FOLDER, &before, EVENING),
            before,
            "nothing changed"
        );
    }

    #[test]
    fn features_are_listed_in_order_as_the_api_wants_it() {
        let names: Vec<&str> = SUPPORTED_FEATURES.to_vec();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(names, sorted);
    }
}
