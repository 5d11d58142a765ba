//! Statuses as tables, with the columns that `kubectl get` shows.

use super::Statuses;
use super::types::StatusCondition;
use gatefold_diagnostic::ResourceId;
use gatefold_graph::Graph;
use gatefold_graph::condition::ConditionType;
use gatefold_graph::listener::ListenerOwner;
use gatefold_manifest::api::{Hostname, NamespacedName};
use std::fmt;

/// A table: a header, and rows of as many cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub header: Vec<&'static str>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds an object that has errors in its fields, so that nothing of it is in force.
    pub fn add_refused(&mut self, id: &ResourceId) {
        let cells = self.header.iter().map(|column| match *column {
            "NAMESPACE" => id.namespace.clone(),
            "NAME" => id.name.clone(),
            "ACCEPTED" => "<refused>".to_owned(),
            _ => "<none>".to_owned(),
        });
        let row = cells.collect();
        self.rows.push(row);
    }
}

/// Columns are three spaces apart, as kubectl's are; nothing is drawn when there are no rows.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let header: Vec<String> = self.header.iter().map(|name| (*name).to_owned()).collect();
        let lines = || std::iter::once(&header).chain(&self.rows);
        let width = |column: usize| {
            let cells = lines().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        for line in lines() {
            let cells = line.iter().zip(&widths);
            let padded: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", padded.join("   ").trim_end())?;
        }
        Ok(())
    }
}

/// GatewayClasses: their controllers, and whether they are accepted.
pub fn gateway_classes(graph: &Graph, statuses: &Statuses) -> Table {
    let rows = graph.gateway_classes.iter().map(|(name, node)| {
        let status = statuses.gateway_classes.get(name);
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        vec![
            name.clone(),
            node.resource.spec.controller_name.to_string(),
            cell(conditions, ConditionType::Accepted),
        ]
    });
    Table {
        header: vec!["NAME", "CONTROLLER", "ACCEPTED"],
        rows: rows.collect(),
    }
}

/// Gateways: class, addresses, and whether they are accepted and programmed.
pub fn gateways(graph: &Graph, statuses: &Statuses) -> Table {
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
    Table {
        header: vec![
            "NAMESPACE",
            "NAME",
            "CLASS",
            "ADDRESS",
            "ACCEPTED",
            "PROGRAMMED",
        ],
        rows: rows.collect(),
    }
}

/// ListenerSets: their Gateways, and whether they are accepted and programmed.
pub fn listener_sets(graph: &Graph, statuses: &Statuses) -> Table {
    let rows = graph.listener_sets.iter().map(|(key, node)| {
        let status = statuses.listener_sets.get(key);
        let conditions = status.map_or(&[][..], |status| &status.conditions);
        vec![
            key.namespace.to_string(),
            key.name.to_string(),
            within(&node.gateway, key),
            cell(conditions, ConditionType::Accepted),
            cell(conditions, ConditionType::Programmed),
        ]
    });
    Table {
        header: vec!["NAMESPACE", "NAME", "GATEWAY", "ACCEPTED", "PROGRAMMED"],
        rows: rows.collect(),
    }
}

/// Listeners of all Gateways and their ListenerSets: what they serve, how many routes, and whether they are programmed.
pub fn listeners(graph: &Graph, statuses: &Statuses) -> Table {
    let mut rows = Vec::new();
    for (key, node) in &graph.gateways {
        for listener in &node.listeners {
            let owner = listener.owner.key();
            let all = match &listener.owner {
                ListenerOwner::Gateway(_) => statuses.gateways.get(key).map(|it| &it.listeners),
                ListenerOwner::ListenerSet(_) => {
                    statuses.listener_sets.get(&owner).map(|it| &it.listeners)
                }
            };
            let name = listener.name.as_str();
            let own = all.and_then(|all| all.iter().find(|l| l.name == name));
            let conditions = own.map_or(&[][..], |listener| &listener.conditions);
            let name = match &listener.owner {
                ListenerOwner::Gateway(_) => name.to_owned(),
                ListenerOwner::ListenerSet(_) => format!("{}/{name}", within(&owner, key)),
            };
            rows.push(vec![
                key.namespace.to_string(),
                key.name.to_string(),
                name,
                listener
                    .spec()
                    .map_or_else(String::new, |listener| listener.protocol.clone()),
                listener.port.to_string(),
                listener
                    .hostname
                    .as_ref()
                    .map_or("*", Hostname::as_str)
                    .to_owned(),
                listener.attached_routes.to_string(),
                cell(conditions, ConditionType::Programmed),
            ]);
        }
    }
    Table {
        header: vec![
            "NAMESPACE",
            "GATEWAY",
            "LISTENER",
            "PROTOCOL",
            "PORT",
            "HOSTNAME",
            "ROUTES",
            "PROGRAMMED",
        ],
        rows,
    }
}

/// HTTPRoutes: one row a parent, with what that parent says. A route without a parent of ours has one row.
pub fn http_routes(graph: &Graph, statuses: &Statuses) -> Table {
    let mut rows = Vec::new();
    for (key, node) in graph.routes.http.iter() {
        let hostnames = list(node.resource.spec.hostnames.iter().map(Hostname::to_string));
        let status = statuses.http_routes.get(key);
        let parents = status.map_or(&[][..], |status| &status.parents);
        for (parent, status) in node.parents.iter().zip(parents) {
            let section = parent.reference.section_name.as_ref();
            let section = section.map_or_else(String::new, |name| format!("/{name}"));
            let reference = &parent.reference;
            let own = reference.namespace.as_deref().unwrap_or(&key.namespace);
            let parent = NamespacedName::new(own, reference.name.as_str());
            let parent = format!("{}{section}", within(&parent, key));
            let conditions = &status.conditions;
            rows.push(route_row(key, &hostnames, parent, conditions));
        }
        if node.parents.is_empty() {
            rows.push(route_row(key, &hostnames, "<none>".to_owned(), &[]));
        }
    }
    Table {
        header: vec![
            "NAMESPACE",
            "NAME",
            "HOSTNAMES",
            "PARENT",
            "ACCEPTED",
            "RESOLVEDREFS",
        ],
        rows,
    }
}

/// BackendTLSPolicies: what they are for, and whether they are accepted. One that matters to no Gateway has no conditions.
pub fn backend_tls_policies(graph: &Graph, statuses: &Statuses) -> Table {
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
    Table {
        header: vec!["NAMESPACE", "NAME", "TARGETS", "ACCEPTED", "RESOLVEDREFS"],
        rows: rows.collect(),
    }
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

/// A name as it is written in a namespace: short at home.
fn within(name: &NamespacedName, home: &NamespacedName) -> String {
    match name.namespace == home.namespace {
        true => name.name.to_string(),
        false => name.to_string(),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    match items.is_empty() {
        true => "<none>".to_owned(),
        false => items.join(","),
    }
}

/// `True`, or `False (Reason)`.
fn cell(conditions: &[StatusCondition], kind: ConditionType) -> String {
    let condition = conditions.iter().find(|condition| condition.kind == kind);
    condition.map_or_else(
        || "<none>".to_owned(),
        |condition| match condition.status.as_str() {
            "False" => format!("False ({})", condition.reason),
            word => word.to_owned(),
        },
    )
}
