//! Discovery documents: what kubectl asks first.

use super::kind::Kind;
use serde_json::{Value, json};

/// `/api`.
pub(super) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(super) fn groups() -> Value {
    let mut names: Vec<&str> = Kind::all().iter().map(|kind| kind.group).collect();
    names.sort_unstable();
    names.dedup();
    let groups: Vec<Value> = names.into_iter().filter_map(group).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`; nothing for a group that isn't served.
pub(super) fn group(name: &str) -> Option<Value> {
    let kind = Kind::all()
        .iter()
        .find(|kind| kind.group == name && !name.is_empty())?;
    let version = json!({"groupVersion": kind.api_version(), "version": kind.version});
    Some(json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": [version],
        "preferredVersion": version,
    }))
}

/// `/api/v1` and `/apis/GROUP/VERSION`; nothing for a version that isn't served.
pub(super) fn resources(group: &str, version: &str) -> Option<Value> {
    let kinds = Kind::all()
        .iter()
        .filter(|kind| kind.group == group && kind.version == version);
    let resources: Vec<Value> = kinds
        .map(|kind| {
            json!({
                "name": kind.resource,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": ["get", "list"],
                "shortNames": kind.short_names,
            })
        })
        .collect();
    let name = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": name,
            "resources": resources,
        })
    })
}
