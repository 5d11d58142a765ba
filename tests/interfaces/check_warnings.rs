//! Warnings of `gatefold check` about manifests that are valid, but do not do what they seem to do.

use crate::support::daemon::{Daemon, check, gatefold};
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, gateway_with, route, route_with_rules, service};
use std::time::{Duration, Instant};

const TWO_RULES: &str = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: shop
spec:
  parentRefs: [{name: edge}]
  rules:
  - matches: [FIRST]
    backendRefs: [{name: shop, port: 3000}]
  - matches: [SECOND]
    backendRefs: [{name: shop, port: 3000}]
";

fn text(folder: &Folder) -> String {
    let output = check(folder);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn folder() -> Folder {
    Folder::with([("gateway.yaml", gateway()), ("shop.yaml", service("shop"))])
}

#[track_caller]
fn assert_warns(folder: &Folder, parts: &[&str]) {
    let text = text(folder);
    for part in parts {
        assert!(text.contains(part), "{part} isn't in\n{text}");
    }
}

#[track_caller]
fn assert_clean(folder: &Folder, code: &str) {
    let text = text(folder);
    assert!(!text.contains(code), "{code} is in\n{text}");
}

fn two_rules(first: &str, second: &str) -> String {
    TWO_RULES.replace("FIRST", first).replace("SECOND", second)
}

#[test]
fn warns_of_a_query_in_a_replaced_path() {
    let folder = folder();
    let redirect = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  rules:
  - filters:
    - type: RequestRedirect
      requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: '/login?from=shop'}}
";
    folder.write("route.yaml", redirect);
    assert_warns(&folder, &["warning[GF0530]", "route.yaml:9:", "%3F"]);
    folder.replace("route.yaml", "login?from=shop", "login");
    assert_clean(&folder, "GF0530");
}

#[test]
fn a_header_that_one_filter_changes_twice_is_an_error() {
    let folder = folder();
    let filters = |changes: &str| {
        format!(
            "{}    filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{{changes}}}}}]\n",
            route("shop", "www.example.com")
        )
        .replace("    filters:", "      filters:")
    };
    folder.write(
        "route.yaml",
        filters("set: [{name: x-a, value: b}], remove: [X-A]"),
    );
    assert_warns(
        &folder,
        &["error[GF0531]", "`set`", "`remove`", "the other action"],
    );
    assert_eq!(check(&folder).status.code(), Some(1));
    folder.write(
        "route.yaml",
        filters("set: [{name: x-a, value: b}, {name: X-a, value: c}]"),
    );
    assert_warns(
        &folder,
        &["error[GF0531]", "the second entry has no effect"],
    );
    folder.write(
        "route.yaml",
        filters("set: [{name: x-a, value: b}], remove: [X-B]"),
    );
    assert_clean(&folder, "GF0531");
}

#[test]
fn warns_of_a_match_that_another_one_shadows() {
    let folder = folder();
    for (first, second) in [
        // Equal matches, written differently.
        ("{path: {value: /a}}", "{path: {value: /a/}}"),
        (
            "{headers: [{name: v, value: a}]}",
            "{headers: [{name: V, value: a}]}",
        ),
        (
            "{path: {value: /a}}, {path: {value: /a}}",
            "{path: {value: /b}}",
        ),
        // The first match includes the second one's value, and neither is more specific.
        (
            "{headers: [{name: v, type: RegularExpression, value: 'a|b'}]}",
            "{headers: [{name: v, value: a}]}",
        ),
        // An expression precedes every prefix.
        (
            "{path: {value: /a/b}, method: GET}",
            "{path: {type: RegularExpression, value: '/.*'}}",
        ),
    ] {
        folder.write("route.yaml", two_rules(first, second));
        let text = text(&folder);
        assert_eq!(
            text.matches("warning[GF0532]").count(),
            1,
            "{first} {second}:\n{text}"
        );
        assert!(text.contains("this match receives them"), "{text}");
    }
}

#[test]
fn accepts_matches_that_each_receive_requests() {
    let folder = folder();
    for (first, second) in [
        ("{path: {value: /}}", "{path: {value: /a}}"),
        ("{path: {value: /a}}", "{path: {type: Exact, value: /a}}"),
        ("{path: {value: /a}}", "{path: {value: /a}, method: GET}"),
        (
            "{headers: [{name: v, value: a}]}",
            "{headers: [{name: v, type: RegularExpression, value: 'a|b'}]}",
        ),
        (
            "{headers: [{name: v, type: RegularExpression, value: 'b'}]}",
            "{headers: [{name: v, value: a}]}",
        ),
        (
            "{queryParams: [{name: v, value: a}]}",
            "{queryParams: [{name: V, value: a}]}",
        ),
        (
            "{path: {type: RegularExpression, value: '/.*'}}",
            "{path: {type: Exact, value: /a}}",
        ),
    ] {
        folder.write("route.yaml", two_rules(first, second));
        assert_clean(&folder, "GF0532");
    }
}

#[test]
fn warns_of_a_match_that_an_older_route_has() {
    let folder = folder();
    folder.write("first.yaml", route("shop", "www.example.com"));
    let second = route("shop", "www.example.com").replace("  name: shop\n", "  name: shop-copy\n");
    folder.write("second.yaml", &second);
    assert_warns(
        &folder,
        &[
            "warning[GF0532]",
            "second.yaml:",
            "first.yaml:",
            "HTTPRoute default/shop",
        ],
    );
    // It receives requests for one of its hostnames.
    folder.write(
        "second.yaml",
        second.replace(
            "- www.example.com",
            "- www.example.com\n    - more.example.com",
        ),
    );
    assert_clean(&folder, "GF0532");
    // Now the other route is younger, and the daemon reports it.
    let young = "  name: shop\n  creationTimestamp: 2026-01-01T00:00:00Z\n";
    folder.replace("first.yaml", "  name: shop\n", young);
    folder.write("second.yaml", &second);
    let daemon = Daemon::of(&folder).echo().start();
    let found = daemon.wait_for_diagnostic("GF0532");
    assert_eq!(found["resource"]["name"], "shop", "{found}");
}

#[test]
fn warns_of_an_expression_that_matches_no_path() {
    let folder = folder();
    let pattern = |value: &str| format!("{{path: {{type: RegularExpression, value: '{value}'}}}}");
    folder.write(
        "route.yaml",
        two_rules(&pattern("api/v[0-9]+"), "{path: {value: /}}"),
    );
    assert_warns(
        &folder,
        &["warning[GF0533]", "`api/v[0-9]+`", "route.yaml:8:"],
    );
    folder.write(
        "route.yaml",
        two_rules(&pattern("/api/v[0-9]+"), "{path: {value: /}}"),
    );
    assert_clean(&folder, "GF0533");
}

#[test]
fn warns_of_a_hostname_that_a_more_specific_listener_serves() {
    let folder = folder();
    let listeners = "    - {name: wild, protocol: HTTP, port: 80, hostname: '*.example.com'}
    - {name: shop, protocol: HTTP, port: 80, hostname: shop.example.com}\n";
    folder.write("gateway.yaml", gateway_with(listeners));
    let wild = route("shop", "shop.example.com")
        .replace("name: edge\n", "name: edge\n      sectionName: wild\n");
    folder.write("route.yaml", &wild);
    assert_warns(
        &folder,
        &[
            "warning[GF0534]",
            "`shop.example.com`",
            "`wild`",
            "`shop`",
            "gateway.yaml:",
        ],
    );
    // The route is attached to both listeners.
    folder.write("route.yaml", route("shop", "shop.example.com"));
    assert_clean(&folder, "GF0534");
    // The more specific listener is on another port.
    folder.write("route.yaml", &wild);
    folder.replace(
        "gateway.yaml",
        "port: 80, hostname: shop",
        "port: 81, hostname: shop",
    );
    assert_clean(&folder, "GF0534");
}

#[test]
fn lists_all_fields_of_an_old_version_that_must_change() {
    let folder = folder();
    let policy = "apiVersion: gateway.networking.k8s.io/v1alpha2
kind: BackendTLSPolicy
metadata: {name: shop}
spec:
  targetRef: {group: '', kind: Service, name: shop}
  tls: {hostname: shop.example.com, wellKnownCACerts: System}
";
    folder.write("policy.yaml", policy);
    let parts = [
        "write `apiVersion: gateway.networking.k8s.io/v1`",
        "`spec.validation`",
        "`spec.targetRefs`",
    ];
    assert_warns(&folder, &parts);
}

#[test]
fn get_shows_hostnames_with_commas() {
    let folder = folder();
    let hostnames = "- shop.example.com\n    - www.example.com";
    folder.write(
        "route.yaml",
        route("shop", "HOST").replace("- HOST", hostnames),
    );
    let daemon = Daemon::of(&folder).echo().start();
    let admin = daemon.admin_address();
    let output = gatefold()
        .args(["get", "httproutes", "--admin", &admin])
        .output();
    let output = output.expect("gatefold runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("shop.example.com,www.example.com"), "{text}");
}

/// Each expression is compared with each value. This took a minute when each comparison compiled the expression.
#[test]
fn compiles_many_expressions_for_one_header_once() {
    let list = |of: &dyn Fn(usize) -> String| {
        let matches = (0..63).map(|number| {
            let header = of(number);
            format!("{{path: {{value: /a}}, headers: [{{name: x, {header}}}]}}")
        });
        format!(
            "    - matches: [{}]\n",
            matches.collect::<Vec<_>>().join(", ")
        )
    };
    let patterns = list(&|number| format!("type: RegularExpression, value: '\\w{{40}}{number}'"));
    let values = list(&|number| format!("value: v{number}"));
    let rules = patterns + &values;
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        (
            "route.yaml",
            route_with_rules("shop", "www.example.com", &rules),
        ),
    ]);
    let start = Instant::now();
    let output = check(&folder);
    assert!(start.elapsed() < Duration::from_secs(30), "{output:?}");
}
