//! SecurityPolicies of Envoy Gateway: what they enforce, where, and that a broken one lets nothing pass.

use crate::support::client::{Client, Response};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{gateway, route, service};

const HOST: &str = "www.example.com";
const OTHER: &str = "other.example.com";
/// `alice` with the password `secret`, as `htpasswd -s` writes it.
const ALICE: &str = "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
/// `alice:secret`.
const AS_ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6c2VjcmV0");

fn folder() -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("other-route.yaml", route("other", OTHER)),
        ("shop.yaml", service("shop")),
        ("other.yaml", service("other")),
        ("users.yaml", users(ALICE)),
    ])
}

fn users(line: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: users}}\nstringData: {{.htpasswd: '{line}'}}\n"
    )
}

/// A SecurityPolicy for an object, with these settings.
fn policy(name: &str, kind: &str, target: &str, settings: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: {kind}, name: {target}}}]
  {settings}
"
    )
}

fn ask(daemon: &Daemon, host: &str, method: &str, headers: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(daemon.socket(80)).expect("a connection");
    let answer = client.send(method, host, "/", headers, b"");
    answer.expect("an answer")
}

fn status(daemon: &Daemon, host: &str, headers: &[(&str, &str)]) -> u16 {
    ask(daemon, host, "GET", headers).status
}

#[test]
fn basic_auth_protects_a_gateway_unless_a_route_has_its_own_policy() {
    let folder = folder();
    let settings = "basicAuth: {users: {name: users}}";
    folder.write("policy.yaml", policy("edge", "Gateway", "edge", settings));
    let daemon = Daemon::of(&folder).echo().start();
    for host in [HOST, OTHER] {
        assert_eq!(status(&daemon, host, &[]), 401, "{host}");
        assert_eq!(status(&daemon, host, &[AS_ALICE]), 200, "{host}");
    }
    // A policy without settings replaces the Gateway's.
    folder.write("own.yaml", policy("open", "HTTPRoute", "other", ""));
    daemon.wait_for_status(OTHER, "/", 200);
    assert_eq!(status(&daemon, HOST, &[]), 401);
    folder.remove("own.yaml");
    daemon.wait_for_status(OTHER, "/", 401);
}

#[test]
fn users_stay_in_force_if_their_secret_breaks_and_not_if_it_is_withdrawn() {
    let folder = folder();
    let settings = "basicAuth: {users: {name: users}}";
    folder.write("policy.yaml", policy("shop", "HTTPRoute", "shop", settings));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(status(&daemon, HOST, &[AS_ALICE]), 200);
    // A hash that Envoy doesn't read, either.
    let broken = users("alice:$apr1$abc$def");
    folder.write("users.yaml", &broken);
    let found = daemon.wait_for_diagnostic("GF0555").to_string();
    assert!(found.contains("stays in force"), "{found}");
    let policies = daemon.admin("/apis/gateway.envoyproxy.io/v1alpha1/securitypolicies");
    let policies = policies.text();
    assert!(
        policies.contains("the last good content stays in force"),
        "{policies}"
    );
    // A reload that changes something else keeps them, too.
    folder.write("more.yaml", route("more", "more.example.com"));
    daemon.wait_for_status("more.example.com", "/", 200);
    assert_eq!(status(&daemon, HOST, &[AS_ALICE]), 200);
    assert_eq!(status(&daemon, HOST, &[]), 401);
    for withdrawn in [Some(users("")), None] {
        folder.write("users.yaml", users(ALICE));
        daemon.wait_for_status(HOST, "/", 401);
        match withdrawn {
            Some(empty) => folder.write("users.yaml", empty),
            None => folder.remove("users.yaml"),
        }
        daemon.wait_for_status(HOST, "/", 500);
        folder.write("users.yaml", &broken);
        daemon.wait_for_diagnostic("GF0555");
        assert_eq!(status(&daemon, HOST, &[AS_ALICE]), 500, "nothing is kept");
    }
    assert_eq!(status(&daemon, OTHER, &[]), 200, "another route");
}

#[test]
fn api_keys_of_secrets_are_required() {
    let folder = folder();
    folder.write(
        "keys.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {partner: key-1}\n",
    );
    let settings = "apiKeyAuth: {credentialRefs: [{name: keys}], extractFrom: [{headers: [x-api-key]}], forwardClientIDHeader: x-client}";
    folder.write("policy.yaml", policy("shop", "HTTPRoute", "shop", settings));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(status(&daemon, HOST, &[]), 401);
    assert_eq!(status(&daemon, HOST, &[("x-api-key", "key-2")]), 401);
    let headers = [("x-api-key", "key-1"), ("x-client", "forged")];
    let answer = ask(&daemon, HOST, "GET", &headers);
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("partner"),
        "the client's id is forwarded"
    );
    assert!(!answer.text().contains("forged"), "{}", answer.text());
}

#[test]
fn authorization_rules_decide_by_address_method_and_header() {
    let folder = folder();
    let rules = "authorization: {defaultAction: Deny, rules: [
    {action: Deny, principal: {headers: [{name: x-role, values: [guest]}]}},
    {action: Allow, operation: {methods: [GET]}, principal: {clientCIDRs: [127.0.0.0/8]}}]}";
    folder.write("policy.yaml", policy("shop", "HTTPRoute", "shop", rules));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(status(&daemon, HOST, &[]), 200);
    assert_eq!(ask(&daemon, HOST, "POST", &[]).status, 403);
    assert_eq!(status(&daemon, HOST, &[("x-role", "guest")]), 403);
    let elsewhere = rules.replace("127.0.0.0/8", "192.0.2.0/24");
    folder.write(
        "policy.yaml",
        policy("shop", "HTTPRoute", "shop", &elsewhere),
    );
    daemon.wait_for_status(HOST, "/", 403);
    assert_eq!(status(&daemon, OTHER, &[]), 200, "another route");
}

#[test]
fn cors_of_a_policy_answers_preflight_requests() {
    let folder = folder();
    let settings =
        "cors: {allowOrigins: ['https://*.example.com'], allowMethods: [PUT], maxAge: 24h}";
    folder.write("policy.yaml", policy("shop", "HTTPRoute", "shop", settings));
    let daemon = Daemon::of(&folder).echo().start();
    let preflight = [
        ("Origin", "https://app.example.com"),
        ("Access-Control-Request-Method", "PUT"),
    ];
    let answer = ask(&daemon, HOST, "OPTIONS", &preflight);
    assert_eq!(answer.status, 204);
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin, Some("https://app.example.com"));
    assert_eq!(answer.header("access-control-max-age"), Some("86400"));
}

#[test]
fn a_route_s_policy_is_merged_with_that_of_its_gateway() {
    let folder = folder();
    let users = "basicAuth: {users: {name: users}}";
    folder.write("policy.yaml", policy("edge", "Gateway", "edge", users));
    let rules = "mergeType: StrategicMerge\n  authorization: {defaultAction: Allow, rules: [
    {action: Deny, principal: {headers: [{name: x-role, values: [guest]}]}}]}";
    folder.write("own.yaml", policy("own", "HTTPRoute", "shop", rules));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(status(&daemon, HOST, &[]), 401, "inherited");
    assert_eq!(status(&daemon, HOST, &[AS_ALICE]), 200);
    assert_eq!(status(&daemon, HOST, &[AS_ALICE, ("x-role", "guest")]), 403);
    assert_eq!(
        status(&daemon, OTHER, &[AS_ALICE, ("x-role", "guest")]),
        200
    );
}

#[test]
fn of_two_policies_with_the_same_name_both_protect() {
    let folder = folder();
    let settings = "basicAuth: {users: {name: users}}";
    folder.write(
        "policy-1.yaml",
        policy("login", "HTTPRoute", "shop", settings),
    );
    folder.write(
        "policy-2.yaml",
        policy("login", "HTTPRoute", "other", settings),
    );
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(status(&daemon, HOST, &[]), 401);
    assert_eq!(
        status(&daemon, OTHER, &[]),
        500,
        "the second one isn't enforced, but closes"
    );
    daemon.wait_for_diagnostic("GF0302");
}

/// Requests that change something, as browsers send them from other pages.
#[test]
fn csrf_denies_requests_of_other_sites() {
    let folder = folder();
    let settings = "csrf: {additionalOrigins: ['https://*.partner.example']}";
    folder.write("policy.yaml", policy("edge", "Gateway", "edge", settings));
    let daemon = Daemon::of(&folder).echo().start();
    for (origin, expected) in [
        ("http://www.example.com", 200),
        ("https://www.example.com", 200),
        ("https://app.partner.example", 200),
        ("null", 403),
        ("http://www.example.com:8080", 403),
        ("https://evil.example", 403),
    ] {
        let sent = [("Origin", origin), ("Referer", "http://www.example.com/")];
        let answer = ask(&daemon, HOST, "POST", &sent);
        assert_eq!(answer.status, expected, "{origin}");
        assert_eq!(ask(&daemon, HOST, "GET", &sent).status, 200, "{origin}");
    }
    let answer = ask(&daemon, HOST, "DELETE", &[]);
    assert_eq!((answer.status, &*answer.text()), (403, "Invalid origin\n"));
    let referer = ("Referer", "http://www.example.com/form?a=b");
    assert_eq!(ask(&daemon, HOST, "POST", &[referer]).status, 200);
    let denied = daemon.metric(r#"gatefold_answers_total{reason="csrf_origin_mismatch"}"#);
    assert_eq!(denied, 4.0);
}

#[test]
fn csrf_only_counts_the_requests_that_it_observes() {
    let folder = folder();
    let settings = "csrf: {shadowFraction: {numerator: 100}}";
    folder.write("policy.yaml", policy("edge", "Gateway", "edge", settings));
    let daemon = Daemon::of(&folder).echo().start();
    let evil = ("Origin", "https://evil.example");
    let own = ("Origin", "http://www.example.com");
    for sent in [evil, own, own] {
        assert_eq!(ask(&daemon, HOST, "POST", &[sent]).status, 200);
    }
    for (result, expected) in [("valid", 2.0), ("invalid", 1.0)] {
        let name = format!("gatefold_csrf_observed_requests_total{{result=\"{result}\"}}");
        assert_eq!(daemon.metric(&name), expected, "{result}");
    }
}

#[test]
fn authorization_compares_normal_paths() {
    let folder = folder();
    let rules = "{action: Deny, operation: {path: {value: /admin}}, principal: {clientCIDRs: [0.0.0.0/0]}}, \
                 {action: Allow, operation: {path: {type: RegularExpression, value: '/v[0-9]+/.*', invert: true}}, principal: {clientCIDRs: [0.0.0.0/0]}}";
    let settings = format!("authorization: {{defaultAction: Deny, rules: [{rules}]}}");
    folder.write("policy.yaml", policy("edge", "Gateway", "edge", &settings));
    let daemon = Daemon::of(&folder).echo().start();
    for (path, expected) in [
        ("/", 200),
        ("/administrator", 200),
        ("/admin", 403),
        ("/admin?next=/", 403),
        ("/admin/users", 403),
        ("/%61dmin", 403),
        ("/public/../admin", 403),
        ("//admin", 403),
        ("/admin;v=1", 403),
        ("/v1/items", 403),
    ] {
        assert_eq!(daemon.get(HOST, path).status, expected, "{path}");
    }
    let query = settings.replace("'/v[0-9]+/.*'", "'/v1(\\?.*)?'");
    folder.write("policy.yaml", policy("edge", "Gateway", "edge", &query));
    daemon.wait_for_status(HOST, "/", 500);
    daemon.wait_for_diagnostic("GF0555");
}
