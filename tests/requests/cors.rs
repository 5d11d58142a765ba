//! CORS: requests of scripts from other origins.

use crate::support::backend::{TestBackend, respond};
use crate::support::client::{Client, Response};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route, route_with_rules, service};
use std::io::Write;

const HOST: &str = "api.example.com";

/// Starts a daemon whose route has this filter, and a backend that sends its own CORS headers.
fn daemon(cors: &str) -> (Folder, Daemon) {
    let backend = TestBackend::answering(|request, wire| {
        if request.header("x-plain") == "yes" {
            return respond(wire, "plain");
        }
        write!(
            wire.get_mut(),
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: https://evil.example\r\n\
             Access-Control-Allow-Credentials: true\r\nX-Total: 7\r\n\r\nok"
        )
    });
    let filter = format!("      filters: [{{type: CORS, cors: {{{cors}}}}}]\n");
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("api", HOST) + &filter),
        ("api.yaml", service("api")),
        ("slice.yaml", endpoint_slice("api", backend.address())),
    ]);
    let daemon = Daemon::of(&folder).start();
    (folder, daemon)
}

fn ask(daemon: &Daemon, method: &str, headers: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(daemon.socket(80)).expect("a connection");
    let answer = client.send(method, HOST, "/things", headers, b"");
    answer.expect("an answer")
}

fn all<'r>(response: &'r Response, name: &str) -> Vec<&'r str> {
    let headers = response.headers.iter();
    let named = headers.filter(|(found, _)| found == name);
    named.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn answers_a_preflight_request_without_the_backend() {
    let (_folder, daemon) = daemon(
        "allowOrigins: [\"https://*.example.com\"], allowMethods: [PUT], allowHeaders: [x-a], maxAge: 60",
    );
    let preflight = |origin| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "x-a"),
        ]
    };
    let answer = ask(&daemon, "OPTIONS", &preflight("https://www.example.com"));
    assert_eq!(answer.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://www.example.com"),
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "x-a"),
        ("access-control-max-age", "60"),
    ] {
        assert_eq!(all(&answer, name), [value], "{name}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let answer = ask(&daemon, "OPTIONS", &preflight("https://example.com"));
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // An OPTIONS request that is no preflight request is forwarded.
    let answer = ask(&daemon, "OPTIONS", &[("X-Plain", "yes")]);
    assert_eq!((answer.status, answer.text()), (200, "plain".to_owned()));
}

#[test]
fn replaces_the_cors_headers_of_the_backend() {
    let (_folder, daemon) =
        daemon("allowOrigins: [\"https://a.example\"], exposeHeaders: [x-total]");
    let answer = ask(&daemon, "GET", &[("Origin", "https://a.example")]);
    assert_eq!(answer.text(), "ok");
    let origins = all(&answer, "access-control-allow-origin");
    assert_eq!(origins, ["https://a.example"]);
    assert_eq!(all(&answer, "access-control-expose-headers"), ["x-total"]);
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(all(&answer, "vary"), ["Origin"]);
    let answer = ask(&daemon, "GET", &[("Origin", "https://evil.example")]);
    assert_eq!(
        answer.text(),
        "ok",
        "the browser hides the answer from the script"
    );
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(all(&answer, "vary"), ["Origin"]);
}

#[test]
fn names_the_origin_instead_of_a_star_if_credentials_are_allowed() {
    let (_folder, daemon) = daemon("allowOrigins: [\"*\"], allowCredentials: true");
    let answer = ask(&daemon, "GET", &[("Origin", "https://a.example")]);
    let origins = all(&answer, "access-control-allow-origin");
    assert_eq!(origins, ["https://a.example"]);
    assert_eq!(all(&answer, "access-control-allow-credentials"), ["true"]);
    assert_eq!(all(&answer, "vary"), ["Origin"]);
}

#[test]
fn adds_cors_headers_to_a_503() {
    let (folder, daemon) = daemon("allowOrigins: [\"*\"]");
    let text = endpoint_slice("api", "192.0.2.1:1".parse().expect("an address"));
    let (none, _) = text.split_once("endpoints:").expect("endpoints");
    folder.write("slice.yaml", format!("{none}endpoints: []\nports: []\n"));
    crate::support::eventually("the answer is 503 with CORS headers", || {
        let answer = ask(&daemon, "GET", &[("Origin", "https://a.example")]);
        let allowed = answer.header("access-control-allow-origin");
        (answer.status == 503 && allowed == Some("*")).then_some(())
    });
}

/// Starts a daemon whose route has these rules, as lines of YAML, with the built-in backend.
fn daemon_with_rules(rules: &str) -> (Folder, Daemon) {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route_with_rules("api", HOST, rules)),
        ("api.yaml", service("api")),
    ]);
    let daemon = Daemon::of(&folder).echo().start();
    (folder, daemon)
}

/// Sends a preflight request for a request with this method to `/things`. Returns the status and the allowed origin.
fn preflight(daemon: &Daemon, method: &str) -> (u16, Option<String>) {
    let headers = [
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", method),
    ];
    let answer = ask(daemon, "OPTIONS", &headers);
    let origin = answer.header("access-control-allow-origin");
    (answer.status, origin.map(str::to_owned))
}

#[test]
fn the_filter_of_a_rule_with_a_method_answers_its_preflight() {
    let (_folder, daemon) = daemon_with_rules(
        "    - matches: [{method: POST, path: {value: /things}}]
      filters: [{type: CORS, cors: {allowOrigins: [\"https://a.example\"]}}]
      backendRefs: [{name: api, port: 3000}]
    - matches: [{method: PUT, path: {value: /things}}]
      backendRefs: [{name: api, port: 3000}]
    - matches: [{path: {value: /}}]
      filters: [{type: CORS, cors: {allowOrigins: [\"*\"]}}]
      backendRefs: [{name: api, port: 3000}]
",
    );
    let named = Some("https://a.example".to_owned());
    assert_eq!(preflight(&daemon, "POST"), (204, named));
    assert_eq!(preflight(&daemon, "GET"), (204, Some("*".to_owned())));
    // The filter of the catch-all rule does not apply to requests that another rule matches.
    assert_eq!(preflight(&daemon, "PUT"), (204, None));
    // An OPTIONS request that is no preflight request is routed by its own method.
    let plain = ask(&daemon, "OPTIONS", &[("Origin", "https://a.example")]);
    assert_eq!(
        (plain.status, plain.json()["method"].as_str()),
        (200, Some("OPTIONS"))
    );
}

#[test]
fn the_filter_of_a_rule_with_a_header_answers_its_preflight() {
    let (_folder, daemon) = daemon_with_rules(
        "    - matches: [{headers: [{name: version, value: two}]}]
      filters: [{type: CORS, cors: {allowOrigins: [\"https://a.example\"]}}]
      backendRefs: [{name: api, port: 3000}]
",
    );
    let named = Some("https://a.example".to_owned());
    assert_eq!(preflight(&daemon, "GET"), (204, named));
    let sent = [("Origin", "https://a.example"), ("Version", "two")];
    let answer = ask(&daemon, "GET", &sent);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://a.example")
    );
    assert_eq!(
        ask(&daemon, "GET", &[]).status,
        404,
        "the request itself must still match the header"
    );
}

#[test]
fn a_preflight_without_a_filter_is_routed_by_its_own_method() {
    let (_folder, daemon) = daemon_with_rules(
        "    - matches: [{method: POST}, {method: OPTIONS}]
      backendRefs: [{name: api, port: 3000}]
",
    );
    let headers = [
        ("Origin", "https://a.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let answer = ask(&daemon, "OPTIONS", &headers);
    assert_eq!(
        (answer.status, answer.json()["method"].as_str()),
        (200, Some("OPTIONS"))
    );
}
