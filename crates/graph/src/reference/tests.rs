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

/// Objects of every kind that references name, each with an error. Only the Service `blog` has none.
const REFUSED: &str = "
apiVersion: v1
kind: Secret
metadata: {name: cert}
data: 1
---
apiVersion: v1
kind: ConfigMap
metadata: {name: authority}
data: 1
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: wrong}
---
apiVersion: v1
kind: Service
metadata: {name: blog}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec: {bogus: 1}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata:
  namespace: default
  name: more
spec: {bogus: 1}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: broken}
spec: {bogus: 1}
";

/// The messages of the graph beside the refused objects.
fn messages_beside_refused(object: &str, environment: &Environment) -> Vec<String> {
    let text = format!("{REFUSED}---\napiVersion: gateway.networking.k8s.io/v1\n{object}");
    let loaded = Loader::from_text("a.yaml", text.as_str());
    let graph = build(&loaded.resources, environment);
    let found = graph.diagnostics.into_iter();
    found.map(|it| it.message).collect()
}

#[test]
fn every_field_says_that_an_object_was_refused() {
    let refused = [
        (
            "Secret default/cert was refused, see a.yaml:4",
            "name: cert",
        ),
        (
            "ConfigMap default/authority was refused, see a.yaml:9",
            "name: authority",
        ),
        (
            "Service default/shop was refused, see a.yaml:14",
            "name: shop",
        ),
    ];
    for (field, object) in FIELDS {
        let object = object.replace("REF", "");
        let expected = refused.iter().find(|(_, name)| object.contains(name));
        let (expected, _) = expected.unwrap_or_else(|| panic!("{field} names none of them"));
        let messages = messages_beside_refused(&object, &Environment::default());
        let found = messages.iter().filter(|it| it.contains(expected));
        assert_eq!(found.count(), 1, "{field}: {messages:?}");
    }
}

#[test]
fn parents_classes_and_targets_say_that_an_object_was_refused() {
    let gateway = "Gateway default/front was refused, see a.yaml:24";
    let cases = [
        (
            "kind: HTTPRoute\nmetadata: {name: route}\nspec: {parentRefs: [{name: front}]}\n",
            gateway,
        ),
        (
            "kind: HTTPRoute\nmetadata: {name: route}\nspec: {parentRefs: [{kind: ListenerSet, name: more}]}\n",
            "ListenerSet default/more was refused, see a.yaml:31",
        ),
        (
            "kind: ListenerSet\nmetadata: {name: set}\nspec: {parentRef: {name: front}, listeners: [{name: http, port: 80, protocol: HTTP}]}\n",
            gateway,
        ),
        (
            "kind: Gateway\nmetadata: {name: edge}\nspec: {gatewayClassName: broken, listeners: [{name: http, port: 80, protocol: HTTP}]}\n",
            "GatewayClass broken was refused, see a.yaml:36; the Gateway is served",
        ),
        (
            "kind: BackendTLSPolicy\nmetadata: {name: policy}\nspec: {targetRefs: [{group: '', kind: Service, name: shop}], \
             validation: {hostname: a.example, wellKnownCACertificates: System}}\n",
            "Service default/shop was refused, see a.yaml:14",
        ),
    ];
    for (object, expected) in cases {
        let messages = messages_beside_refused(object, &Environment::default());
        assert!(
            messages.iter().any(|it| it == expected),
            "{object}{messages:?}"
        );
    }
}

#[test]
fn a_gateway_whose_class_was_refused_is_named_even_if_it_is_not_served() {
    let gateway = "kind: Gateway\nmetadata: {name: edge}\n\
         spec: {gatewayClassName: broken, listeners: [{name: http, port: 80, protocol: HTTP}]}\n";
    let environment = Environment {
        controller_name: Some("example.com/ours".to_owned()),
        ..Environment::default()
    };
    let messages = messages_beside_refused(gateway, &environment);
    let expected = "GatewayClass broken was refused, see a.yaml:36; the Gateway isn't served";
    assert_eq!(messages, [expected]);
}
