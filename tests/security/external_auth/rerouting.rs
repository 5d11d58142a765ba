//! `recomputeRoute` of `extAuth`: no filter of the policy is left out because the request is routed again, and no header of the client
//! chooses the route.

use super::{HOST, ask, hang, write};
use crate::support::backend::TestBackend;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{endpoint_slice, gateway, route_with_rules, service};
use crate::support::network::{free_port, own_address};
use crate::support::tokens::{TokenIssuer, jwks};
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const ASKS: &str = "extAuth: {http: {backendRefs: [{name: auth, port: 3000}], headersToBackend: [x-user]}, recomputeRoute: true";
/// Of `alice` with the password `secret`.
const USERS: &str = "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const AS_ALICE: (&str, &str) = ("Authorization", "Basic YWxpY2U6c2VjcmV0");

/// Allows every request. Its user is `admin`, but `guest` under `/guest`.
fn allows() -> TestBackend {
    TestBackend::answering(|request, wire| {
        let is_guest = request.line.contains("/guest");
        let user = if is_guest { "guest" } else { "admin" };
        let answer = format!("HTTP/1.1 200 OK\r\nX-User: {user}\r\nContent-Length: 0\r\n\r\n");
        write(wire, &answer)
    })
}

/// A folder with a rule for the user `admin`, one for the tenant `bank`, and another one.
fn folder(auth: SocketAddr, settings: &str) -> Folder {
    let rules = "    - matches: [{headers: [{name: x-user, value: admin}]}]
      backendRefs: [{name: admin, port: 3000}]
    - matches: [{headers: [{name: x-tenant, value: bank}]}]
      backendRefs: [{name: bank, port: 3000}]
    - backendRefs: [{name: shop, port: 3000}]
";
    let secret = |name: &str, key: &str, value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{{key}: '{value}'}}\n"
        )
    };
    let folder = Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route_with_rules("shop", HOST, rules)),
        ("users.yaml", secret("users", ".htpasswd", USERS)),
        ("keys.yaml", secret("keys", "alice", "key-1")),
        ("auth.yaml", service("auth")),
        ("auth-slice.yaml", endpoint_slice("auth", auth)),
        (
            "policy.yaml",
            format!(
                "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: asks}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}}]
  {settings}
"
            ),
        ),
    ]);
    for name in ["admin", "bank", "shop"] {
        folder.write(&format!("{name}.yaml"), service(name));
    }
    folder
}

/// A port that nothing listens on.
fn dead() -> SocketAddr {
    SocketAddr::new(own_address(), free_port(own_address()))
}

fn jwt(issuer: &TokenIssuer, more: &str) -> String {
    let keys = jwks(&[issuer]);
    format!("jwt: {{providers: [{{name: idp, localJWKS: {{inline: '{keys}'}}{more}}}]}}")
}

#[test]
fn filters_behind_ext_auth_run_in_the_new_rule_and_in_the_same_one() {
    let issuer = TokenIssuer::new("key-1");
    let token = format!("Bearer {}", issuer.token(&json!({})));
    let auth = allows();
    for (settings, credentials) in [
        ("basicAuth: {users: {name: users}}".to_owned(), AS_ALICE),
        (
            "apiKeyAuth: {credentialRefs: [{name: keys}], extractFrom: [{headers: [x-api-key]}]}"
                .to_owned(),
            ("x-api-key", "key-1"),
        ),
        (jwt(&issuer, ""), ("Authorization", token.as_str())),
    ] {
        let settings = format!("{ASKS}}}\n  {settings}");
        let daemon = Daemon::of(&folder(auth.address(), &settings))
            .echo()
            .start();
        for (path, backend) in [("/", "admin"), ("/guest", "shop")] {
            let denied = ask(&daemon, path, &[]);
            assert_eq!(denied.status, 401, "{path} {settings}");
            let passed = ask(&daemon, path, &[credentials]);
            let passed = (passed.status, passed.backend());
            assert_eq!(passed, (200, backend.to_owned()), "{path} {settings}");
        }
        let open = settings.replace("recomputeRoute", "failOpen: true, recomputeRoute");
        let daemon = Daemon::of(&folder(dead(), &open)).echo().start();
        for forged in ["guest", "admin"] {
            let forged = ("x-user", forged);
            assert_eq!(ask(&daemon, "/", &[forged]).status, 401, "{open}");
            let passed = ask(&daemon, "/", &[forged, credentials]);
            let passed = (passed.status, passed.backend());
            assert_eq!(passed, (200, "shop".to_owned()), "{open}");
        }
    }
}

#[test]
fn a_filter_of_the_route_that_asks_as_well_does_so_after_the_rerouting() {
    let auth = allows();
    let folder = folder(auth.address(), &format!("{ASKS}}}"));
    let denies = TestBackend::answering(|_, wire| {
        write(wire, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    });
    let filter = "      filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: denies, port: 3000}, http: {}}}]\n";
    let rules = format!(
        "    - matches: [{{headers: [{{name: x-user, value: admin}}]}}]
{filter}      backendRefs: [{{name: admin, port: 3000}}]
    - backendRefs: [{{name: shop, port: 3000}}]
{filter}"
    );
    folder.write("route.yaml", route_with_rules("shop", HOST, &rules));
    folder.write("denies.yaml", service("denies"));
    folder.write(
        "denies-slice.yaml",
        endpoint_slice("denies", denies.address()),
    );
    let daemon = Daemon::of(&folder).echo().start();
    for path in ["/", "/guest"] {
        assert_eq!(ask(&daemon, path, &[]).status, 403, "{path}");
    }
}

#[test]
fn a_claim_that_the_client_makes_up_chooses_no_route_if_ext_auth_reroutes_as_well() {
    let issuer = TokenIssuer::new("key-1");
    let more = ", claimToHeaders: [{header: x-tenant, claim: tenant}], recomputeRoute: true";
    let settings = format!("{ASKS}}}\n  {}", jwt(&issuer, more));
    let auth = allows();
    let daemon = Daemon::of(&folder(auth.address(), &settings))
        .echo()
        .start();
    let chosen = |path: &str, claims: serde_json::Value, forged: &str| {
        let token = format!("Bearer {}", issuer.token(&claims));
        let fields = [("Authorization", token.as_str()), ("x-tenant", forged)];
        let answer = ask(&daemon, path, &fields);
        (answer.status, answer.backend())
    };
    let backend = |name: &str| (200, name.to_owned());
    assert_eq!(chosen("/guest", json!({}), "bank"), backend("shop"));
    let bank = json!({"tenant": "bank"});
    assert_eq!(chosen("/guest", bank.clone(), "shop"), backend("bank"));
    assert_eq!(chosen("/", bank, "shop"), backend("admin"));
    assert_eq!(ask(&daemon, "/guest", &[("x-tenant", "bank")]).status, 401);
}

#[test]
fn a_filter_waits_as_long_as_the_rule_after_the_rerouting_says() {
    let auth = allows();
    let folder = folder(auth.address(), &format!("{ASKS}}}"));
    let hangs = TestBackend::answering(hang);
    let rules = "    - matches: [{headers: [{name: x-user, value: admin}]}]
      timeouts: {request: 900ms}
      filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: hangs, port: 3000}, http: {}}}]
      backendRefs: [{name: admin, port: 3000}]
    - timeouts: {request: 300ms}
      backendRefs: [{name: shop, port: 3000}]
";
    folder.write("route.yaml", route_with_rules("shop", HOST, rules));
    folder.write("hangs.yaml", service("hangs"));
    folder.write("hangs-slice.yaml", endpoint_slice("hangs", hangs.address()));
    let daemon = Daemon::of(&folder).echo().start();
    let begin = Instant::now();
    assert_ne!(ask(&daemon, "/", &[]).status, 200);
    let waited = begin.elapsed();
    assert!(waited >= Duration::from_millis(900), "{waited:?}");
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}
