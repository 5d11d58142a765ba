use crate::condition::{Condition, ConditionStatus, ConditionType, Reason, find};
use crate::listener::ListenerNode;
use crate::policy::backend_tls::BackendTlsNode;
use crate::route::TargetNode;
use crate::{Environment, Graph, build_after};
use gatefold_manifest::Loader;
use rustls::sign::CertifiedKey;
use std::net::Ipv4Addr;
use std::sync::Arc;

const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: any
  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: keys}]}}]
  tls:
    backend: {clientCertificateRef: {name: cert, namespace: keys}}
    frontend: {default: {validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: authority}]}}}
";

const GRANT: &str = "
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: keys}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: default}]
  to: [{group: '', kind: Secret}]
";

const BACKEND: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: shop, port: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: policy}
spec:
  targetRefs: [{group: '', kind: Service, name: shop}]
  validation: {hostname: shop.example, caCertificateRefs: [{group: '', kind: ConfigMap, name: authority}]}
";

/// A self-signed certificate and its key, as PEM.
fn pair(name: &str) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    [made.cert.pem(), made.signing_key.serialize_pem()]
}

fn secret([certificate, key]: &[String; 2]) -> String {
    format!(
        "\napiVersion: v1\nkind: Secret\nmetadata: {{name: cert, namespace: keys}}\ntype: kubernetes.io/tls\n\
         stringData: {{tls.crt: {certificate:?}, tls.key: {key:?}}}\n"
    )
}

fn config_map(certificate: &str) -> String {
    format!(
        "\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: authority}}\ndata: {{ca.crt: {certificate:?}}}\n"
    )
}

/// Builds a graph of some documents after another graph.
fn after(before: &Graph, documents: &[&str]) -> Graph {
    let loaded = Loader::from_text("edge.yaml", documents.join("---"));
    assert_eq!(loaded.diagnostics, [], "the documents load");
    let environment = Environment {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        ..Environment::default()
    };
    build_after(before, &loaded.resources, &environment)
}

fn listener(graph: &Graph) -> &ListenerNode {
    let gateway = graph.gateways.values().next().expect("the Gateway");
    &gateway.listeners[0]
}

fn state(conditions: &[Condition], kind: ConditionType) -> (bool, Reason, &str) {
    let found = find(conditions, kind).expect("the condition");
    let holds = found.status == ConditionStatus::True;
    (holds, found.reason, &found.message)
}

fn target(graph: &Graph) -> &TargetNode {
    let route = graph.routes.http.values().next().expect("the route");
    &route.rules[0].backends[0].target
}

#[test]
fn keeps_last_good_certificate_when_its_secret_becomes_unusable() {
    let good = pair("a.example");
    let [certificate, _] = good.clone();
    let authority = config_map(&pair("authority.example")[0]);
    let with = |before: &Graph, secret: &str| after(before, &[GATEWAY, GRANT, &authority, secret]);
    let first = with(&Graph::default(), &secret(&good));
    assert!(!first.keeps_last_good());
    let served = listener(&first).certificates[0].cert.clone();

    let mut graph = first;
    let [_, other_key] = pair("b.example");
    let half = certificate[..200].to_owned();
    for bad in [
        secret(&[certificate.clone(), other_key]),
        secret(&[half, good[1].clone()]),
        secret(&["hello".to_owned(), "hello".to_owned()]),
        secret(&["aGVsbG8=".to_owned(), "aGVsbG8=".to_owned()]).replace("stringData", "data"),
        "\napiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: keys}\n".to_owned(),
    ] {
        graph = with(&graph, &bad);
        let node = listener(&graph);
        assert!(node.serving, "{bad}");
        assert_eq!(node.certificates[0].cert, served);
        let (holds, reason, message) = state(&node.conditions, ConditionType::ResolvedRefs);
        assert_eq!((holds, reason), (false, Reason::InvalidCertificateRef));
        let kept = "the last good certificate stays in force (`a.example`, valid until ";
        assert!(message.contains(kept), "{message}");
        let gateway = graph.gateways.values().next().expect("the Gateway");
        assert!(
            gateway.client_certificate.is_some(),
            "the client certificate stays as well"
        );
        assert!(graph.keeps_last_good());
        let mut notes = graph.diagnostics.iter().flat_map(|it| &it.notes);
        assert!(
            notes.any(|note| note.contains(kept)),
            "{:?}",
            graph.diagnostics
        );
    }

    let renewed = with(&graph, &secret(&pair("a.example")));
    assert_ne!(listener(&renewed).certificates[0].cert, served);
    assert!(!renewed.keeps_last_good());

    let removed = after(&graph, &[GATEWAY, GRANT, &authority]);
    assert!(
        !listener(&removed).serving,
        "nothing is kept for a removed Secret"
    );
    let back = with(&removed, &secret(&["hello".into(), "hello".into()]));
    assert!(
        !listener(&back).serving,
        "the last good certificate is gone with the removed Secret"
    );
}

#[test]
fn keeps_nothing_of_a_secret_without_a_reference_grant() {
    let authority = config_map(&pair("authority.example")[0]);
    let (good, bad) = (
        secret(&pair("a.example")),
        secret(&["a".into(), "b".into()]),
    );
    let graph = after(&Graph::default(), &[GATEWAY, GRANT, &authority, &good]);
    let refused = after(&graph, &[GATEWAY, &authority, &bad]);
    assert!(!listener(&refused).serving);
    let permitted = after(&refused, &[GATEWAY, GRANT, &authority, &bad]);
    assert!(!listener(&permitted).serving);
    assert!(!permitted.keeps_last_good());
}

#[test]
fn keeps_last_good_authorities_when_their_config_map_becomes_unusable() {
    let certificate = secret(&pair("a.example"));
    let [authority, _] = pair("authority.example");
    let with = |before: &Graph, config_map: &str| {
        after(before, &[GATEWAY, GRANT, BACKEND, &certificate, config_map])
    };
    let good = with(&Graph::default(), &config_map(&authority));
    let authorities = |graph: &Graph| {
        let asked = listener(graph).client_validation.clone();
        asked.map(|asked| asked.requirements.authorities.clone())
    };
    let (expected, spoken) = (authorities(&good), target(&good).clone());
    assert!(expected.is_some(), "clients are validated");
    let bad = config_map(&format!("{authority}{}", &authority[..100]));
    let kept = with(&good, &bad);
    assert_eq!(authorities(&kept), expected);
    assert_eq!(target(&kept), &spoken, "TLS to the backend stays as before");
    let policy = kept
        .backend_tls_policies
        .values()
        .next()
        .expect("the policy");
    for conditions in [&listener(&kept).conditions, &policy.conditions] {
        let (holds, reason, message) = state(conditions, ConditionType::ResolvedRefs);
        assert_eq!((holds, reason), (false, Reason::InvalidCACertificateRef));
        let note = "the last good CA certificates stay in force (`authority.example`, valid until ";
        assert!(message.contains(note), "{message}");
        let (accepted, ..) = state(conditions, ConditionType::Accepted);
        assert!(accepted, "an authority is in force");
    }

    let no_entry = config_map("").replace("ca.crt", "other.crt");
    for without in [config_map(""), no_entry, String::new()] {
        let gone = with(&kept, &without);
        assert!(
            !listener(&gone).serving,
            "clients must not be admitted unchecked"
        );
        let policy = gone
            .backend_tls_policies
            .values()
            .next()
            .expect("the policy");
        for conditions in [&listener(&gone).conditions, &policy.conditions] {
            let (accepted, reason, _) = state(conditions, ConditionType::Accepted);
            assert_eq!((accepted, reason), (false, Reason::NoValidCACertificate));
        }
        let TargetNode::Service { tls, .. } = target(&gone) else {
            panic!("the Service is in the folder");
        };
        assert_eq!(
            *tls,
            BackendTlsNode::Refused,
            "nothing may be sent in plain text"
        );
        let back = with(&gone, &bad);
        assert_eq!(
            authorities(&back),
            None,
            "a withdrawn authority stays withdrawn"
        );
    }
}

#[test]
fn parses_an_unchanged_secret_once_for_all_listeners_and_reloads() {
    let other = "  - {name: other, port: 444, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: keys}]}}\n";
    let listeners = "  listeners: [{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert, namespace: keys}]}}]\n";
    assert!(GATEWAY.contains(listeners), "{GATEWAY}");
    let same = other.replace("other", "https").replace("444", "443");
    let gateway = GATEWAY.replace(listeners, &format!("  listeners:\n{same}{other}"));
    let authority = config_map(&pair("authority.example")[0]);
    let load = |documents: &[&str]| {
        let loaded = Loader::from_text("edge.yaml", documents.join("---"));
        assert_eq!(loaded.diagnostics, [], "the documents load");
        loaded.resources
    };
    let environment = Environment {
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        ..Environment::default()
    };
    let certificates = |graph: &Graph| -> Vec<Arc<CertifiedKey>> {
        let gateway = graph.gateways.values().next().expect("the Gateway");
        let listeners = gateway.listeners.iter();
        listeners.flat_map(|it| it.certificates.clone()).collect()
    };
    let all_same = |one: &[Arc<CertifiedKey>], other: &[Arc<CertifiedKey>]| {
        let mut pairs = one.iter().zip(other);
        one.len() == other.len() && pairs.all(|(one, other)| Arc::ptr_eq(one, other))
    };

    let good = secret(&pair("a.example"));
    let resources = load(&[&gateway, GRANT, &authority, &good]);
    let first = build_after(&Graph::default(), &resources, &environment);
    let parsed = certificates(&first);
    assert_eq!(parsed.len(), 2);
    assert!(
        Arc::ptr_eq(&parsed[0], &parsed[1]),
        "each listener has parsed the Secret"
    );
    let next = build_after(&first, &resources, &environment);
    assert!(
        all_same(&certificates(&next), &parsed),
        "a reload has parsed the same Secret again"
    );

    // The last good certificate stays in force over further reloads of the same unusable Secret.
    let bad = load(&[
        &gateway,
        GRANT,
        &authority,
        &secret(&["a".into(), "b".into()]),
    ]);
    let mut kept = build_after(&next, &bad, &environment);
    for _ in 0..2 {
        assert!(
            kept.keeps_last_good(),
            "the last good certificate isn't kept"
        );
        assert!(all_same(&certificates(&kept), &parsed));
        let (holds, reason, message) =
            state(&listener(&kept).conditions, ConditionType::ResolvedRefs);
        assert_eq!((holds, reason), (false, Reason::InvalidCertificateRef));
        assert!(message.contains("stays in force"), "{message}");
        kept = build_after(&kept, &bad, &environment);
    }

    let renewed = load(&[&gateway, GRANT, &authority, &secret(&pair("a.example"))]);
    let renewed = build_after(&kept, &renewed, &environment);
    assert!(
        !Arc::ptr_eq(&certificates(&renewed)[0], &parsed[0]),
        "a changed Secret isn't parsed"
    );
}
