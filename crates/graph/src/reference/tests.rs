//! The outcome of references in every field that uses the resolver.

use crate::{Environment, build};
use gatefold_diagnostic::{Code, Diagnostic};
use gatefold_manifest::Loader;

const OBJECTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: cert, namespace: keys}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: authority, namespace: keys}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: keys}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: blog}
spec: {ports: [{port: 80}]}
";

/// The fields with references, each with the object that contains it. `REF` is the reference.
const FIELDS: [(&str, &str); 5] = [
    (
        "certificateRefs of a listener",
        "kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{group: '', kind: Secret, name: cert REF}]}}]
",
    ),
    (
        "clientCertificateRef",
        "kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners: [{name: http, port: 80, protocol: HTTP}]
  tls: {backend: {clientCertificateRef: {group: '', kind: Secret, name: cert REF}}}
",
    ),
    (
        "caCertificateRefs of a Gateway",
        "kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners: [{name: http, port: 80, protocol: HTTP}]
  tls: {frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: authority REF}]}}}}
",
    ),
    (
        "backendRefs",
        "kind: HTTPRoute
metadata: {name: route}
spec: {rules: [{backendRefs: [{group: '', kind: Service, name: shop, port: 80 REF}]}]}
",
    ),
    (
        "caCertificateRefs of a BackendTLSPolicy",
        "kind: BackendTLSPolicy
metadata: {name: policy}
spec:
  targetRefs: [{group: '', kind: Service, name: blog}]
  validation: {hostname: blog.example, caCertificateRefs: [{group: '', kind: ConfigMap, name: authority REF}]}
",
    ),
];

const GRANT: &str = "
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: keys}
spec:
  from:
    - {group: gateway.networking.k8s.io, kind: Gateway, namespace: default}
    - {group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}
  to: [{group: '', kind: Secret}, {group: '', kind: ConfigMap}, {group: '', kind: Service}]
";

/// The first diagnostic with one of these codes about an object with a reference.
fn finding(object: &str, grant: &str, codes: &[Code]) -> Option<Diagnostic> {
    let text =
        format!("{OBJECTS}---\napiVersion: gateway.networking.k8s.io/v1\n{object}---{grant}");
    let loaded = Loader::from_text("manifests.yaml", text.as_str());
    assert_eq!(loaded.diagnostics, [], "the manifests must load: {text}");
    let graph = build(&loaded.resources, &Environment::default());
    let mut diagnostics = graph.diagnostics.into_iter();
    diagnostics.find(|it| codes.contains(&it.code))
}

const NOT_FOUND: [Code; 2] = [Code::CertificateNotFound, Code::BackendNotFound];

#[test]
fn every_field_reports_an_unsupported_kind() {
    let codes = [
        Code::UnsupportedCertificateKind,
        Code::UnsupportedBackendKind,
    ];
    for (field, object) in FIELDS {
        let object = object
            .replace("REF", "")
            .replace("group: '', kind: S", "group: example.com, kind: S");
        let object = object.replace("group: '', kind: ConfigMap", "group: '', kind: Secret");
        let found = finding(&object, GRANT, &codes).unwrap_or_else(|| panic!("{field}"));
        assert!(
            found.message.contains("isn't supported; use a "),
            "{field}: {}",
            found.message
        );
    }
}

#[test]
fn every_field_needs_a_grant_for_another_namespace() {
    for (field, object) in FIELDS
        .iter()
        .filter(|(_, object)| !object.contains("BackendTLSPolicy"))
    {
        let object = object.replace("REF", ", namespace: keys");
        let found = finding(&object, "", &[Code::ReferenceNotPermitted]);
        let found = found.unwrap_or_else(|| panic!("{field} needs no grant"));
        let help = found.help.unwrap_or_default();
        assert!(help.contains("kind: ReferenceGrant"), "{field}: {help}");
        let granted = finding(&object, GRANT, &[Code::ReferenceNotPermitted]);
        assert_eq!(granted, None, "{field}: the grant must permit it");
    }
}

#[test]
fn every_field_suggests_a_similar_name_or_another_namespace() {
    for (field, object) in FIELDS {
        let local = object.replace("REF", "");
        let found = finding(&local, GRANT, &NOT_FOUND).unwrap_or_else(|| panic!("{field}"));
        let expected = "there is one in another namespace: add `namespace: keys`";
        let expected = (!object.contains("BackendTLSPolicy")).then_some(expected);
        assert_eq!(found.help.as_deref(), expected, "{field}");
        if expected.is_none() {
            continue;
        }
        for name in ["cert", "authority", "shop"] {
            let object = object.replace("REF", ", namespace: keys");
            let misspelled = object.replace(&format!("name: {name} "), &format!("name: {name}s "));
            let misspelled =
                misspelled.replace(&format!("name: {name},"), &format!("name: {name}s,"));
            if misspelled == object {
                continue;
            }
            let found =
                finding(&misspelled, GRANT, &NOT_FOUND).unwrap_or_else(|| panic!("{field}"));
            let expected = format!("did you mean `{name}`?");
            assert_eq!(found.help, Some(expected), "{field}");
        }
    }
}
