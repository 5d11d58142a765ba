//! Discovery documents, which tell a client of the Kubernetes API what is served. kubectl requests them first.

use gatefold_manifest::{Kind, Scope};
use serde_json::{Value, json};

/// `/api`.
pub(super) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(super) fn groups() -> Value {
    let mut names: Vec<&str> = Kind::ALL.iter().map(|kind| kind.group()).collect();
    names.sort_unstable();
    names.dedup();
    let groups: Vec<Value> = names.into_iter().filter_map(group).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`. `None` for a group that isn't served.
pub(super) fn group(name: &str) -> Option<Value> {
    let is_in_group = |kind: &&Kind| kind.group() == name && !name.is_empty();
    let kind = Kind::ALL.iter().find(is_in_group)?;
    let version = json!({"groupVersion": kind.api_version(), "version": kind.served_version()});
    Some(json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": [version],
        "preferredVersion": version,
    }))
}

/// `/api/v1` and `/apis/GROUP/VERSION`. `None` for a version that isn't served.
pub(super) fn resources(group: &str, version: &str) -> Option<Value> {
    let kinds = Kind::ALL.iter().copied();
    let kinds = kinds.filter(|kind| kind.group() == group && kind.served_version() == version);
    let resources: Vec<Value> = kinds.map(resource).collect();
    let group_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    (!resources.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": resources,
        })
    })
}

fn resource(kind: Kind) -> Value {
    json!({
        "name": kind.plural(),
        "singularName": kind.singular(),
        "namespaced": kind.scope() == Scope::Namespaced,
        "kind": kind.name(),
        "verbs": ["get", "list"],
        "shortNames": kind.short_names(),
    })
}
