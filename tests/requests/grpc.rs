//! GRPCRoutes: calls, statuses, filters, and HTTPRoutes beside them.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, check, gatefold};
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::grpc::{GrpcAnswer, GrpcBackend, GrpcClient};
use crate::support::manifests::{
    condition, endpoint_slice, gateway, gateway_with, grpc_route, route, service,
};
use crate::support::network::{free_port, own_address};
use crate::support::tls::{Authority, secret};
use std::collections::BTreeMap;
use std::net::SocketAddr;

const HOST: &str = "shop.example.com";
const CART: &str = "    - matches: [{method: {service: shop.Cart}}]
      backendRefs: [{name: one, port: 3000}]\n";

/// A folder with a GRPCRoute `calls` for [`HOST`] with these rules, and a Service for each backend.
fn folder(rules: &str, backends: &[(&str, SocketAddr)]) -> Folder {
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("calls.yaml", grpc_route("calls", HOST, rules)),
    ]);
    for (name, address) in backends {
        folder.write(&format!("{name}.yaml"), service(name));
        let slice = endpoint_slice(name, *address);
        folder.write(&format!("{name}-slice.yaml"), slice);
    }
    folder
}

/// Checks that an answer of the proxy is a single header with the HTTP status 200.
#[track_caller]
fn assert_answered_by_proxy(answer: &GrpcAnswer, grpc_status: u32) {
    assert_eq!(answer.grpc_status(), Some(grpc_status), "{answer:?}");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.is_trailers_only, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/grpc");
    assert_ne!(answer.headers["grpc-message"], "", "{answer:?}");
}

/// Checks a unary call, a bidirectional one, and the failures of the backend.
#[track_caller]
fn forwards_calls_unchanged(client: &mut GrpcClient) {
    let unary = client.call(HOST, "/shop.Cart/Add", "message");
    assert_eq!((unary.status, unary.backend()), (200, Some("one")));
    assert_eq!(unary.headers["content-type"], "application/grpc+proto");
    assert_eq!(unary.body, b"message");
    let trailers = unary.trailers.expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");

    let mut call = client.open(HOST, "/shop.Cart/Watch");
    for number in 0..50 {
        call.exchange(&format!("message {number}"));
    }
    call.end();

    let failed = client.call(HOST, "/shop.Cart/Fail", "message");
    assert_eq!(failed.body, b"half");
    let refused = client.call(HOST, "/shop.Cart/Refuse", "message");
    assert!(refused.is_trailers_only, "{refused:?}");
    for fields in [failed.trailers.expect("trailers"), refused.headers] {
        assert_eq!(fields["grpc-status"], "8");
        assert_eq!(fields["grpc-message"], "too much: 100 %25");
        assert_eq!(fields["grpc-status-details-bin"], "CAgSCHRvbyBtdWNo");
    }
}

#[test]
fn forwards_calls_over_http2_without_tls() {
    let one = GrpcBackend::start("one");
    let folder = folder(CART, &[("one", one.address())]);
    let daemon = Daemon::of(&folder).start();
    forwards_calls_unchanged(&mut GrpcClient::connect(daemon.socket(80)));
    let calls = one.calls();
    let call = calls.first().expect("a call");
    assert_eq!(call.uri.authority().map(|it| it.as_str()), Some(HOST));
    assert_eq!(call.headers["te"], "trailers");
    assert_eq!(call.headers["content-type"], "application/grpc");
}

/// A client ends each of these calls with an empty DATA frame that has END_STREAM. The proxy must forward that flag: h2 closes
/// a connection after a hundred empty frames without it.
#[test]
fn forwards_the_ends_of_many_calls_on_one_connection() {
    let one = GrpcBackend::start("one");
    let folder = folder(CART, &[("one", one.address())]);
    let daemon = Daemon::of(&folder).start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    for number in 0..250 {
        let mut call = client.open(HOST, "/shop.Cart/Watch");
        call.exchange(&format!("message {number}"));
        call.end();
    }
}

#[test]
fn forwards_calls_over_tls_with_alpn() {
    let authority = Authority::new();
    let pair = authority.issue(HOST);
    let one = GrpcBackend::start("one");
    let folder = folder(CART, &[("one", one.address())]);
    let listener =
        "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: pair}]}}\n";
    folder.write("gateway.yaml", gateway_with(listener));
    folder.write("pair.yaml", secret("pair", &pair.certificate, &pair.key));
    let daemon = Daemon::of(&folder).start();
    let socket = daemon.socket(443);
    forwards_calls_unchanged(&mut GrpcClient::connect_tls(socket, &authority, HOST));
}

#[test]
fn answers_with_grpc_statuses() {
    let ip = own_address();
    let dead = SocketAddr::new(ip, free_port(ip));
    let rules = "    - matches: [{method: {service: shop.Missing}}]
      backendRefs: [{name: missing, port: 3000}]
    - matches: [{method: {service: shop.Nowhere}}]
      backendRefs: [{name: nowhere, port: 3000}]
    - matches: [{method: {service: shop.Dead}}]
      backendRefs: [{name: dead, port: 3000}]
    - matches: [{method: {service: shop.Nothing}}]
    - matches: [{method: {service: shop.Extended}}]
      filters: [{type: ExtensionRef, extensionRef: {group: a.example, kind: Filter, name: a}}]
      backendRefs: [{name: dead, port: 3000}]\n";
    let folder = folder(rules, &[("dead", dead)]);
    folder.write("nowhere.yaml", service("nowhere"));
    let daemon = Daemon::of(&folder).start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    for (service, status) in [
        ("shop.Unknown", 12),
        ("shop.Missing", 14),
        ("shop.Nowhere", 14),
        ("shop.Dead", 14),
        ("shop.Nothing", 14),
        ("shop.Extended", 14),
    ] {
        let answer = client.call(HOST, &format!("/{service}/Get"), "message");
        assert_answered_by_proxy(&answer, status);
    }
    let other = client.call("other.example.com", "/shop.Dead/Get", "message");
    assert_answered_by_proxy(&other, 12);
    let http = client.send("POST", HOST, "/shop.Dead/Get", "application/json", "{}");
    assert_eq!(http.status, 404, "a GRPCRoute serves gRPC only: {http:?}");
    assert_eq!(http.grpc_status(), None, "{http:?}");
}

#[test]
fn policies_that_are_not_enforced_close_routes_and_listeners() {
    let one = GrpcBackend::start("one");
    let folder = folder(CART, &[("one", one.address())]);
    let daemon = Daemon::of(&folder).start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    let mut wait_for = |status| {
        eventually(&format!("calls are answered {status}"), || {
            let answer = client.call(HOST, "/shop.Cart/Add", "message");
            (answer.grpc_status() == Some(status)).then_some(answer)
        })
    };
    wait_for(0);
    for (kind, name) in [("GRPCRoute", "calls"), ("Gateway", "edge")] {
        let policy = format!(
            "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{name: a}}\n\
             spec: {{targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}}}], authorization: {{rules: [{{action: Allow, cel: 'true'}}]}}}}\n"
        );
        folder.write("policy.yaml", policy);
        assert_answered_by_proxy(&wait_for(14), 14);
        folder.remove("policy.yaml");
        wait_for(0);
    }
}

#[test]
fn http_route_with_the_same_hostname_serves_all_other_requests() {
    let one = GrpcBackend::start("one");
    let folder = folder(CART, &[("one", one.address())]);
    folder.write("pages.yaml", route("pages", HOST));
    folder.write("pages-service.yaml", service("pages"));
    let daemon = Daemon::of(&folder).echo().start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    let grpc = client.call(HOST, "/shop.Cart/Add", "message");
    assert_eq!(grpc.backend(), Some("one"));
    for (method, path, kind) in [
        ("POST", "/shop.Other/Add", "application/grpc"),
        ("POST", "/shop.Cart/Add", "application/grpc-web+proto"),
        ("POST", "/shop.Cart/Add", "application/json"),
        ("PUT", "/shop.Cart/Add", "application/grpc"),
    ] {
        let answer = client.send(method, HOST, path, kind, "message");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(
            body.contains("\"pages-"),
            "{method} {path} {kind}: {answer:?}"
        );
    }
    assert_eq!(daemon.get(HOST, "/shop.Cart/Add").backend(), "pages");
    let mut http1 = Client::connect(daemon.socket(80)).expect("a connection");
    let kind = [("content-type", "application/grpc")];
    let answer = http1.send("POST", HOST, "/shop.Cart/Add", &kind, b"x");
    assert_eq!(answer.expect("an answer").backend(), "pages");
    assert_eq!(one.calls().len(), 1, "only gRPC requests reach the backend");
}

#[test]
fn one_port_of_a_service_speaks_http1_for_http_routes_and_http2_for_grpc_routes() {
    let one = GrpcBackend::start("one");
    let folder = folder(CART, &[("one", one.address())]);
    folder.write("pages.yaml", route("one", HOST));
    let daemon = Daemon::of(&folder).start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    for _ in 0..3 {
        assert_eq!(daemon.get(HOST, "/").body, b"one");
        let grpc = client.call(HOST, "/shop.Cart/Add", "message");
        assert_eq!(
            (grpc.grpc_status(), &*grpc.body),
            (Some(0), &b"message"[..])
        );
    }
    assert_eq!(one.calls().len(), 3);
}

#[test]
fn filters_change_headers_and_send_copies() {
    let (one, copies) = (GrpcBackend::start("one"), GrpcBackend::start("copies"));
    let rule = CART.replace(
        "      backendRefs",
        "      filters:
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-route, value: calls}], remove: [x-secret]}}
      - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-answer, value: changed}]}}
      - {type: RequestMirror, requestMirror: {backendRef: {name: copies, port: 3000}}}
      backendRefs",
    );
    let folder = folder(
        &rule,
        &[("one", one.address()), ("copies", copies.address())],
    );
    let daemon = Daemon::of(&folder).start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    let answer = client.call(HOST, "/shop.Cart/Add", "message");
    assert_eq!(
        (answer.backend(), answer.grpc_status()),
        (Some("one"), Some(0))
    );
    assert_eq!(answer.headers["x-answer"], "changed");
    let copy = eventually("the copy arrives", || copies.calls().into_iter().next());
    for call in [&copy, &one.calls()[0]] {
        assert_eq!(call.uri.path(), "/shop.Cart/Add");
        assert_eq!(call.headers["x-route"], "calls");
        assert_eq!(call.headers["content-type"], "application/grpc");
    }
}

#[test]
fn weights_split_calls_exactly() {
    let (one, two) = (GrpcBackend::start("one"), GrpcBackend::start("two"));
    let rule = "    - backendRefs: [{name: one, port: 3000, weight: 8}, {name: two, port: 3000, weight: 2}]\n";
    let folder = folder(rule, &[("one", one.address()), ("two", two.address())]);
    let daemon = Daemon::of(&folder).start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    let mut counts = BTreeMap::new();
    for _ in 0..100 {
        let answer = client.call(HOST, "/shop.Cart/Add", "message");
        let backend = answer.backend().expect("a backend").to_owned();
        *counts.entry(backend).or_insert(0) += 1;
    }
    let expected = [("one".to_owned(), 80), ("two".to_owned(), 20)];
    assert_eq!(counts, BTreeMap::from(expected));
}

#[test]
fn an_edit_applies_to_new_calls_and_leaves_open_ones() {
    let (one, two) = (GrpcBackend::start("one"), GrpcBackend::start("two"));
    let folder = folder(CART, &[("one", one.address()), ("two", two.address())]);
    let daemon = Daemon::of(&folder).start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    let mut call = client.open(HOST, "/shop.Cart/Watch");
    call.exchange("before");
    folder.replace("calls.yaml", "name: one", "name: two");
    eventually("new calls reach the other backend", || {
        let answer = client.call(HOST, "/shop.Cart/Add", "message");
        (answer.backend() == Some("two")).then_some(())
    });
    call.exchange("after");
    folder.remove("calls.yaml");
    eventually("the route is gone", || {
        let answer = client.call(HOST, "/shop.Cart/Add", "message");
        (answer.grpc_status() == Some(12)).then_some(())
    });
    call.exchange("after the deletion");
    call.end();
}

#[test]
fn logs_and_counts_calls_and_reports_the_route() {
    let one = GrpcBackend::start("one");
    let folder = folder(CART, &[("one", one.address())]);
    let daemon = Daemon::of(&folder).arg("--access-log").start();
    let mut client = GrpcClient::connect(daemon.socket(80));
    client.call(HOST, "/shop.Cart/Add", "message");
    client.call(HOST, "/shop.Cart/Refuse", "message");
    client.call(HOST, "/shop.Unknown/Add", "message");
    let log = eventually("three requests are logged", || {
        let log = daemon.log();
        let calls = log.lines().filter(|line| line.contains("/shop."));
        (calls.filter(|line| line.ends_with('}')).count() == 3).then_some(log)
    });
    let line = |path: &str| {
        let mut lines = log.lines().filter(|line| line.contains(path));
        lines
            .next()
            .unwrap_or_else(|| panic!("no {path} in\n{log}"))
            .to_owned()
    };
    assert!(line("/shop.Cart/Add").contains("default/calls"), "{log}");
    assert!(line("/shop.Cart/Add").contains("default/one:3000"), "{log}");
    for (path, status) in [
        ("/shop.Cart/Add", 0),
        ("/shop.Cart/Refuse", 8),
        ("/shop.Unknown/Add", 12),
    ] {
        let expected = format!("\"grpc_status\":{status},");
        assert!(
            line(path).contains(&expected),
            "{expected} for {path}:\n{log}"
        );
    }

    let object = daemon.object("grpcroutes", "default", "calls");
    let parent = &object["status"]["parents"][0];
    assert_eq!(condition(parent, "Accepted")["status"], "True");
    let kinds = daemon.object("gateways", "default", "edge");
    let listener = &kinds["status"]["listeners"][0];
    assert_eq!(listener["attachedRoutes"], 1, "{listener:#}");
    let kinds = listener["supportedKinds"].to_string();
    assert!(
        kinds.contains("HTTPRoute") && kinds.contains("GRPCRoute"),
        "{kinds}"
    );
    let resources = daemon.admin_json("/apis/gateway.networking.k8s.io/v1");
    assert!(
        resources.to_string().contains("\"grpcroutes\""),
        "{resources:#}"
    );
    let status = daemon.admin_json("/status");
    assert_eq!(status["counts"]["grpcRoutes"], 1, "{status:#}");
    // The HTTP status of gRPC answers is 200, whatever their gRPC status is.
    let requests = daemon.metric("gatefold_requests_total{class=\"2xx\"}");
    assert_eq!(requests, 3.0);
}

#[test]
fn check_and_get_show_grpc_routes() {
    let folder = folder(CART, &[("one", own_address_and_port())]);
    let output = check(&folder);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("calls"), "{text}");
    let daemon = Daemon::of(&folder).start();
    let mut get = gatefold();
    get.args(["get", "grpcroutes", "--admin", &daemon.admin_address()]);
    let output = get.output().expect("gatefold get runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("calls") && text.contains(HOST), "{output:?}");
}

#[test]
fn check_warns_of_a_match_that_an_older_grpc_route_has() {
    let folder = folder(CART, &[("one", own_address_and_port())]);
    let warns = |folder: &Folder| {
        let text = check(folder).stdout;
        let text = String::from_utf8_lossy(&text).into_owned();
        text.contains("warning[GF0532]") && text.contains("GRPCRoute default/calls has the same")
    };
    folder.write("http.yaml", route("one", HOST));
    assert!(!warns(&folder), "an HTTPRoute has no matches of gRPC");
    folder.write("copy.yaml", grpc_route("copy", HOST, CART));
    assert!(warns(&folder), "the copy receives no requests");
    let other = CART.replace("shop.Cart", "shop.Other");
    folder.write("copy.yaml", grpc_route("copy", HOST, &other));
    assert!(!warns(&folder), "the routes match different services");
}

fn own_address_and_port() -> SocketAddr {
    SocketAddr::new(own_address(), 3000)
}
