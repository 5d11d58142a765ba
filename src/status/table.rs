//! Tables of statuses, as `gatefold check` prints them, in the style of `kubectl get`.
//!
//! In: a graph and the statuses. Out: a table for each kind with a status, and one of all listeners.

use super::Statuses;
use super::types::StatusCondition;
use gatefold_diagnostic::ResourceId;
use gatefold_graph::Graph;
use gatefold_graph::condition::{ConditionStatus, ConditionType};

use gatefold_graph::listener::{ListenerNode, ListenerOwner};
use gatefold_manifest::Kind;
use gatefold_manifest::api::{Hostname, NamespacedName};
use std::fmt;

/// A table. Each row has as many cells as there are columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusTable {
    /// The title.
    pub title: &'static str,
    /// The kind of the objects in the rows. `None` for the table of listeners.
    pub kind: Option<Kind>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    columns: &'static [StatusColumn],
}

/// A column of a [`StatusTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatusColumn {
    Namespace,
    Name,
    Controller,
    Class,
    Address,
    Gateway,
    Listener,
    Protocol,
    Port,
    Hostname,
    Hostnames,
    Parent,
    Routes,
    Targets,
    Accepted,
    ResolvedRefs,
    Programmed,
}

impl StatusColumn {
    fn header(self) -> &'static str {
        match self {
            StatusColumn::Namespace => "NAMESPACE",
            StatusColumn::Name => "NAME",
            StatusColumn::Controller => "CONTROLLER",
            StatusColumn::Class => "CLASS",
            StatusColumn::Address => "ADDRESS",
            StatusColumn::Gateway => "GATEWAY",
            StatusColumn::Listener => "LISTENER",
            StatusColumn::Protocol => "PROTOCOL",
            StatusColumn::Port => "PORT",
            StatusColumn::Hostname => "HOSTNAME",
            StatusColumn::Hostnames => "HOSTNAMES",
            StatusColumn::Parent => "PARENT",
            StatusColumn::Routes => "ROUTES",
            StatusColumn::Targets => "TARGETS",
            StatusColumn::Accepted => "ACCEPTED",
            StatusColumn::ResolvedRefs => "RESOLVEDREFS",
            StatusColumn::Programmed => "PROGRAMMED",
        }
    }
}

impl StatusTable {
    /// Adds a row for an object that is not in force because its fields have errors.
    pub fn add_refused(&mut self, id: &ResourceId) {
        let cells = self.columns.iter().map(|column| match column {
            StatusColumn::Namespace => id.namespace.clone(),
            StatusColumn::Name => id.name.clone(),
            StatusColumn::Accepted => "<refused>".to_owned(),
            StatusColumn::Controller
            | StatusColumn::Class
            | StatusColumn::Address
            | StatusColumn::Gateway
            | StatusColumn::Listener
            | StatusColumn::Protocol
            | StatusColumn::Port
            | StatusColumn::Hostname
            | StatusColumn::Hostnames
            | StatusColumn::Parent
            | StatusColumn::Routes
            | StatusColumn::Targets
            | StatusColumn::ResolvedRefs
            | StatusColumn::Programmed => "<none>".to_owned(),
        });
        let row = cells.collect();
        self.rows.push(row);
    }
}

/// Prints the header and the rows. Prints nothing if there are no rows.
impl fmt::Display for StatusTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let header = self.columns.iter().map(|column| column.header().to_owned());
        let header: Vec<String> = header.collect();
        f.write_str(&align(std::iter::once(&header).chain(&self.rows)))
    }
}

/// Aligns rows in columns as kubectl does: three spaces between columns, and none at the end of a line.
pub fn align<'r>(rows: impl Iterator<Item = &'r Vec<String>> + Clone) -> String {
    let columns = rows.clone().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.clone().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}   "))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// All tables.
pub fn tables(graph: &Graph, statuses: &Statuses) -> Vec<StatusTable> {
    let kinds = Kind::ALL.iter().copied();
    kinds
        .flat_map(|kind| tables_of(kind, graph, statuses))
        .collect()
}

/// The tables of a kind. That of all listeners follows the last kind with listeners.
fn tables_of(kind: Kind, graph: &Graph, statuses: &Statuses) -> Vec<StatusTable> {
    match kind {
        Kind::GatewayClass => vec![gateway_classes(graph, statuses)],
        Kind::Gateway => vec![gateways(graph, statuses)],
        Kind::ListenerSet => vec![listener_sets(graph, statuses), listeners(graph, statuses)],
        Kind::HTTPRoute => vec![http_routes(graph, statuses)],
        Kind::BackendTLSPolicy => vec![backend_tls_policies(graph, statuses)],
        Kind::ReferenceGrant
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::Endpoints
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::Namespace
        | Kind::Pod => Vec::new(),
    }
}

fn gateway_classes(graph: &Graph, statuses: &Statuses) -> StatusTable {
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
        columns: &[
            StatusColumn::Name,
            StatusColumn::Controller,
            StatusColumn::Accepted,
        ],
        rows: rows.collect(),
    }
}

fn gateways(graph: &Graph, statuses: &Statuses) -> StatusTable {
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
            StatusColumn::Namespace,
            StatusColumn::Name,
            StatusColumn::Class,
            StatusColumn::Address,
            StatusColumn::Accepted,
            StatusColumn::Programmed,
        ],
        rows: rows.collect(),
    }
}

fn listener_sets(graph: &Graph, statuses: &Statuses) -> StatusTable {
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
            StatusColumn::Namespace,
            StatusColumn::Name,
            StatusColumn::Gateway,
            StatusColumn::Accepted,
            StatusColumn::Programmed,
        ],
        rows: rows.collect(),
    }
}

/// The listeners of all Gateways and their ListenerSets.
fn listeners(graph: &Graph, statuses: &Statuses) -> StatusTable {
    let gateways = graph.gateways.iter();
    let rows = gateways.flat_map(|(key, node)| {
        let listeners = node.listeners.iter();
        listeners.map(move |listener| listener_row(key, listener, statuses))
    });
    StatusTable {
        title: "Listeners",
        kind: None,
        columns: &[
            StatusColumn::Namespace,
            StatusColumn::Gateway,
            StatusColumn::Listener,
            StatusColumn::Protocol,
            StatusColumn::Port,
            StatusColumn::Hostname,
            StatusColumn::Routes,
            StatusColumn::Programmed,
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

/// HTTPRoutes, with a row for each parent. A route without a parent of gatefold has one row.
fn http_routes(graph: &Graph, statuses: &Statuses) -> StatusTable {
    let mut rows = Vec::new();
    for (key, node) in graph.routes.http.iter() {
        let hostnames = list(node.resource.spec.hostnames.iter().map(Hostname::to_string));
        let status = statuses.http_routes.get(key);
        let parents = status.map_or(&[][..], |status| &status.parents);
        for (parent, status) in node.parents.iter().zip(parents) {
            let reference = &parent.reference;
            let section = reference.section_name.as_ref();
            let section = section.map_or_else(String::new, |name| format!("/{name}"));
            let namespace = reference.namespace.as_deref().unwrap_or(&key.namespace);
            let parent = NamespacedName::new(namespace, reference.name.as_str());
            let parent = format!("{}{section}", relative_name(&parent, key));
            rows.push(route_row(key, &hostnames, parent, &status.conditions));
        }
        if node.parents.is_empty() {
            rows.push(route_row(key, &hostnames, "<none>".to_owned(), &[]));
        }
    }
    StatusTable {
        title: "HTTPRoutes",
        kind: Some(Kind::HTTPRoute),
        columns: &[
            StatusColumn::Namespace,
            StatusColumn::Name,
            StatusColumn::Hostnames,
            StatusColumn::Parent,
            StatusColumn::Accepted,
            StatusColumn::ResolvedRefs,
        ],
        rows,
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

/// BackendTLSPolicies. A policy that affects no Gateway of gatefold has no conditions.
fn backend_tls_policies(graph: &Graph, statuses: &Statuses) -> StatusTable {
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
            StatusColumn::Namespace,
            StatusColumn::Name,
            StatusColumn::Targets,
            StatusColumn::Accepted,
            StatusColumn::ResolvedRefs,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["NAME", "AGE"]),
            row(["a-long-name", "1d"]),
            row(["b", ""]),
        ];
        let text = align(rows.iter());
        assert_eq!(text, "NAME          AGE\na-long-name   1d\nb\n");
    }
}
