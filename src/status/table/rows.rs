//! The rows of each table.

use super::{StatusColumn as Column, StatusTable};
use crate::status::types::{PolicyAncestorStatus, PolicyStatus, StatusCondition};
use crate::status::{RouteStatuses, Statuses};
use gatefold_graph::Graph;
use gatefold_graph::condition::{ConditionStatus, ConditionType};
use gatefold_graph::listener::{ListenerNode, ListenerOwner};
use gatefold_graph::policy::layered_status::LayeredPolicyNodes;
use gatefold_graph::route::{RouteKind, RouteNodes};
use gatefold_manifest::api::{Hostname, NamespacedName, ParentReference};
use gatefold_manifest::{Kind, Spec};
use std::collections::BTreeMap;

pub(in crate::status) fn gateway_classes(graph: &Graph, statuses: &Statuses) -> StatusTable {
    let rows = graph.gateway_classes.iter().map(|(name, node)| {
        let status = statuses.gateway_classes.get(name);
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        vec![
            name.clone(),
            node.resource.spec.controller_name.to_string(),
            cell(conditions, ConditionType::Accepted),
        ]
    });
    StatusTable {
        title: "GatewayClasses",
        kind: Some(Kind::GatewayClass),
        columns: &[Column::Name, Column::Controller, Column::Accepted],
        rows: rows.collect(),
    }
}

pub(in crate::status) fn gateways(graph: &Graph, statuses: &Statuses) -> StatusTable {
    let rows = graph.gateways.iter().map(|(key, node)| {
        let status = statuses.gateways.get(key);
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        let addresses = status.map_or(&[][..], |status| &status.addresses);
        vec![
            key.namespace.to_string(),
            key.name.to_string(),
            node.resource.spec.gateway_class_name.clone(),
            list(addresses.iter().map(|address| address.0.to_string())),
            cell(conditions, ConditionType::Accepted),
            cell(conditions, ConditionType::Programmed),
        ]
    });
    StatusTable {
        title: "Gateways",
        kind: Some(Kind::Gateway),
        columns: &[
            Column::Namespace,
            Column::Name,
            Column::Class,
            Column::Address,
            Column::Accepted,
            Column::Programmed,
        ],
        rows: rows.collect(),
    }
}

pub(in crate::status) fn listener_sets(graph: &Graph, statuses: &Statuses) -> StatusTable {
    let rows = graph.listener_sets.iter().map(|(key, node)| {
        let status = statuses.listener_sets.get(key);
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        vec![
            key.namespace.to_string(),
            key.name.to_string(),
            relative_name(&node.gateway, key),
            cell(conditions, ConditionType::Accepted),
            cell(conditions, ConditionType::Programmed),
        ]
    });
    StatusTable {
        title: "ListenerSets",
        kind: Some(Kind::ListenerSet),
        columns: &[
            Column::Namespace,
            Column::Name,
            Column::Gateway,
            Column::Accepted,
            Column::Programmed,
        ],
        rows: rows.collect(),
    }
}

/// The listeners of all Gateways and their ListenerSets.
pub(in crate::status) fn listeners(graph: &Graph, statuses: &Statuses) -> StatusTable {
    let gateways = graph.gateways.iter();
    let rows = gateways.flat_map(|(key, node)| {
        let listeners = node.listeners.iter();
        listeners.map(move |listener| listener_row(key, listener, statuses))
    });
    StatusTable {
        title: "Listeners",
        kind: None,
        columns: &[
            Column::Namespace,
            Column::Gateway,
            Column::Listener,
            Column::Protocol,
            Column::Port,
            Column::Hostname,
            Column::Routes,
            Column::Programmed,
        ],
        rows: rows.collect(),
    }
}

fn listener_row(
    gateway: &NamespacedName,
    listener: &ListenerNode,
    statuses: &Statuses,
) -> Vec<String> {
    let owner = listener.owner.key();
    let name = listener.name.as_str();
    let (all, full_name) = match &listener.owner {
        ListenerOwner::Gateway(_) => {
            let status = statuses.gateways.get(gateway);
            (status.map(|it| &it.listeners), name.to_owned())
        }
        ListenerOwner::ListenerSet(_) => {
            let status = statuses.listener_sets.get(&owner);
            let full_name = format!("{}/{name}", relative_name(&owner, gateway));
            (status.map(|it| &it.listeners), full_name)
        }
    };
    let status = all.and_then(|all| all.iter().find(|it| it.name == name));
    let conditions = status.map_or(&[][..], |listener| &listener.conditions);
    let protocol = listener.spec().map(|it| it.protocol.clone());
    let hostname = listener.hostname.as_ref();
    vec![
        gateway.namespace.to_string(),
        gateway.name.to_string(),
        full_name,
        protocol.unwrap_or_default(),
        listener.port.to_string(),
        hostname.map_or("*", Hostname::as_str).to_owned(),
        listener.attached_routes.to_string(),
        cell(conditions, ConditionType::Programmed),
    ]
}

/// Routes of a kind, with a row for each parent. A route without a parent of gatefold has one row.
pub(in crate::status) fn routes<K: RouteKind>(
    title: &'static str,
    nodes: &RouteNodes<K>,
    statuses: &RouteStatuses<K>,
    hostnames: fn(&K::Spec) -> &[Hostname],
) -> StatusTable {
    let mut rows = Vec::new();
    for (key, node) in nodes {
        let hostnames = hostnames(&node.resource.spec).iter();
        let hostnames = list(hostnames.map(Hostname::to_string));
        let status = statuses.get(key);
        let parents = status.map_or(&[][..], |status| &status.parents);
        for (parent, status) in node.parents.iter().zip(parents) {
            let parent = parent_name(&parent.reference, key);
            rows.push(route_row(key, &hostnames, parent, &status.conditions));
        }
        if node.parents.is_empty() {
            rows.push(route_row(key, &hostnames, "<none>".to_owned(), &[]));
        }
    }
    StatusTable {
        title,
        kind: Some(K::Spec::KIND),
        columns: &[
            Column::Namespace,
            Column::Name,
            Column::Hostnames,
            Column::Parent,
            Column::Accepted,
            Column::ResolvedRefs,
        ],
        rows,
    }
}

/// The parent as seen from the route, with the section if there is one: `edge/https`.
fn parent_name(reference: &ParentReference, route: &NamespacedName) -> String {
    let namespace = reference.namespace.as_deref().unwrap_or(&route.namespace);
    let parent = NamespacedName::new(namespace, reference.name.as_str());
    let section = reference.section_name.as_ref();
    let section = section.map_or_else(String::new, |name| format!("/{name}"));
    format!("{}{section}", relative_name(&parent, route))
}

fn route_row(
    key: &NamespacedName,
    hostnames: &str,
    parent: String,
    conditions: &[StatusCondition],
) -> Vec<String> {
    vec![
        key.namespace.to_string(),
        key.name.to_string(),
        hostnames.to_owned(),
        parent,
        cell(conditions, ConditionType::Accepted),
        cell(conditions, ConditionType::ResolvedRefs),
    ]
}

/// BackendTLSPolicies. A policy that affects no Gateway of gatefold has no conditions.
pub(in crate::status) fn backend_tls_policies(graph: &Graph, statuses: &Statuses) -> StatusTable {
    let rows = graph.backend_tls_policies.iter().map(|(key, node)| {
        let targets = node.resource.spec.target_refs.iter().map(|target| {
            let section = target.section_name.as_ref();
            let section = section.map_or_else(String::new, |name| format!("/{name}"));
            format!("{}{section}", target.name)
        });
        let status = statuses.backend_tls_policies.get(key);
        let ancestor = status.and_then(|status| status.ancestors.first());
        let conditions = ancestor.map_or(&[][..], |ancestor| &ancestor.conditions);
        vec![
            key.namespace.to_string(),
            key.name.to_string(),
            list(targets),
            cell(conditions, ConditionType::Accepted),
            cell(conditions, ConditionType::ResolvedRefs),
        ]
    });
    StatusTable {
        title: "BackendTLSPolicies",
        kind: Some(Kind::BackendTLSPolicy),
        columns: &[
            Column::Namespace,
            Column::Name,
            Column::Targets,
            Column::Accepted,
            Column::ResolvedRefs,
        ],
        rows: rows.collect(),
    }
}

/// Policies with levels: one row for each ancestor, and one for a policy without ancestors.
pub(in crate::status) fn layered_policies<S: Spec>(
    title: &'static str,
    nodes: &LayeredPolicyNodes<S>,
    statuses: &BTreeMap<NamespacedName, PolicyStatus>,
) -> StatusTable {
    let rows = nodes.keys().flat_map(|key| {
        let ancestors = statuses
            .get(key)
            .map_or(&[][..], |status| &status.ancestors);
        let row = |ancestor: Option<&PolicyAncestorStatus>| {
            let reference = ancestor.map(|it| &it.ancestor_ref);
            let name = reference.map_or_else(String::new, |it| {
                let section = it.section_name.as_ref();
                let section = section.map_or_else(String::new, |name| format!("/{name}"));
                format!("{}{section}", it.name)
            });
            let conditions = ancestor.map_or(&[][..], |it| &it.conditions);
            vec![
                key.namespace.to_string(),
                key.name.to_string(),
                name,
                cell(conditions, ConditionType::Accepted),
            ]
        };
        let none = ancestors.is_empty().then(|| row(None));
        let rows: Vec<Vec<String>> = ancestors
            .iter()
            .map(|it| row(Some(it)))
            .chain(none)
            .collect();
        rows
    });
    StatusTable {
        title,
        kind: Some(S::KIND),
        columns: &[
            Column::Namespace,
            Column::Name,
            Column::Parent,
            Column::Accepted,
        ],
        rows: rows.collect(),
    }
}

/// The routes and ListenerSets of kinds that gatefold doesn't read yet, at the Gateways that lack them.
pub(in crate::status) fn unserved_routes(graph: &Graph) -> StatusTable {
    let rows = graph.unserved_routes.iter().map(|route| {
        let key = NamespacedName::new(&*route.id.namespace, &*route.id.name);
        vec![
            route.id.namespace.clone(),
            route.id.name.clone(),
            route.id.kind.clone(),
            relative_name(&route.parent, &key),
            "<not served>".to_owned(),
        ]
    });
    StatusTable {
        title: "Routes of kinds that aren't served yet",
        kind: None,
        columns: &[
            Column::Namespace,
            Column::Name,
            Column::Kind,
            Column::Parent,
            Column::Accepted,
        ],
        rows: rows.collect(),
    }
}

/// A name as seen from another object: without the namespace if both are in the same one.
fn relative_name(name: &NamespacedName, from: &NamespacedName) -> String {
    if name.namespace == from.namespace {
        name.name.to_string()
    } else {
        name.to_string()
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        "<none>".to_owned()
    } else {
        items.join(",")
    }
}

/// The status of a condition: `True`, or `False (Reason)`.
fn cell(conditions: &[StatusCondition], kind: ConditionType) -> String {
    let condition = conditions.iter().find(|condition| condition.kind == kind);
    let Some(condition) = condition else {
        return "<none>".to_owned();
    };
    match condition.status {
        ConditionStatus::False => format!("False ({})", condition.reason),
        ConditionStatus::True | ConditionStatus::Unknown => condition.status.as_str().to_owned(),
    }
}
