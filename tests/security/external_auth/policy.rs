//! `extAuth` of SecurityPolicies, over HTTP.

use super::{GOOD, HOST, ask, guard, hang, record, write};
use crate::support::backend::{ReceivedRequest, TestBackend, Wire};
use crate::support::client::Response;
use crate::support::daemon::{Daemon, check_with};
use crate::support::folder::Folder;
use crate::support::grpc::GrpcClient;
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::network::{free_port, own_address};
use serde_json::{Value, json};
use std::io;
use std::time::{Duration, Instant};

/// A SecurityPolicy for an object with these fields of `extAuth`.
fn policy(kind: &str, name: &str, ext_auth: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: asks}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}]
  extAuth: {{{ext_auth}}}
"
    )
}

/// `http` for the Service `auth`, with more of its fields.
fn http(fields: &str) -> String {
    format!("http: {{backendRefs: [{{name: auth, port: 3000}}], {fields}}}")
}

/// A folder with a route whose policy asks `auth`.
fn folder(auth: &TestBackend, ext_auth: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", service("shop")),
        ("auth.yaml", service("auth")),
        ("auth-slice.yaml", endpoint_slice("auth", auth.address())),
        ("policy.yaml", policy("HTTPRoute", "shop", ext_auth)),
    ])
}

/// Sends browsers to the page for logging in.
fn portal(request: &ReceivedRequest, wire: &mut Wire) -> io::Result<()> {
    if request.header("cookie") == "session=good" {
        return write(
            wire,
            "HTTP/1.1 200 OK\r\nRemote-User: alice\r\nSet-Cookie: session=renewed\r\nX-Other: 1\r\nContent-Length: 0\r\n\r\n",
        );
    }
    write(
        wire,
        "HTTP/1.1 302 Found\r\nLocation: https://auth.example.com/?rd=x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 4\r\n\r\nhere",
    )
}

fn answers(text: &'static str) -> TestBackend {
    TestBackend::answering(move |_, wire| {
        write(wire, text)?;
        Err(io::ErrorKind::ConnectionReset.into())
    })
}

fn sees(response: &Response, name: &str) -> Value {
    response.json()["headers"][name].clone()
}

#[test]
fn the_answer_of_a_portal_reaches_the_client_and_the_listed_headers_the_backend() {
    let auth = TestBackend::answering(portal);
    let ext_auth = format!(
        "{}, headersToExtAuth: [cookie]",
        http("headersToBackend: [Remote-User, remote-groups]")
    );
    let daemon = Daemon::of(&folder(&auth, &ext_auth)).echo().start();
    let denied = ask(&daemon, "/", &[]);
    assert_eq!((denied.status, denied.text().as_str()), (302, "here"));
    let location = Some("https://auth.example.com/?rd=x");
    assert_eq!(denied.header("location"), location);
    let cookies = denied.headers.iter();
    let cookies = cookies.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    assert_eq!(cookies.count(), 2);
    let sent = [
        ("Cookie", "session=good"),
        ("Remote-User", "root"),
        ("Remote_User", "root"),
        ("Remote-Groups", "admins"),
        ("Connection", "remote-user"),
    ];
    let allowed = ask(&daemon, "/", &sent);
    assert_eq!(allowed.status, 200);
    assert_eq!(sees(&allowed, "Remote-User"), json!(["alice"]));
    for name in ["Remote_user", "Remote-Groups", "X-Other", "Set-Cookie"] {
        assert_eq!(sees(&allowed, name), Value::Null, "{name}");
    }
    assert_eq!(allowed.header("set-cookie"), None, "it is for the backend");
}

#[test]
fn the_server_gets_few_headers_unless_the_policy_lists_more() {
    let (auth, seen) = record(guard);
    let folder = folder(&auth, &http("path: /check/"));
    let daemon = Daemon::of(&folder).echo().start();
    let sent = [
        GOOD,
        ("Cookie", "session=1"),
        ("X-Forwarded-Proto", "https"),
    ];
    assert_eq!(ask(&daemon, "/a?b", &sent).status, 200);
    let last = || seen.lock().expect("the requests").last().cloned();
    let request = last().expect("a request");
    // Envoy puts the texts next to each other, too, and Authelia depends on it.
    assert_eq!(request.line, "GET /check//a?b HTTP/1.1");
    let mut names: Vec<&str> = request.headers.iter().map(|(it, _)| it.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "content-length", "host"]);
    let more = "headersToExtAuth: [Cookie, x-forwarded-proto, x-forwarded-host, x-forwarded-for]";
    let ext_auth = format!("{}, {more}", http("pathOverride: /fixed"));
    folder.write("policy.yaml", policy("HTTPRoute", "shop", &ext_auth));
    daemon.wait_for_summary("the policy", |_| {
        ask(&daemon, "/a?b", &sent);
        let request = last()?;
        (request.line == "GET /fixed HTTP/1.1").then_some(())
    });
    let request = last().expect("a request");
    assert_eq!(request.header("cookie"), "session=1");
    assert_eq!(request.header("x-forwarded-proto"), "http", "the truth");
    assert_eq!(request.header("x-forwarded-host"), HOST);
    assert_ne!(request.header("x-forwarded-for"), "");
}

#[test]
fn without_an_answer_requests_get_the_status_of_the_policy() {
    for text in [
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        "nonsense\r\n\r\n",
        "",
    ] {
        let auth = answers(text);
        let folder = folder(&auth, &http(""));
        let daemon = Daemon::of(&folder).echo().start();
        assert_eq!(ask(&daemon, "/", &[GOOD]).status, 403, "{text:?}");
        let ext_auth = format!("{}, statusOnError: 503", http(""));
        folder.write("policy.yaml", policy("HTTPRoute", "shop", &ext_auth));
        daemon.wait_for_status(HOST, "/", 503);
    }
}

#[test]
fn fail_open_lets_requests_pass_without_an_answer_but_never_after_a_denial() {
    let ext_auth = format!("{}, failOpen: true", http("headersToBackend: [x-user]"));
    let forged = [GOOD, ("X-User", "root"), ("X_User", "root")];
    for text in [
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-User: root\r\nContent-Length: 5\r\n\r\nab",
        "nonsense\r\n\r\n",
        "",
    ] {
        let daemon = Daemon::of(&folder(&answers(text), &ext_auth))
            .echo()
            .start();
        let passed = ask(&daemon, "/", &forged);
        assert_eq!(passed.status, 200, "{text:?}");
        for name in ["X-User", "X_user"] {
            assert_eq!(sees(&passed, name), Value::Null, "{name} {text:?}");
        }
    }
    for (text, status) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204),
        (
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
            302,
        ),
    ] {
        let daemon = Daemon::of(&folder(&answers(text), &ext_auth))
            .echo()
            .start();
        let denied = ask(&daemon, "/", &forged);
        assert_eq!(denied.status, status);
        assert_eq!(denied.text(), "", "a backend's answer");
    }
}

#[test]
fn fail_open_does_not_open_what_can_not_be_enforced() {
    let auth = TestBackend::answering(guard);
    let ext_auth = format!("{}, failOpen: true", http("headersToBackend: [host]"));
    let folder = folder(&auth, &ext_auth);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(ask(&daemon, "/", &[GOOD]).status, 500);
    let ext_auth = format!("{}, failOpen: true", http(""));
    folder.write("policy.yaml", policy("HTTPRoute", "shop", &ext_auth));
    daemon.wait_for_status(HOST, "/", 401);
    // Both are evaluated again: the echo backend doesn't stand in, and then there is no Service.
    folder.remove("auth-slice.yaml");
    daemon.wait_for_status(HOST, "/", 500);
    folder.remove("auth.yaml");
    daemon.wait_for_status(HOST, "/", 500);
    let dev = check_with(&folder, &["--dev"]);
    let report = String::from_utf8_lossy(&dev.stdout).into_owned();
    assert!(report.contains("echo backend doesn't stand in"), "{report}");
    folder.write("auth.yaml", service("auth"));
    folder.write("auth-slice.yaml", endpoint_slice("auth", auth.address()));
    daemon.wait_for_status(HOST, "/", 401);
}

#[test]
fn a_server_that_hangs_is_waited_for_as_long_as_the_policy_says() {
    let auth = TestBackend::answering(hang);
    let ext_auth = format!("{}, timeout: 300ms, statusOnError: 504", http(""));
    let daemon = Daemon::of(&folder(&auth, &ext_auth)).echo().start();
    let begin = Instant::now();
    assert_eq!(ask(&daemon, "/", &[GOOD]).status, 504);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(300), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn another_endpoint_or_a_fallback_is_asked_if_one_can_not_be_reached() {
    let dead = std::net::SocketAddr::new(own_address(), free_port(own_address()));
    let auth = TestBackend::answering(guard);
    let ext_auth = "http: {backendRefs: [{name: auth, port: 3000}, {name: spare, port: 3000, fallback: true}]}";
    let folder = folder(&auth, ext_auth);
    let two = endpoint_slice("auth", dead)
        + "---\n"
        + &endpoint_slice("auth", auth.address()).replace("name: auth-1", "name: auth-2");
    folder.write("auth-slice.yaml", two);
    folder.write("spare.yaml", service("spare"));
    folder.write("spare-slice.yaml", endpoint_slice("spare", dead));
    let daemon = Daemon::of(&folder).echo().start();
    for _ in 0..6 {
        assert_eq!(ask(&daemon, "/", &[GOOD]).status, 200);
        assert_eq!(ask(&daemon, "/", &[]).status, 401);
    }
    folder.write("auth-slice.yaml", endpoint_slice("auth", dead));
    daemon.wait_for_status(HOST, "/", 403);
    folder.write("spare-slice.yaml", endpoint_slice("spare", auth.address()));
    daemon.wait_for_status(HOST, "/", 401);
    assert_eq!(ask(&daemon, "/", &[GOOD]).status, 200);
}

/// A route with a rule for a header that the server sets.
fn routed_by_user() -> String {
    let rules = "    - matches: [{headers: [{name: x-user, value: admin}]}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-rule, value: admin}]}}]
      backendRefs: [{name: shop, port: 3000}]
    - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-rule, value: other}]}}]
      backendRefs: [{name: shop, port: 3000}]
";
    crate::support::manifests::route_with_rules("shop", HOST, rules)
}

#[test]
fn recompute_route_routes_by_the_headers_of_the_server_and_not_of_the_client() {
    let (auth, seen) = record(|request, wire| {
        let user = if request.header("authorization") == GOOD.1 {
            "admin"
        } else {
            "guest"
        };
        let answer = format!("HTTP/1.1 200 OK\r\nX-User: {user}\r\nContent-Length: 0\r\n\r\n");
        write(wire, &answer)
    });
    let fields = http("headersToBackend: [x-user]");
    let folder = folder(&auth, &format!("{fields}, recomputeRoute: true"));
    folder.write("route.yaml", routed_by_user());
    let daemon = Daemon::of(&folder).echo().start();
    let rule = |headers: &[(&str, &str)]| sees(&ask(&daemon, "/", headers), "X-Rule");
    let forged = [("X-User", "admin")];
    assert_eq!(rule(&[GOOD]), json!(["admin"]));
    assert_eq!(rule(&forged), json!(["other"]), "the server says guest");
    assert_eq!(
        seen.lock().expect("the requests").len(),
        2,
        "asked once each"
    );
    // Without an answer, the client's header is removed, and so is its route.
    folder.write(
        "auth-slice.yaml",
        endpoint_slice("auth", answers("").address()),
    );
    let open = format!("{fields}, recomputeRoute: true, failOpen: true, timeout: 2s");
    folder.write("policy.yaml", policy("HTTPRoute", "shop", &open));
    daemon.wait_for_summary("the policy", |_| {
        (rule(&[GOOD]) == json!(["other"])).then_some(())
    });
    assert_eq!(rule(&forged), json!(["other"]));
}

#[test]
fn a_policy_of_the_gateway_asks_about_grpc_requests_as_well() {
    let auth = TestBackend::answering(guard);
    let folder = folder(&auth, &http(""));
    folder.write("policy.yaml", policy("Gateway", "edge", &http("")));
    let daemon = Daemon::of(&folder).echo().start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    let denied = client.call_with(HOST, "/a.B/C", &[]);
    assert_eq!(denied.grpc_status(), Some(16), "UNAUTHENTICATED, for 401");
    assert_eq!(ask(&daemon, "/", &[]).status, 401);
    assert_eq!(ask(&daemon, "/", &[GOOD]).status, 200);
}

#[test]
fn the_server_of_another_namespace_needs_a_grant() {
    let auth = TestBackend::answering(guard);
    let away = "http: {backendRef: {name: auth, namespace: auth, port: 3000}}";
    let folder = folder(&auth, away);
    let moved = |text: String| text.replace("metadata:\n", "metadata:\n  namespace: auth\n");
    folder.write("auth.yaml", moved(service("auth")));
    let slice = endpoint_slice("auth", auth.address());
    folder.write("auth-slice.yaml", moved(slice));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(ask(&daemon, "/", &[GOOD]).status, 500);
    folder.write(
        "grant.yaml",
        "apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: policies, namespace: auth}
spec:
  from: [{group: gateway.envoyproxy.io, kind: SecurityPolicy, namespace: default}]
  to: [{group: '', kind: Service}]
",
    );
    daemon.wait_for_status(HOST, "/", 401);
    assert_eq!(ask(&daemon, "/", &[GOOD]).status, 200);
    folder.remove("grant.yaml");
    daemon.wait_for_status(HOST, "/", 500);
}
