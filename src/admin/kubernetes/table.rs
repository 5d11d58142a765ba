//! Tables of objects (`meta.k8s.io/v1`, `Table`), which kubectl only has to align.

use super::presentation::{self, text};
use gatefold_manifest::Kind;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A client that requests a table has this in its `Accept` header.
pub(in crate::admin) const ACCEPT: &str = "as=Table";

/// A table of objects of a kind.
pub(super) fn table(kind: Kind, objects: &[Value], version: &str, now: OffsetDateTime) -> Value {
    let columns = presentation::of(kind).columns;
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

/// The age of an object as kubectl prints it. Most manifests written by hand have no creation time.
fn age(object: &Value, now: OffsetDateTime) -> String {
    let created = text(object, "/metadata/creationTimestamp");
    let Ok(created) = OffsetDateTime::parse(&created, &Rfc3339) else {
        return "<unknown>".to_owned();
    };
    let seconds = (now - created).whole_seconds().max(0);
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
    fn a_gateway_has_the_columns_of_its_crd() {
        let gateway = json!({
            "metadata": {"name": "edge", "creationTimestamp": "2025-01-01T00:00:00Z"},
            "spec": {"gatewayClassName": "c"},
            "status": {
                "addresses": [{"value": "127.0.0.1"}, {"value": "::1"}],
                "conditions": [{"type": "Programmed", "status": "True"}],
            },
        });
        let now = datetime!(2025-01-01 03:00 UTC);
        let table = table(Kind::Gateway, &[gateway], "7", now);
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
    fn the_hostnames_of_a_route_are_separated_by_commas() {
        let route = json!({
            "metadata": {"name": "shop"},
            "spec": {"hostnames": ["shop.example.com", "*.shop.example.com"]},
        });
        let routes = [route, json!({"metadata": {"name": "any"}})];
        let table = table(Kind::HTTPRoute, &routes, "7", OffsetDateTime::UNIX_EPOCH);
        assert_eq!(
            table["rows"][0]["cells"][1],
            "shop.example.com,*.shop.example.com"
        );
        assert_eq!(
            table["rows"][1]["cells"][1], "",
            "a route without hostnames"
        );
    }
}
