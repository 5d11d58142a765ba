//! Snapshots of whole folders: routing, shares, digests, and rules that answer 500.

mod grpc;
mod grpc_invalid;
mod naive;
mod preflight;
mod random;
mod spellings;

use super::{Compiler, compile};
use gatefold_dataplane::backend::BackendTarget;
use gatefold_dataplane::routing::request::RequestView;
use gatefold_dataplane::{Action, Rule, Snapshot};
use gatefold_graph::{Environment, Graph, build};
use gatefold_manifest::{Loader, Resources};
use http::{HeaderMap, Method};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The folder that the tests edit: two hostnames, and two backends of which one has endpoints.
const FOLDER: &str = r"
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: any
  listeners:
  - {name: http, protocol: HTTP, port: 80}
  - {name: shop, protocol: HTTP, port: 80, hostname: '*.shop.example'}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec:
  parentRefs: [{name: gateway, sectionName: http}]
  hostnames: [a.example, b.example]
  rules:
  - matches: [{path: {value: /get}}, {headers: [{name: version, value: two}]}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: added, value: foo}]}}
    backendRefs: [{name: one, port: 80, weight: 8}, {name: two, port: 80, weight: 2}]
---
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: one, labels: {kubernetes.io/service-name: one}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}]
ports: [{port: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {ports: [{port: 80}]}
";

fn compiled(folder: &str) -> Snapshot {
    compiled_after(&mut Compiler::default(), folder)
}

fn compiled_after(compiler: &mut Compiler, folder: &str) -> Snapshot {
    let resources = Loader::from_text("folder.yaml", folder).resources;
    compiler.compile(&graph(&resources))
}

fn compiled_resources(resources: &Resources) -> Snapshot {
    compile(&graph(resources))
}

fn graph(resources: &Resources) -> Graph {
    let environment = Environment {
        addresses: vec![Ipv4Addr::UNSPECIFIED.into()],
        ..Environment::default()
    };
    build(resources, &environment)
}

/// Returns the rule that matches a GET request on the only port.
fn route<'s>(snapshot: &'s Snapshot, host: &str, path: &str) -> Option<&'s Arc<Rule>> {
    let request = RequestView {
        version: http::Version::HTTP_11,
        host,
        method: &Method::GET,
        path,
        query: None,
        headers: &HeaderMap::new(),
    };
    take(snapshot, &request)
}

fn take<'s>(snapshot: &'s Snapshot, request: &RequestView<'_>) -> Option<&'s Arc<Rule>> {
    let port = snapshot.ports.values().next()?;
    port.http()?.find(request.host)?.routers.http.route(request)
}

/// Returns the status that the rule for `/get` answers without a backend.
fn refusal(folder: &str) -> Option<u16> {
    let snapshot = compiled(folder);
    match &route(&snapshot, "a.example", "/get")
        .expect("a rule")
        .action
    {
        Action::Refuse(status) => Some(status.as_u16()),
        Action::Forward(_) | Action::AnsweredByFilters => None,
    }
}

#[test]
fn snapshot_prints_its_routes_in_order_and_its_rules() {
    let text = compiled(FOLDER).to_string();
    let routes = r#"
  *.shop.example: default/gateway/shop
  *: default/gateway/http
    a.example PathPrefix /get -> default/route rule 0
    a.example PathPrefix / header version="two" -> default/route rule 0
    b.example PathPrefix /get -> default/route rule 0
    b.example PathPrefix / header version="two" -> default/route rule 0
default/route rule 0: request add [added: foo]
  8 x default/one:80 10.0.0.1:8080,10.0.0.2:8080
  2 x default/two:80 503
"#;
    assert_eq!(text.strip_prefix("0.0.0.0:80"), Some(routes), "{text}");
}

#[test]
fn only_the_most_specific_listener_receives_a_request() {
    let everywhere = FOLDER
        .replace(", sectionName: http", "")
        .replace("hostnames: [a.example, b.example]", "");
    let snapshot = compiled(&everywhere);
    assert!(route(&snapshot, "x.shop.example", "/get").is_some());
    let snapshot =
        compiled(&everywhere.replace("name: gateway}]", "name: gateway, sectionName: http}]"));
    assert!(route(&snapshot, "x.example", "/get").is_some());
    let isolated = route(&snapshot, "x.shop.example", "/get");
    assert!(
        isolated.is_none(),
        "the listener for any hostname received the request"
    );
}

#[test]
fn hostnames_and_matches_of_a_rule_share_it() {
    let snapshot = compiled(FOLDER);
    let a = route(&snapshot, "a.example", "/get").expect("a rule");
    let b = route(&snapshot, "b.example", "/get/x").expect("a rule");
    assert!(Arc::ptr_eq(a, b), "the hostnames have separate counters");
    assert!(route(&snapshot, "a.example", "/").is_none());
    assert!(route(&snapshot, "c.example", "/get").is_none());
}

#[test]
fn two_parent_references_to_a_listener_add_each_match_once() {
    let mut resources = Loader::from_text("folder.yaml", FOLDER).resources;
    let once = compiled_resources(&resources).to_string();
    for route in Arc::make_mut(&mut resources.http_routes).values_mut() {
        let parents = &mut Arc::make_mut(route).spec.parent_refs;
        parents.extend_from_within(..);
        assert_eq!(parents.len(), 2);
    }
    let twice = compiled_resources(&resources).to_string();
    assert_eq!(twice, once);
}

#[test]
fn shares_and_rotation_continue_after_a_reload() {
    fn backends(snapshot: &Snapshot, requests: usize) -> Vec<String> {
        let rule = route(snapshot, "a.example", "/get").expect("a rule");
        let Action::Forward(split) = &rule.action else {
            panic!("{rule:?}");
        };
        let requests = 0..requests;
        requests
            .map(|_| match &split.pick().target {
                BackendTarget::Endpoints(endpoints) => endpoints.next().to_string(),
                other => other.to_string(),
            })
            .collect()
    }
    let whole = backends(&compiled(FOLDER), 40);
    let mut compiler = Compiler::default();
    let mut parts = Vec::new();
    for _ in 0..40 {
        let snapshot = compiled_after(&mut compiler, FOLDER);
        parts.extend(backends(&snapshot, 1));
    }
    assert_eq!(parts, whole, "reloads changed the order of the backends");
    assert_eq!(whole.iter().filter(|it| **it == "503").count(), 8);
}

#[test]
fn digest_changes_with_the_manifests_and_only_then() {
    let snapshot = compiled(FOLDER);
    route(&snapshot, "a.example", "/get").expect("a rule");
    let again = compiled(FOLDER);
    assert_eq!(snapshot.digest(), again.digest());
    let commented = compiled(&format!("# a comment\n{FOLDER}"));
    assert_eq!(snapshot.digest(), commented.digest());
    for (old, new) in [
        ("weight: 8", "weight: 7"),
        ("value: foo", "value: fox"),
        ("add:", "set:"),
        ("10.0.0.2", "10.0.0.3"),
        ("/get", "/got"),
        ("value: two", "value: three"),
        ("b.example", "c.example"),
        ("name: shop", "name: store"),
        ("port: 80}\n  -", "port: 81}\n  -"),
        (
            "{name: two, port: 80, weight: 2}",
            "{name: absent, port: 80, weight: 2}",
        ),
    ] {
        assert!(FOLDER.contains(old), "{old}");
        let changed = compiled(&FOLDER.replace(old, new));
        assert_ne!(snapshot.digest(), changed.digest(), "{old} -> {new}");
    }
}

#[test]
fn rule_without_a_usable_backend_answers_500() {
    assert_eq!(refusal(FOLDER), None);
    let zeros = FOLDER
        .replace("weight: 8", "weight: 0")
        .replace("weight: 2", "weight: 0");
    assert_eq!(refusal(&zeros), Some(500));
    let backends =
        "backendRefs: [{name: one, port: 80, weight: 8}, {name: two, port: 80, weight: 2}]";
    assert_eq!(refusal(&FOLDER.replace(backends, "")), Some(500));
}

#[test]
fn missing_backend_keeps_its_share_and_answers_500() {
    let snapshot = compiled(&FOLDER.replace("name: two, port", "name: absent, port"));
    let rule = route(&snapshot, "a.example", "/get").expect("a rule");
    let Action::Forward(split) = &rule.action else {
        panic!("{rule:?}");
    };
    let invalid = (0..20).filter(|_| matches!(split.pick().target, BackendTarget::Invalid));
    assert_eq!(invalid.count(), 4);
}

#[test]
fn forbidden_header_filter_is_reported_and_answers_500() {
    for name in ["Transfer-Encoding", "connection", "host"] {
        let folder = FOLDER.replace("name: added", &format!("name: {name}"));
        assert_eq!(refusal(&folder), Some(500), "{name}");
        let resources = Loader::from_text("folder.yaml", folder.as_str()).resources;
        let diagnostics = build(&resources, &Environment::default()).diagnostics;
        let is_reported = diagnostics
            .iter()
            .any(|it| it.message.to_lowercase().contains(&name.to_lowercase()));
        assert!(is_reported, "{name}: {diagnostics:?}");
    }
}

#[test]
fn pattern_with_unbalanced_groups_is_refused() {
    let folder = FOLDER.replace(
        "{value: /get}",
        "{type: RegularExpression, value: '/a)|(/get'}",
    );
    let snapshot = compiled(&folder);
    assert!(route(&snapshot, "a.example", "/get").is_none());
}
