//! Objects in JSON.

use crate::status::Statuses;
use gatefold_diagnostic::has_symmetric_key;
use gatefold_diagnostic::yaml::document_json;
use gatefold_manifest::api::NamespacedName;
use gatefold_manifest::{Kind, ObjectRef, Scope};
use serde_json::{Value, json};

/// kubectl stores the whole object in this annotation, including the data of a Secret.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object as loaded, with its status. `apiVersion` is that of the served version, and the name and the namespace are those
/// of the loaded object. The rest of `metadata` is unchanged.
pub(super) fn object_json(kind: Kind, object: ObjectRef<'_>, statuses: &Statuses) -> Value {
    let meta = object.meta;
    let mut json = document_json(object.document).unwrap_or_else(|| json!({}));
    json["apiVersion"] = kind.api_version().into();
    json["kind"] = kind.name().into();
    if !json["metadata"].is_object() {
        json["metadata"] = json!({"name": &*meta.name});
    }
    // A kustomization or a variable may decide the name.
    json["metadata"]["name"] = (&*meta.name).into();
    if kind.scope() == Scope::Namespaced && !meta.namespace.is_empty() {
        json["metadata"]["namespace"] = (&*meta.namespace).into();
    }
    if kind == Kind::Secret {
        conceal(&mut json);
    }
    if matches!(kind, Kind::SecurityPolicy | Kind::ConfigMap) {
        conceal_keys(&mut json);
    }
    let key = NamespacedName::new(meta.namespace.clone(), meta.name.clone());
    if let Some(status) = statuses.json(kind, &key) {
        json["status"] = status;
    }
    json
}

/// Replaces texts with symmetric keys by empty ones: a JWKS, or an annotation that repeats it.
fn conceal_keys(value: &mut Value) {
    match value {
        Value::String(text) if has_symmetric_key(text) => text.clear(),
        Value::Array(items) => items.iter_mut().for_each(conceal_keys),
        Value::Object(fields) => fields.values_mut().for_each(conceal_keys),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces the values of a Secret by empty strings, and keeps their keys.
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

    fn shown(kind: Kind, manifest: &str) -> Value {
        let loaded = Loader::from_text("object.yaml", manifest);
        let object = loaded.resources.objects(kind).next();
        object_json(kind, object.expect("an object"), &Statuses::default())
    }

    #[test]
    fn shows_the_keys_of_a_secret_without_their_values() {
        let object = shown(
            Kind::Secret,
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
    fn shows_no_symmetric_key_of_a_jwks() {
        let public = r#"{"keys": [{"kty": "RSA", "n": "public"}]}"#;
        let object = shown(
            Kind::ConfigMap,
            &format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: keys}}\ndata:\n  jwks: '{{\"keys\": [{{\"kty\": \"oct\", \"k\": \"hidden\"}}]}}'\n  other: '{public}'\n"
            ),
        );
        assert_eq!(object["data"], json!({"jwks": "", "other": public}));
    }

    #[test]
    fn shows_the_served_version_and_keeps_the_metadata() {
        let object = shown(
            Kind::Gateway,
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
