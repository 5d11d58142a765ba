//! How the admin API presents each kind: the columns of its table, and its count in `/status`.

use gatefold_manifest::Kind;
use serde_json::Value;

/// The presentation of a kind.
pub(super) struct Presentation {
    /// The columns of a table between `Name` and `Age`: the `additionalPrinterColumns` of the kind's CRD.
    pub(super) columns: &'static [PrinterColumn],
    /// The field of `/status` with the number of objects. `None` if `/status` doesn't count them.
    count: Option<&'static str>,
}

/// A column of a table.
pub(super) struct PrinterColumn {
    pub(super) name: &'static str,
    /// Whether only `-o wide` shows it.
    pub(super) wide: bool,
    /// The cell for an object in JSON.
    pub(super) cell: fn(&Value) -> String,
}

const fn column(name: &'static str, cell: fn(&Value) -> String) -> PrinterColumn {
    PrinterColumn {
        name,
        wide: false,
        cell,
    }
}

const fn wide(name: &'static str, cell: fn(&Value) -> String) -> PrinterColumn {
    PrinterColumn {
        name,
        wide: true,
        cell,
    }
}

const GATEWAY_CLASS: &[PrinterColumn] = &[
    column("Controller", |it| text(it, "/spec/controllerName")),
    column("Accepted", |it| condition(it, "Accepted")),
    wide("Description", |it| text(it, "/spec/description")),
];
const GATEWAY: &[PrinterColumn] = &[
    column("Class", |it| text(it, "/spec/gatewayClassName")),
    column("Address", |it| each(it, "/status/addresses", "value")),
    column("Programmed", |it| condition(it, "Programmed")),
];
const LISTENER_SET: &[PrinterColumn] = &[
    column("Accepted", |it| condition(it, "Accepted")),
    column("Programmed", |it| condition(it, "Programmed")),
];
const ROUTE_WITH_HOSTNAMES: &[PrinterColumn] = &[
    column("Hostnames", |it| texts(it, "/spec/hostnames")),
    wide("Accepted", |it| at_all_parents(it, "Accepted")),
    wide("Resolved", |it| at_all_parents(it, "ResolvedRefs")),
];
const SERVICE: &[PrinterColumn] = &[
    column("Type", service_type),
    column("Ports", |it| each(it, "/spec/ports", "port")),
];

/// The field of `/status` with the number of objects of a kind. `None` if `/status` doesn't count them.
pub(in crate::admin) fn count_field(kind: Kind) -> Option<&'static str> {
    of(kind).count
}

/// The presentation of a kind.
pub(super) fn of(kind: Kind) -> Presentation {
    let (columns, count) = match kind {
        Kind::GatewayClass => (GATEWAY_CLASS, Some("gatewayClasses")),
        Kind::Gateway => (GATEWAY, Some("gateways")),
        Kind::ListenerSet => (LISTENER_SET, Some("listenerSets")),
        Kind::HTTPRoute => (ROUTE_WITH_HOSTNAMES, Some("httpRoutes")),
        Kind::GRPCRoute => (ROUTE_WITH_HOSTNAMES, Some("grpcRoutes")),
        Kind::Service => (SERVICE, Some("services")),
        Kind::ReferenceGrant
        | Kind::BackendTLSPolicy
        | Kind::SecurityPolicy
        | Kind::ClientTrafficPolicy
        | Kind::EnvoyProxy
        | Kind::EndpointSlice
        | Kind::Endpoints
        | Kind::Secret
        | Kind::ConfigMap
        | Kind::Namespace
        | Kind::Pod => (&[][..], None),
    };
    Presentation { columns, count }
}

/// A text field, or an empty string.
pub(super) fn text(object: &Value, pointer: &str) -> String {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// The strings of a list, separated by commas.
fn texts(object: &Value, list: &str) -> String {
    let elements = object.pointer(list).and_then(Value::as_array);
    let texts = elements.into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(",")
}

/// One field of each element of a list, separated by commas.
fn each(object: &Value, list: &str, field: &str) -> String {
    let elements = object.pointer(list).and_then(Value::as_array);
    let value = |element: &Value| match &element[field] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let values = elements.into_iter().flatten().map(value);
    values.collect::<Vec<_>>().join(",")
}

fn service_type(service: &Value) -> String {
    let given = text(service, "/spec/type");
    if given.is_empty() {
        "ClusterIP".to_owned()
    } else {
        given
    }
}

/// The status of a condition of the object.
fn condition(object: &Value, kind: &str) -> String {
    status_of(&object["status"], kind)
        .unwrap_or("Unknown")
        .to_owned()
}

/// The status of a condition over all parents of a route: `True` if it is true at each of them.
fn at_all_parents(route: &Value, kind: &str) -> String {
    let parents = route.pointer("/status/parents").and_then(Value::as_array);
    let parents = parents.into_iter().flatten();
    let statuses = parents.map(|parent| status_of(parent, kind).unwrap_or("Unknown"));
    // In alphabetical order, `False` precedes `True`, and `True` precedes `Unknown`.
    statuses.min().unwrap_or("Unknown").to_owned()
}

fn status_of<'v>(holder: &'v Value, kind: &str) -> Option<&'v str> {
    let mut conditions = holder["conditions"].as_array()?.iter();
    let found = conditions.find(|condition| condition["type"] == kind)?;
    found["status"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_route_is_accepted_only_if_every_parent_accepts_it() {
        let parent = |status| json!({"conditions": [{"type": "Accepted", "status": status}]});
        let route = json!({"status": {"parents": [parent("True"), parent("False")]}});
        assert_eq!(at_all_parents(&route, "Accepted"), "False");
        assert_eq!(at_all_parents(&json!({}), "Accepted"), "Unknown");
    }
}
