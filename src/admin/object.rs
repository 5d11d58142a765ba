use super::kind::{Entry, Kind};
use crate::status::Statuses;
use gatefold_diagnostic::yaml::document_json;
use gatefold_manifest::api::NamespacedName;
use serde::Serialize;
use serde_json::{Value, json};

/// kubectl keeps the whole object in this annotation, a Secret's data as well.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object as it was loaded, with its status. `apiVersion` is the served version's; a namespace that the
/// file leaves out is filled in; nothing else of `metadata` is touched.
pub(super) fn object_json(kind: &Kind, entry: &Entry<'_>, statuses: &Statuses) -> Value {
    let mut object = document_json(entry.document).unwrap_or_else(|| json!({}));
    object["apiVersion"] = kind.api_version().into();
    object["kind"] = kind.kind.into();
    if !object["metadata"].is_object() {
        object["metadata"] = json!({"name": &*entry.meta.name});
    }
    if kind.namespaced && !entry.meta.namespace.is_empty() {
        object["metadata"]["namespace"] = (&*entry.meta.namespace).into();
    }
    if kind.kind == "Secret" {
        conceal(&mut object);
    }
    if let Some(status) = status(kind, entry, statuses) {
        object["status"] = status;
    }
    object
}

fn status(kind: &Kind, entry: &Entry<'_>, statuses: &Statuses) -> Option<Value> {
    let key = || NamespacedName::new(&*entry.meta.namespace, &*entry.meta.name);
    match kind.kind {
        "GatewayClass" => to_json(statuses.gateway_classes.get(&*entry.meta.name)),
        "Gateway" => to_json(statuses.gateways.get(&key())),
        "ListenerSet" => to_json(statuses.listener_sets.get(&key())),
        "HTTPRoute" => to_json(statuses.http_routes.get(&key()).map(|status| &**status)),
        "BackendTLSPolicy" => to_json(statuses.backend_tls_policies.get(&key())),
        _ => None,
    }
}

fn to_json(status: Option<&impl Serialize>) -> Option<Value> {
    serde_json::to_value(status?).ok()
}

/// Shows which keys a Secret has, each with an empty value.
fn conceal(secret: &mut Value) {
    for field in ["data", "stringData"] {
        if let Some(field) = secret.get_mut(field) {
            match field.as_object_mut() {
                Some(values) => values.values_mut().for_each(|value| *value = "".into()),
                None => *field = json!({}),
            }
        }
    }
    if let Some(annotations) = secret.pointer_mut("/metadata/annotations")
        && let Some(annotations) = annotations.as_object_mut()
    {
        annotations.remove(LAST_APPLIED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::Loader;

    fn shown(kind: &str, manifest: &str) -> Value {
        let loaded = Loader::from_text("object.yaml", manifest);
        let kind = Kind::named(kind).expect("a kind");
        let objects = kind.objects(&loaded.resources);
        let entry = objects.first().expect("an object");
        object_json(kind, entry, &Statuses::default())
    }

    #[test]
    fn a_secret_shows_its_keys_and_none_of_its_values() {
        let object = shown(
            "secret",
            "apiVersion: v1
kind: Secret
metadata:
  name: cert
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{\"data\":{\"tls.key\":\"aGlkZGVu\"}}'
    team: web
type: kubernetes.io/tls
data: {tls.key: aGlkZGVu}
stringData: {plain: hidden}
",
        );
        assert_eq!(object["data"], json!({"tls.key": ""}));
        assert_eq!(object["stringData"], json!({"plain": ""}));
        assert_eq!(object["metadata"]["annotations"], json!({"team": "web"}));
        let text = object.to_string();
        assert!(
            !text.contains("aGlkZGVu") && !text.contains("hidden"),
            "{text}"
        );
    }

    #[test]
    fn an_object_keeps_its_metadata_and_shows_the_served_version() {
        let object = shown(
            "gateway",
            "apiVersion: gateway.networking.k8s.io/v1beta1
kind: Gateway
metadata: {name: g, uid: some-uid, labels: {a: b}}
spec: {gatewayClassName: c, listeners: [{name: http, protocol: HTTP, port: 80}]}
",
        );
        assert_eq!(object["apiVersion"], "gateway.networking.k8s.io/v1");
        assert_eq!(
            object["metadata"],
            json!({"name": "g", "uid": "some-uid", "labels": {"a": "b"}, "namespace": "default"})
        );
        assert_eq!(object["spec"]["listeners"][0]["port"], 80);
    }
}
