//! The addresses of clients behind proxies (ClientTrafficPolicy), and what senders may say of a request's way.

use crate::support::client_traffic::{client_traffic_policy, replace};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use serde_json::{Value, json};

const HOST: &str = "www.example.com";
/// Only clients of this network pass.
const OFFICE: &str = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: office}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]
  authorization: {rules: [{action: Allow, principal: {clientCIDRs: [198.51.100.0/24]}}]}
";
const FROM_OFFICE: (&str, &str) = ("X-Forwarded-For", "203.0.113.1, 198.51.100.7");

fn serve(files: &[(&str, &str)]) -> (Folder, Daemon) {
    let folder = Folder::with_route(HOST);
    for (name, text) in files {
        folder.write(name, text);
    }
    let daemon = Daemon::of(&folder).echo().start();
    (folder, daemon)
}

fn status(daemon: &Daemon, headers: &[(&str, &str)]) -> u16 {
    let answer = daemon.connect().get(HOST, "/", headers);
    answer.expect("an answer").status
}

/// The headers that the backend receives.
fn received(daemon: &Daemon, headers: &[(&str, &str)]) -> Value {
    let answer = daemon.connect().get(HOST, "/", headers);
    answer.expect("an answer").json()["headers"].clone()
}

#[test]
fn the_list_of_an_untrusted_sender_opens_nothing() {
    let (folder, daemon) = serve(&[("office.yaml", OFFICE)]);
    assert_eq!(status(&daemon, &[FROM_OFFICE]), 403, "no policy trusts it");
    let elsewhere =
        client_traffic_policy("clientIPDetection: {xForwardedFor: {trustedCIDRs: [10.0.0.0/8]}}");
    replace(&folder, &daemon, "clients.yaml", &elsewhere);
    assert_eq!(status(&daemon, &[FROM_OFFICE]), 403, "another network");
    let here =
        client_traffic_policy("clientIPDetection: {xForwardedFor: {trustedCIDRs: [127.0.0.0/8]}}");
    replace(&folder, &daemon, "clients.yaml", &here);
    assert_eq!(status(&daemon, &[FROM_OFFICE]), 200);
    let forged = ("X-Forwarded-For", "198.51.100.7, 203.0.113.1");
    assert_eq!(
        status(&daemon, &[forged]),
        403,
        "the beginning is the client's"
    );
    // A policy that can't be read must not make proxies count as clients.
    replace(
        &folder,
        &daemon,
        "clients.yaml",
        &client_traffic_policy("clientIPDetection: {xForwardedFor: {}}"),
    );
    assert_eq!(
        status(&daemon, &[forged]),
        403,
        "the last good policy stays"
    );
    assert_eq!(status(&daemon, &[FROM_OFFICE]), 200);
}

#[test]
fn a_policy_that_was_never_readable_closes_its_targets() {
    let broken = client_traffic_policy("clientIPDetection: {xForwardedFor: {}}");
    let (_folder, daemon) = serve(&[("office.yaml", OFFICE), ("clients.yaml", &broken)]);
    assert_eq!(status(&daemon, &[]), 500);
    daemon.wait_for_diagnostic("GF0524");
}

#[test]
fn hops_count_from_the_end_of_the_list() {
    let hops = client_traffic_policy("clientIPDetection: {xForwardedFor: {numTrustedHops: 2}}");
    let (_folder, daemon) = serve(&[("office.yaml", OFFICE), ("clients.yaml", &hops)]);
    let behind_two = ("X-Forwarded-For", "198.51.100.7, 203.0.113.1");
    assert_eq!(status(&daemon, &[behind_two]), 200);
    assert_eq!(status(&daemon, &[FROM_OFFICE]), 403);
}

#[test]
fn a_header_has_the_address_or_the_request_is_denied() {
    let header = client_traffic_policy(
        "clientIPDetection: {customHeader: {name: CF-Connecting-IP, failClosed: true}}",
    );
    let (_folder, daemon) = serve(&[("clients.yaml", &header), ("office.yaml", OFFICE)]);
    assert_eq!(
        status(&daemon, &[("cf-connecting-ip", "198.51.100.7")]),
        200
    );
    assert_eq!(status(&daemon, &[("cf-connecting-ip", "203.0.113.1")]), 403);
    let denied = daemon.connect().get(HOST, "/", &[]).expect("an answer");
    assert_eq!(denied.status, 403);
    assert_eq!(denied.text(), "the address of the client is unknown\n");
}

#[test]
fn only_a_trusted_proxy_says_where_a_request_comes_from() {
    let claims = [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Port", "443"),
        ("X-Real-IP", "198.51.100.7"),
        ("Forwarded", "for=198.51.100.7"),
        ("X-Forwarded-Client-Cert", "Hash=1"),
    ];
    let (folder, daemon) = serve(&[]);
    let headers = received(&daemon, &claims);
    assert_eq!(headers["X-Forwarded-Proto"], json!(["http"]));
    assert_eq!(headers["X-Forwarded-Host"], json!([HOST]));
    for name in [
        "X-Forwarded-Port",
        "X-Real-Ip",
        "Forwarded",
        "X-Forwarded-Client-Cert",
    ] {
        assert_eq!(headers[name], Value::Null, "{name}");
    }
    let trusted = "clientIPDetection: {xForwardedFor: {trustedCIDRs: [127.0.0.0/8], disableXForwardedForAppend: true}}";
    replace(
        &folder,
        &daemon,
        "clients.yaml",
        &client_traffic_policy(trusted),
    );
    let headers = received(&daemon, &[&claims[..], &[FROM_OFFICE]].concat());
    for (name, value) in [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Port", "443"),
        ("X-Real-Ip", "198.51.100.7"),
        ("Forwarded", "for=198.51.100.7"),
        ("X-Forwarded-For", FROM_OFFICE.1),
    ] {
        assert_eq!(headers[name], json!([value]), "{name}");
    }
    assert_eq!(headers["X-Forwarded-Client-Cert"], Value::Null);
}

#[test]
fn a_redirect_keeps_the_scheme_that_a_trusted_proxy_names() {
    let clients =
        client_traffic_policy("clientIPDetection: {xForwardedFor: {trustedCIDRs: [127.0.0.0/8]}}");
    let (folder, daemon) = serve(&[("clients.yaml", &clients)]);
    let moved = "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: moved}
spec:
  parentRefs: [{name: edge}]
  hostnames: [moved.example]
  rules: [{filters: [{type: RequestRedirect, requestRedirect: {hostname: www.example.com}}]}]
";
    replace(&folder, &daemon, "moved.yaml", moved);
    let location = |headers: &[(&str, &str)]| {
        let answer = daemon.connect().get("moved.example", "/a", headers);
        let answer = answer.expect("an answer");
        answer.header("location").map(str::to_owned)
    };
    let https = location(&[("X-Forwarded-Proto", "https")]);
    assert_eq!(https.as_deref(), Some("https://www.example.com/a"));
    let http = location(&[]);
    assert_eq!(http.as_deref(), Some("http://www.example.com/a"));
}
