//! What a ClientTrafficPolicy changes in requests and responses.

use crate::support::client::Response;
use crate::support::client_traffic::client_traffic_policy;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use serde_json::{Value, json};

const HOST: &str = "www.example.com";

/// A daemon with a ClientTrafficPolicy for its Gateway.
fn with(settings: &str) -> Daemon {
    let folder = Folder::with_route(HOST);
    folder.write("clients.yaml", client_traffic_policy(settings));
    Daemon::of(&folder).echo().start()
}

fn ask(daemon: &Daemon, path: &str, headers: &[(&str, &str)]) -> Response {
    let answer = daemon.connect().get(HOST, path, headers);
    answer.expect("an answer")
}

/// The headers that the backend receives.
fn received(daemon: &Daemon, headers: &[(&str, &str)]) -> Value {
    ask(daemon, "/", headers).json()["headers"].clone()
}

#[test]
fn headers_with_underscores_are_forwarded_dropped_or_rejected() {
    let sent = [("x_user", "admin"), ("X-Other", "1")];
    let allow = with("headers: {withUnderscoresAction: Allow}");
    assert_eq!(received(&allow, &sent)["X_user"], json!(["admin"]));
    let drop = with("headers: {withUnderscoresAction: DropHeader}");
    let headers = received(&drop, &sent);
    assert_eq!(headers["X_user"], Value::Null);
    assert_eq!(headers["X-Other"], json!(["1"]));
    let reject = with("headers: {withUnderscoresAction: RejectRequest}");
    assert_eq!(ask(&reject, "/", &sent).status, 400);
    assert_eq!(ask(&reject, "/", &sent[1..]).status, 200);
}

#[test]
fn request_ids_are_kept_made_or_removed() {
    let id = |action: &str, sent: &[(&str, &str)]| {
        let daemon = with(&format!("headers: {{requestID: {action}}}"));
        received(&daemon, sent)["X-Request-Id"].clone()
    };
    let mine = [("X-Request-Id", "mine")];
    assert_eq!(id("PreserveOrGenerate", &mine), json!(["mine"]));
    assert_eq!(id("Preserve", &mine), json!(["mine"]));
    assert_eq!(id("Preserve", &[]), Value::Null);
    assert_eq!(id("Disable", &mine), Value::Null);
    let made = id("Generate", &mine);
    assert_eq!(made[0].as_str().map(str::len), Some(36), "{made}");
}

#[test]
fn requests_are_changed_before_they_are_routed() {
    let daemon = with(
        "headers: {earlyRequestHeaders: {set: [{name: x-set, value: policy}], add: [{name: x-add, value: policy}], \
         addIfAbsent: [{name: x-default, value: policy}], remove: [x-gone], removeOnMatch: [{type: Prefix, value: X-Debug}]}}",
    );
    let sent = [
        ("x-set", "client"),
        ("x-add", "client"),
        ("x-gone", "client"),
        ("x-debug-level", "client"),
    ];
    let headers = received(&daemon, &sent);
    assert_eq!(headers["X-Set"], json!(["policy"]));
    assert_eq!(headers["X-Add"], json!(["client", "policy"]));
    assert_eq!(headers["X-Default"], json!(["policy"]));
    assert_eq!(headers["X-Gone"], Value::Null);
    assert_eq!(headers["X-Debug-Level"], Value::Null);
    let headers = received(&daemon, &[("x-default", "client")]);
    assert_eq!(headers["X-Default"], json!(["client"]));
    // A client can't remove them as hop-by-hop headers.
    let headers = received(&daemon, &[("Connection", "x-set, x-add, x-default")]);
    for name in ["X-Set", "X-Add", "X-Default"] {
        assert_eq!(headers[name], json!(["policy"]), "{name}");
    }
}

#[test]
fn a_route_matches_what_the_policy_has_set() {
    let folder = Folder::with_route(HOST);
    let moved = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: moved}
spec:
  parentRefs: [{name: edge}]
  hostnames: [www.example.com]
  rules:
  - matches: [{headers: [{name: x-tenant, value: a}]}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301}}]
";
    folder.write("moved.yaml", moved);
    folder.write(
        "clients.yaml",
        client_traffic_policy(
            "headers: {earlyRequestHeaders: {set: [{name: x-tenant, value: a}]}}",
        ),
    );
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(ask(&daemon, "/", &[("x-tenant", "b")]).status, 301);
}

#[test]
fn every_response_is_changed() {
    let settings = "headers: {lateResponseHeaders: {addIfAbsent: [{name: Strict-Transport-Security, value: max-age=1}], remove: [server]}}";
    let daemon = with(settings);
    for (path, status) in [("/", 200), ("/%zz", 400)] {
        let answer = ask(&daemon, path, &[]);
        assert_eq!(answer.status, status, "{path}");
        let policy = answer.header("strict-transport-security");
        assert_eq!(policy, Some("max-age=1"), "{path}");
        assert_eq!(answer.header("server"), None, "{path}");
    }
}

#[test]
fn escaped_slashes_are_kept_rejected_unescaped_or_redirected() {
    let seen = |settings: &str, path: &str| {
        let answer = ask(&with(settings), path, &[]);
        let location = answer.header("location").map(str::to_owned);
        (answer.status, location, answer)
    };
    let (status, _, answer) = seen("path: {escapedSlashesAction: KeepUnchanged}", "/a%2Fb");
    assert_eq!(
        (status, answer.json()["path"].as_str()),
        (200, Some("/a%2Fb"))
    );
    let (status, ..) = seen("path: {escapedSlashesAction: RejectRequest}", "/a%5cb");
    assert_eq!(status, 400);
    let unescape = "path: {escapedSlashesAction: UnescapeAndForward}";
    let (status, _, answer) = seen(unescape, "/a%2F%2Fb?q=%2F");
    assert_eq!(
        (status, answer.json()["path"].as_str()),
        (200, Some("/a/b?q=%2F"))
    );
    let (status, ..) = seen(unescape, "/a%2F..%2F..%2Fb");
    assert_eq!(status, 400, "it leads out of the root");
    let redirect = "path: {escapedSlashesAction: UnescapeAndRedirect}";
    let (status, location, _) = seen(redirect, "/a%2Fb?q=1");
    assert_eq!((status, location.as_deref()), (307, Some("/a/b?q=1")));
    // Never to another host.
    let (status, location, _) = seen(redirect, "/%2F%5Cevil.example/");
    assert_eq!((status, location.as_deref()), (307, Some("/evil.example/")));
    let apart = "path: {escapedSlashesAction: UnescapeAndRedirect, disableMergeSlashes: true}";
    let (status, location, _) = seen(apart, "/%2Fevil.example/");
    assert_eq!(
        (status, location.as_deref()),
        (307, Some("/.//evil.example/"))
    );
}

#[test]
fn adjacent_slashes_may_stay() {
    let path = |daemon: &Daemon| ask(daemon, "/a//b", &[]).json()["path"].clone();
    assert_eq!(path(&with("path: {disableMergeSlashes: true}")), "/a//b");
    assert_eq!(path(&with("path: {disableMergeSlashes: false}")), "/a/b");
}

#[test]
fn a_health_check_is_answered_without_a_backend() {
    let daemon = with("healthCheck: {path: /healthz}");
    let answer = ask(&daemon, "/healthz", &[]);
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b""[..]));
    assert_eq!(ask(&daemon, "/healthz/", &[]).json()["path"], "/healthz/");
}

#[test]
fn a_change_that_cannot_be_made_closes_the_targets() {
    for change in [
        "earlyRequestHeaders: {set: [{name: Host, value: other.example}]}",
        "earlyRequestHeaders: {remove: [Content-Length]}",
        "lateResponseHeaders: {removeOnMatch: [{type: RegularExpression, value: '('}]}",
    ] {
        let daemon = with(&format!("headers: {{{change}}}"));
        assert_eq!(ask(&daemon, "/", &[]).status, 500, "{change}");
        daemon.wait_for_diagnostic("GF0556");
    }
}

#[test]
fn the_dot_at_the_end_of_a_host_is_removed() {
    let strips = with("headers: {host: {stripTrailingHostDot: true}}");
    let keeps = with("headers: {host: {stripTrailingHostDot: false}}");
    for (daemon, sent, expected) in [
        (&strips, "www.example.com.", "www.example.com"),
        (&strips, "www.example.com.:80", "www.example.com:80"),
        (&strips, "www.example.com", "www.example.com"),
        (&keeps, "www.example.com.", "www.example.com."),
    ] {
        let answer = daemon.connect().get(sent, "/", &[]).expect("an answer");
        assert_eq!(answer.json()["host"], expected, "{sent}");
        let forwarded = &answer.json()["headers"]["X-Forwarded-Host"];
        assert_eq!(*forwarded, json!([expected]), "{sent}");
    }
}
