//! Reuse equals rebuild: after each of a series of random edits of a folder, compares the graph, the statuses and the
//! snapshot that reuse previous results with those that are built from scratch. An edit may affect what other objects
//! depend on.

mod files;
mod policy_files;

use files::{FILES, VARIANTS, config_map, write};
use gatefold::status::{Applied, Statuses, report};
use gatefold_compile::Compiler;
use gatefold_dataplane::RuleId;
use gatefold_graph::{Environment, Graph, build, build_after};
use gatefold_manifest::Loader;
use gatefold_manifest::api::NamespacedName;
use proptest::prelude::*;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use time::OffsetDateTime;

/// Everything of a graph that statuses and requests depend on.
fn text(graph: &Graph) -> String {
    format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:#?}",
        graph.gateway_classes,
        graph.gateways,
        graph.listener_sets,
        graph.routes.http,
        graph.routes.grpc,
        graph.backend_tls_policies,
        graph.security_policies,
        graph.client_traffic_policies,
        graph.wanted,
        graph.diagnostics
    )
}

/// Returns the first lines that differ, with the lines before them: the whole is too long to read.
fn difference(one: &str, other: &str) -> Option<String> {
    let (one, other): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
    let same = one
        .iter()
        .zip(&other)
        .take_while(|(one, other)| one == other);
    let at = same.count();
    if at == one.len() && at == other.len() {
        return None;
    }
    let shown = |lines: &[&str]| {
        let lines = lines.iter().skip(at.saturating_sub(20)).take(30);
        lines.copied().collect::<Vec<_>>().join("\n")
    };
    Some(format!("{}\n--- rebuilt:\n{}", shown(&one), shown(&other)))
}

fn environment(discovered: bool) -> Environment {
    let given = (NamespacedName::new("default", "given"), 80);
    let endpoints = vec![([10, 0, 2, 1], 80).into()];
    Environment {
        addresses: vec![Ipv4Addr::UNSPECIFIED.into()],
        discovered: Arc::new(
            discovered
                .then_some((given, endpoints))
                .into_iter()
                .collect(),
        ),
        ..Environment::default()
    }
}

#[test]
fn reuses_what_an_edit_does_not_affect() {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, variant) in [(0, 1), (2, 0), (4, 6), (6, 2), (8, 2), (19, 0)] {
        write(folder.path(), file, variant);
    }
    let mut loader = Loader::new([folder.path().to_owned()]);
    let mut compiler = Compiler::default();
    let environment = environment(true);
    let before = build(&loader.load().resources, &environment);
    let snapshot_before = compiler.compile(&before);

    // Change a path of route one: route three and its rules are reused.
    write(folder.path(), 2, 5);
    let after = build_after(&before, &loader.load().resources, &environment);
    let snapshot_after = compiler.compile(&after);
    let same = |one: &Graph, other: &Graph, name: &str| {
        let key = NamespacedName::new("default", name);
        Arc::ptr_eq(&one.routes.http[&key], &other.routes.http[&key])
    };
    assert!(same(&before, &after, "three"), "the route is rebuilt");
    assert!(!same(&before, &after, "one"), "the route isn't rebuilt");
    let same_grpc = |one: &Graph, other: &Graph| {
        let key = NamespacedName::new("default", "one");
        Arc::ptr_eq(&one.routes.grpc[&key], &other.routes.grpc[&key])
    };
    assert!(same_grpc(&before, &after), "the GRPCRoute is rebuilt");
    let rules = (snapshot_before.rules(), snapshot_after.rules());
    let same_rule = |kind, route: &str| {
        let id = RuleId {
            kind,
            route: route.into(),
            index: 0,
        };
        Arc::ptr_eq(rules.0[&id], rules.1[&id])
    };
    assert!(
        same_rule("HTTPRoute", "default/three"),
        "the rule is recompiled"
    );
    assert!(
        !same_rule("HTTPRoute", "default/one"),
        "the rule isn't recompiled"
    );
    assert!(
        same_rule("GRPCRoute", "default/one"),
        "the rule of the GRPCRoute is recompiled"
    );

    // Change the endpoints of Service shop, which route three doesn't use.
    write(folder.path(), 8, 3);
    let endpoints = build_after(&after, &loader.load().resources, &environment);
    assert!(same(&after, &endpoints, "three"), "the route is rebuilt");
    assert!(!same(&after, &endpoints, "one"), "the route isn't rebuilt");
    assert!(
        !same_grpc(&after, &endpoints),
        "the GRPCRoute isn't rebuilt"
    );

    // Change the match of the GRPCRoute: the HTTPRoute with the same name is reused.
    write(folder.path(), 19, 1);
    let matches = build_after(&endpoints, &loader.load().resources, &environment);
    assert!(same(&endpoints, &matches, "one"), "the route is rebuilt");
    assert!(
        !same_grpc(&endpoints, &matches),
        "the GRPCRoute isn't rebuilt"
    );
}

#[test]
fn route_learns_that_its_gateway_is_refused_has_moved_or_is_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{port: 80}]}\n";
    let route = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: one}\n\
         spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: shop, port: 80}]}]}\n";
    let good = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge}\n\
         spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}\n";
    let broken = good.replace("listeners", "listener");
    fs::write(folder.path().join("service.yaml"), service).expect("written");
    fs::write(folder.path().join("route.yaml"), route).expect("written");
    let gateway = folder.path().join("gateway.yaml");
    let mut loader = Loader::new([folder.path().to_owned()]);
    let mut graph = Graph::default();
    let mut load = |text: &str| {
        fs::write(&gateway, text).expect("written");
        let resources = loader.load().resources;
        graph = build_after(&graph, &resources, &Environment::default());
        let rebuilt = build(&resources, &Environment::default());
        assert_eq!(difference(&self::text(&graph), &self::text(&rebuilt)), None);
        let messages = graph.diagnostics.iter().map(|it| it.message.clone());
        messages.collect::<Vec<_>>().join("\n")
    };
    let messages = load("# nothing\n");
    assert!(
        messages.contains("Gateway default/edge isn't in the folder"),
        "{messages}"
    );
    let messages = load(&broken);
    assert!(
        messages.contains("Gateway default/edge was refused, see "),
        "{messages}"
    );
    assert!(messages.contains("gateway.yaml:3"), "{messages}");
    let messages = load(&format!("# a comment\n\n{broken}"));
    assert!(messages.contains("gateway.yaml:5"), "{messages}");
    let messages = load(good);
    assert!(!messages.contains("edge"), "{messages}");
}

#[test]
fn config_map_affects_routes_only_if_a_policy_refers_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, variant) in [(0, 1), (2, 0), (6, 2), (8, 2), (13, 5), (14, 3)] {
        write(folder.path(), file, variant);
    }
    let unrelated = |value: &str| {
        let text = config_map(1).replace("    a\n", &format!("    {value}\n"));
        fs::write(folder.path().join("unrelated.yaml"), text).expect("written");
    };
    unrelated("a");
    let mut loader = Loader::new([folder.path().to_owned()]);
    let environment = environment(true);
    let key = NamespacedName::new("default", "one");
    let before = build(&loader.load().resources, &environment);
    unrelated("b");
    let after = build_after(&before, &loader.load().resources, &environment);
    assert!(
        Arc::ptr_eq(&before.routes.http[&key], &after.routes.http[&key]),
        "an unrelated ConfigMap rebuilt the route"
    );
    write(folder.path(), 14, 4);
    let other = build_after(&after, &loader.load().resources, &environment);
    let tls = |graph: &Graph| format!("{:?}", graph.routes.http[&key].rules);
    assert_ne!(
        tls(&after),
        tls(&other),
        "the route keeps the settings of the previous authority"
    );
}

/// Without the keys, requests must be refused: also those of a route that neither names the Service nor is targeted anew.
#[test]
fn a_policy_for_the_service_with_keys_closes_the_routes_of_their_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifests = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {gatewayClassName: any, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: one}
spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: shop, port: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: keys}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: tokens}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: one}]
  jwt: {providers: [{name: idp, remoteJWKS: {uri: 'http://idp.example/keys', backendRefs: [{name: keys, port: 80}]}}]}
";
    fs::write(folder.path().join("manifests.yaml"), manifests).expect("written");
    let mut loader = Loader::new([folder.path().to_owned()]);
    let environment = environment(false);
    let before = build(&loader.load().resources, &environment);
    let protection = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {name: closes}\n\
         spec: {targetRefs: [{group: '', kind: Service, name: keys}]}\n";
    fs::write(folder.path().join("protection.yaml"), protection).expect("written");
    let resources = loader.load().resources;
    let after = build_after(&before, &resources, &environment);
    let rebuilt = build(&resources, &environment);
    assert_eq!(difference(&text(&after), &text(&rebuilt)), None);
    let rules = |graph: &Graph| format!("{:?}", graph.routes.http);
    assert_ne!(rules(&before), rules(&after), "the route stays open");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn reuse_equals_rebuild(
        first in prop::collection::vec(0..VARIANTS, FILES.len()),
        edits in prop::collection::vec((0..FILES.len(), 0..VARIANTS, any::<bool>()), 10),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, variant) in first.into_iter().enumerate() {
            write(folder.path(), file, variant);
        }
        let mut loader = Loader::new([folder.path().to_owned()]);
        let mut compiler = Compiler::default();
        let mut graph = Graph::default();
        let mut statuses = Statuses::default();
        let now = OffsetDateTime::UNIX_EPOCH;
        let applied = Applied::default();
        for (file, variant, discovered) in edits {
            write(folder.path(), file, variant);
            let environment = environment(discovered);
            let resources = loader.load().resources;
            let last_good = graph.only_last_good();
            graph = build_after(&graph, &resources, &environment);
            statuses = report(&graph, &applied, &statuses, now);
            let snapshot = compiler.compile(&graph);

            let reloaded = Loader::new([folder.path().to_owned()]).load().resources;
            let rebuilt = build_after(&last_good, &reloaded, &environment);
            prop_assert_eq!(difference(&text(&graph), &text(&rebuilt)), None);
            prop_assert_eq!(&statuses, &report(&rebuilt, &applied, &Statuses::default(), now));
            let recompiled = gatefold_compile::compile(&rebuilt);
            prop_assert_eq!(snapshot.to_string(), recompiled.to_string());
            prop_assert_eq!(snapshot.digest(), recompiled.digest());
        }
    }
}
