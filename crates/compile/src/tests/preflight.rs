//! The rule that answers a preflight request.

use super::{compiled, take};
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::routing::RoutedTo;
use gatefold_dataplane::routing::request::RequestView;
use http::{HeaderMap, HeaderValue, Method};

/// Compiles rules with these matches and filters.
fn folder(rules: &[(&str, &str)]) -> Snapshot {
    let mut text = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: any
  listeners: [{name: http, protocol: HTTP, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route}
spec:
  parentRefs: [{name: gateway}]
  rules:
"
    .to_owned();
    for (matches, filters) in rules {
        let rule = format!(
            "  - {{matches: [{matches}], filters: [{filters}], backendRefs: [{{name: one, port: 80}}]}}\n"
        );
        text.push_str(&rule);
    }
    compiled(&text)
}

const CORS: &str = "{type: CORS, cors: {allowOrigins: ['*']}}";
const NONE: &str = "";

/// Describes the answer to a preflight request of `https://a.example` for a request with this method and target.
fn ask(snapshot: &Snapshot, announced: &str, path: &str, query: Option<&str>) -> String {
    let mut headers = HeaderMap::new();
    headers.insert("origin", HeaderValue::from_static("https://a.example"));
    let announced = HeaderValue::from_str(announced).expect("a method");
    headers.insert("access-control-request-method", announced);
    let request = RequestView {
        version: http::Version::HTTP_11,
        host: "a.example",
        method: &Method::OPTIONS,
        path,
        query,
        headers: &headers,
    };
    let port = snapshot.ports.values().next().expect("a port");
    let listeners = port.http().expect("an HTTP port");
    let listener = listeners.find(request.host).expect("a listener");
    match listener.routers.route(&request) {
        RoutedTo::Preflight(rule) if rule.filters.cors().is_some() => {
            format!("answered by {}", rule.id.index)
        }
        RoutedTo::Preflight(rule) => format!("refused by {}", rule.id.index),
        RoutedTo::Rule(rule) => {
            let ordinary = take(snapshot, &request).map(|rule| rule.id.index);
            assert_eq!(
                rule.map(|rule| rule.id.index),
                ordinary,
                "an ordinary request was routed differently"
            );
            format!("ordinary {ordinary:?}")
        }
    }
}

#[test]
fn rule_of_the_announced_request_answers() {
    let snapshot = folder(&[
        ("{method: POST, path: {value: /a}}", CORS),
        ("{path: {value: /a}}", CORS),
        ("{method: PUT, path: {value: /b}}", CORS),
        (
            "{method: PUT, path: {value: /c}, queryParams: [{name: q, value: x}]}",
            CORS,
        ),
    ]);
    for (announced, path, query, expected) in [
        ("POST", "/a/x", None, "answered by 0"),
        ("GET", "/a", None, "answered by 1"),
        ("PUT", "/b", None, "answered by 2"),
        ("GET", "/b", None, "ordinary None"),
        ("put", "/b", None, "ordinary None"),
        ("PUT", "/c", Some("q=x"), "answered by 3"),
        ("PUT", "/c", Some("q=y"), "ordinary None"),
        ("PUT", "/other", None, "ordinary None"),
    ] {
        assert_eq!(
            ask(&snapshot, announced, path, query),
            expected,
            "{announced} {path} {query:?}"
        );
    }
}

#[test]
fn ignores_headers_that_only_the_announced_request_has() {
    let version =
        |value| format!("{{path: {{value: /a}}, headers: [{{name: version, value: '{value}'}}]}}");
    let (one, two) = (version("1"), version("2"));
    let snapshot = folder(&[(&one, CORS)]);
    assert_eq!(ask(&snapshot, "GET", "/a", None), "answered by 0");
    // If several rules differ in headers only, the first by precedence that has a CORS filter answers.
    let snapshot = folder(&[(&one, NONE), (&two, CORS), ("{path: {value: /a}}", CORS)]);
    assert_eq!(ask(&snapshot, "GET", "/a", None), "answered by 1");
    let snapshot = folder(&[(&one, NONE), (&two, NONE), ("{path: {value: /a}}", NONE)]);
    assert_eq!(ask(&snapshot, "GET", "/a", None), "ordinary Some(2)");
}

#[test]
fn matches_the_origin_of_the_preflight_request() {
    let origin = |value| format!("{{headers: [{{name: Origin, value: '{value}'}}]}}");
    let (ours, other) = (origin("https://a.example"), origin("https://b.example"));
    let snapshot = folder(&[(&other, CORS), (&ours, CORS)]);
    assert_eq!(ask(&snapshot, "GET", "/", None), "answered by 1");
    let snapshot = folder(&[(&ours, NONE), ("{path: {value: /}}", CORS)]);
    assert_eq!(ask(&snapshot, "GET", "/", None), "ordinary Some(0)");
}

#[test]
fn cors_filter_of_another_rule_does_not_apply() {
    let snapshot = folder(&[
        ("{method: POST, path: {value: /upload}}", NONE),
        ("{path: {value: /}}", CORS),
    ]);
    assert_eq!(ask(&snapshot, "POST", "/upload", None), "refused by 0");
    assert_eq!(ask(&snapshot, "GET", "/upload", None), "answered by 1");
    // Without any CORS filter the request is an ordinary one.
    let snapshot = folder(&[
        ("{method: POST, path: {value: /upload}}", NONE),
        ("{path: {value: /}}", NONE),
    ]);
    assert_eq!(ask(&snapshot, "POST", "/upload", None), "ordinary Some(1)");
}

#[test]
fn rule_for_the_method_options_answers_if_no_other_filter_does() {
    let snapshot = folder(&[
        ("{method: POST, path: {value: /a}}", NONE),
        ("{method: OPTIONS, path: {value: /a}}", CORS),
        ("{method: PUT, path: {value: /a}}", CORS),
    ]);
    assert_eq!(ask(&snapshot, "POST", "/a", None), "answered by 1");
    assert_eq!(ask(&snapshot, "DELETE", "/a", None), "answered by 1");
    assert_eq!(ask(&snapshot, "PUT", "/a", None), "answered by 2");
}
