//! Tests with GRPCRoutes that an API server would refuse.

use super::*;

/// Returns a GRPCRoute with these fields of its `spec`.
fn grpc_route(spec: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {{name: r}}\nspec:\n{spec}"
    )
}

#[test]
fn checks_the_rules_of_matches() {
    let spec = "  hostnames: [\"*.*.example\", 10.0.0.1]
  rules:
  - name: one
    matches:
    - method: {}
    - method: {type: Exact, service: a/b, method: 1st}
    - method: {service: a..b, method: Get*}
    - method: {type: exact, service: a}
    - method: {type: RegularExpression, service: 'a/b', method: '['}
    - method: {service: a.b, Method: Get}
    - headers: [{name: a b, value: x}, {name: d, value: \"\"}]
    - path: {value: /a.b/Get}
  - name: two words
    timeouts: {request: 1s}
    backendRefs: [{name: a}, {name: b, port: 0}, {name: c, port: 1, weight: -1}]
";
    insta::assert_snapshot!(rendered_of(&grpc_route(spec)));
}

#[test]
fn checks_the_rules_of_filters_and_session_persistence() {
    let spec = "  rules:
  - filters:
    - {type: ResponseHeaderModifier, requestHeaderModifier: {remove: [a]}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: a}, percent: 101}}
    - {type: ExtensionRef}
    - {type: URLRewrite, urlRewrite: {hostname: a.example}}
    - {type: RequestRedirect, requestRedirect: {scheme: https}}
  - sessionPersistence: {cookie: {lifetimeType: Permanent}}
    backendRefs:
    - name: a
      port: 80
      filters: [{type: CORS}, {type: RequestMirror}]
";
    insta::assert_snapshot!(rendered_of(&grpc_route(spec)));
}

#[test]
fn checks_what_must_not_be_repeated() {
    let spec = "  parentRefs: [{name: gw}, {name: gw}]
  rules:
  - name: one
    matches:
    - headers: [{name: c, value: x}, {name: C, value: z}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [a]}}
    - {type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: b, value: c}]}}
    backendRefs:
    - name: a
      port: 80
      filters:
      - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [a]}}
      - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [b]}}
  - name: one
";
    insta::assert_snapshot!(rendered_of(&grpc_route(spec)));
}

#[test]
fn allows_128_matches_in_all_rules_and_64_in_a_rule() {
    let rule = |matches: usize| {
        let one = "    - headers: [{name: a, value: b}]\n";
        format!("  - matches:\n{}", one.repeat(matches))
    };
    let load = |rules: &[usize]| {
        let rules: String = rules.iter().map(|matches| rule(*matches)).collect();
        Loader::from_text("f.yaml", grpc_route(&format!("  rules:\n{rules}")))
    };
    assert_eq!(load(&[64, 64]).diagnostics, []);
    for (rules, expected) in [
        (
            &[64, 64, 1][..],
            "128 matches in all its rules, this one has 129",
        ),
        (&[65], "64"),
    ] {
        let loaded = load(rules);
        assert!(loaded.resources.grpc_routes.is_empty(), "{rules:?}");
        let rendered = rendered(&loaded);
        assert!(rendered.contains(expected), "{rendered}");
    }
}

#[test]
fn reports_the_version_to_use_instead_of_v1alpha2() {
    let text = grpc_route("  rules: []\n").replace("k8s.io/v1\n", "k8s.io/v1alpha2\n");
    insta::assert_snapshot!(rendered_of(&text));
}

#[test]
fn accepts_every_field_of_the_api() {
    let spec = "  useDefaultGateways: All
  parentRefs: [{name: gw, sectionName: a, port: 80}]
  hostnames: [a.example, \"*.b.example\"]
  rules:
  - {}
  - name: two
    matches:
    - {}
    - method: {service: a.B}
    - method: {service: .a.B, method: Get}
    - {method: {method: Get}, headers: [{type: Exact, name: a, value: b}, {type: RegularExpression, name: b, value: c.*}]}
    - method: {type: RegularExpression, service: 'a[.].*', method: 'Get.*'}
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}, percent: 10}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: b, port: 80}}}
    - {type: ExtensionRef, extensionRef: {group: example.com, kind: Filter, name: a}}
    backendRefs:
    - {name: a, port: 80, weight: 0, filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [a]}}]}
    sessionPersistence: {type: Header, header: {name: a}}
";
    let loaded = Loader::from_text("f.yaml", grpc_route(spec));
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(names(&loaded), ["GRPCRoute default/r"]);
}
