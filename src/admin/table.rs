//! Tables, which the server draws and kubectl only aligns (`meta.k8s.io/v1`, `Table`).

use super::kind::Kind;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What clients put into `Accept` when they want a table.
pub(super) const ACCEPT: &str = "as=Table";

/// A column.
struct Column {
    name: &'static str,
    /// Shown only with `-o wide`.
    wide: bool,
    cell: fn(&Value) -> String,
}

const fn column(name: &'static str, cell: fn(&Value) -> String) -> Column {
    Column {
        name,
        wide: false,
        cell,
    }
}

const fn wide(name: &'static str, cell: fn(&Value) -> String) -> Column {
    Column {
        name,
        wide: true,
        cell,
    }
}

/// The columns of a kind between `Name` and `Age`: those of the CRDs' `additionalPrinterColumns`.
fn columns(kind: &Kind) -> &'static [Column] {
    const CLASS: &[Column] = &[
        column("Controller", |o| text(o, "/spec/controllerName")),
        column("Accepted", |o| condition(o, "Accepted")),
        wide("Description", |o| text(o, "/spec/description")),
    ];
    const GATEWAY: &[Column] = &[
        column("Class", |o| text(o, "/spec/gatewayClassName")),
        column("Address", |o| each(o, "/status/addresses", "value")),
        column("Programmed", |o| condition(o, "Programmed")),
    ];
    const LISTENER_SET: &[Column] = &[
        column("Accepted", |o| condition(o, "Accepted")),
        column("Programmed", |o| condition(o, "Programmed")),
    ];
    const ROUTE: &[Column] = &[
        column("Hostnames", |o| texts(o, "/spec/hostnames")),
        wide("Accepted", |o| parents(o, "Accepted")),
        wide("Resolved", |o| parents(o, "ResolvedRefs")),
    ];
    const SERVICE: &[Column] = &[
        column("Type", |o| match text(o, "/spec/type") {
            none if none.is_empty() => "ClusterIP".to_owned(),
            kind => kind,
        }),
        column("Ports", |o| each(o, "/spec/ports", "port")),
    ];
    match kind.kind {
        "GatewayClass" => CLASS,
        "Gateway" => GATEWAY,
        "ListenerSet" => LISTENER_SET,
        "HTTPRoute" => ROUTE,
        "Service" => SERVICE,
        _ => &[],
    }
}

/// A table of these objects.
pub(super) fn table(kind: &Kind, objects: &[Value], version: &str, now: OffsetDateTime) -> Value {
    let columns = columns(kind);
    let definition = |name: &str, wide: bool| {
        let format = if name == "Name" { "name" } else { "" };
        let priority = i32::from(wide);
        json!({"name": name, "type": "string", "format": format, "description": "", "priority": priority})
    };
    let mut definitions = vec![definition("Name", false)];
    definitions.extend(
        columns
            .iter()
            .map(|column| definition(column.name, column.wide)),
    );
    definitions.push(definition("Age", false));
    let rows = objects.iter().map(|object| {
        let mut cells = vec![text(object, "/metadata/name")];
        cells.extend(columns.iter().map(|column| (column.cell)(object)));
        cells.push(age(object, now));
        let metadata = json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object["metadata"],
        });
        json!({"cells": cells, "object": metadata})
    });
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions,
        "rows": rows.collect::<Vec<_>>(),
    })
}

fn text(object: &Value, pointer: &str) -> String {
    let found = object.pointer(pointer).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// The texts of a list, with commas.
fn texts(object: &Value, list: &str) -> String {
    let elements = object.pointer(list).and_then(Value::as_array);
    let texts = elements.into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(",")
}

/// A field of each element of a list, with commas.
fn each(object: &Value, list: &str, field: &str) -> String {
    let elements = object.pointer(list).and_then(Value::as_array);
    let values = elements
        .into_iter()
        .flatten()
        .map(|element| match &element[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
    values.collect::<Vec<_>>().join(",")
}

fn condition(object: &Value, kind: &str) -> String {
    status_of(&object["status"], kind)
        .unwrap_or("Unknown")
        .to_owned()
}

/// A condition over all parents: `True` only when it is with each.
fn parents(object: &Value, kind: &str) -> String {
    let parents = object.pointer("/status/parents").and_then(Value::as_array);
    let mut all: Vec<&str> = parents
        .into_iter()
        .flatten()
        .map(|parent| status_of(parent, kind).unwrap_or("Unknown"))
        .collect();
    all.sort_unstable();
    all.first().copied().unwrap_or("Unknown").to_owned()
}

fn status_of<'v>(holder: &'v Value, kind: &str) -> Option<&'v str> {
    let conditions = holder["conditions"].as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == kind)?;
    found["status"].as_str()
}

/// How old it is, as kubectl writes it; most hand-written manifests don't know.
fn age(object: &Value, now: OffsetDateTime) -> String {
    let made = text(object, "/metadata/creationTimestamp");
    let Ok(made) = OffsetDateTime::parse(&made, &Rfc3339) else {
        return "<unknown>".to_owned();
    };
    let seconds = (now - made).whole_seconds().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_gateways_row_has_the_crds_columns() {
        let gateway = json!({
            "metadata": {"name": "edge", "creationTimestamp": "2025-01-01T00:00:00Z"},
            "spec": {"gatewayClassName": "c"},
            "status": {
                "addresses": [{"value": "127.0.0.1"}, {"value": "::1"}],
                "conditions": [{"type": "Programmed", "status": "True"}],
            },
        });
        let kind = Kind::named("gateway").expect("a kind");
        let table = table(kind, &[gateway], "7", datetime!(2025-01-01 03:00 UTC));
        let names: Vec<&Value> = table["columnDefinitions"]
            .as_array()
            .expect("columns")
            .iter()
            .map(|column| &column["name"])
            .collect();
        assert_eq!(names, ["Name", "Class", "Address", "Programmed", "Age"]);
        assert_eq!(
            table["rows"][0]["cells"],
            json!(["edge", "c", "127.0.0.1,::1", "True", "3h"])
        );
    }

    #[test]
    fn a_routes_hostnames_are_separated_by_commas() {
        let route = json!({
            "metadata": {"name": "shop"},
            "spec": {"hostnames": ["shop.example.com", "*.shop.example.com"]},
        });
        let kind = Kind::named("httproute").expect("a kind");
        let table = table(
            kind,
            &[route, json!({"metadata": {"name": "any"}})],
            "7",
            OffsetDateTime::UNIX_EPOCH,
        );
        assert_eq!(
            table["rows"][0]["cells"][1],
            "shop.example.com,*.shop.example.com"
        );
        assert_eq!(
            table["rows"][1]["cells"][1], "",
            "a route without hostnames"
        );
    }

    #[test]
    fn a_route_is_accepted_only_when_every_parent_says_so() {
        let parent = |status| json!({"conditions": [{"type": "Accepted", "status": status}]});
        let route = json!({"status": {"parents": [parent("True"), parent("False")]}});
        assert_eq!(parents(&route, "Accepted"), "False");
        assert_eq!(parents(&json!({}), "Accepted"), "Unknown");
    }
}
