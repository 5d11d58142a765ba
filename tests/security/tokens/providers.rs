//! Providers, rules about claims, and routing by claims.

use super::{HOST, OTHER, ask, folder, local, policy, status};
use crate::support::daemon::Daemon;
use crate::support::manifests::{route_with_rules, service};
use crate::support::tokens::{TokenIssuer, jwks};
use serde_json::json;

#[test]
fn one_of_several_providers_suffices_and_rules_decide_by_its_claims() {
    let (staff, partners) = (TokenIssuer::new("a"), TokenIssuer::new("b"));
    let provider = |name: &str, issuer: &TokenIssuer| {
        let keys = jwks(&[issuer]);
        format!("{{name: {name}, issuer: {name}, localJWKS: {{inline: '{keys}'}}}}")
    };
    let (first, second) = (provider("staff", &staff), provider("partners", &partners));
    let settings = format!(
        "jwt: {{providers: [{first}, {second}]}}
  authorization: {{rules: [
    {{action: Allow, principal: {{jwt: {{provider: staff, claims: [{{name: org.role, values: [admin, root]}}]}}}}}},
    {{action: Allow, principal: {{jwt: {{provider: partners, scopes: [read, list]}}}}}},
    {{action: Allow, principal: {{jwt: {{provider: partners, claims: [{{name: groups, valueType: StringArray, values: [vip]}}]}}}}}}]}}"
    );
    let daemon = Daemon::of(&folder(&settings)).echo().start();
    let admin = json!({"iss": "staff", "org": {"role": "admin"}});
    assert_eq!(status(&daemon, &staff.token(&admin)), 200);
    let guest = json!({"iss": "staff", "org": {"role": "guest"}});
    assert_eq!(status(&daemon, &staff.token(&guest)), 403);
    // The claims of one provider don't count for the other.
    let as_partner = json!({"iss": "partners", "org": {"role": "admin"}});
    assert_eq!(status(&daemon, &partners.token(&as_partner)), 403);
    let crossed = json!({"iss": "staff", "org": {"role": "admin"}});
    assert_eq!(status(&daemon, &partners.token(&crossed)), 401);
    let reader = json!({"iss": "partners", "scope": "list read"});
    assert_eq!(status(&daemon, &partners.token(&reader)), 200);
    let half = json!({"iss": "partners", "scp": ["read"]});
    assert_eq!(status(&daemon, &partners.token(&half)), 403);
    let vip = json!({"iss": "partners", "groups": ["x", "vip"]});
    assert_eq!(status(&daemon, &partners.token(&vip)), 200);
    assert_eq!(daemon.get(HOST, "/").status, 401);
    assert_eq!(daemon.get(OTHER, "/").status, 200, "another route");
}

#[test]
fn an_optional_token_may_be_missing_and_with_fail_open_it_may_be_invalid() {
    let issuer = TokenIssuer::new("key-1");
    let settings = local(&issuer, "").replace("jwt: {", "jwt: {optional: true, ");
    let folder = folder(&settings);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 200);
    assert_eq!(status(&daemon, "invalid"), 401);
    assert_eq!(status(&daemon, &issuer.token(&json!({}))), 200);
    let rules = "\n  authorization: {rules: [
    {action: Allow, principal: {jwt: {provider: idp, claims: [{name: sub, values: [alice]}]}}}]}";
    let fail_open = settings.replace("optional", "failOpen") + rules;
    folder.write("policy.yaml", policy("shop", "HTTPRoute", &fail_open));
    // Not authenticated, but not authorized either.
    daemon.wait_for_status(HOST, "/", 403);
    assert_eq!(status(&daemon, "invalid"), 403);
    let alice = issuer.token(&json!({"sub": "alice"}));
    assert_eq!(status(&daemon, &alice), 200);
    assert_eq!(status(&daemon, &issuer.token(&json!({"sub": "bob"}))), 403);
}

#[test]
fn tokens_are_found_where_the_policy_says() {
    let issuer = TokenIssuer::new("key-1");
    let more = ", extractFrom: {headers: [{name: X-Token, valuePrefix: 'jwt '}], cookies: [session], params: [t]}";
    let daemon = Daemon::of(&folder(&local(&issuer, more))).echo().start();
    let token = issuer.token(&json!({}));
    let status =
        |path: &str, field: &str, value: &str| ask(&daemon, path, &[(field, value)]).status;
    assert_eq!(status("/", "x-token", &format!("jwt {token}")), 200);
    assert_eq!(status("/", "x-token", &token), 401, "without the prefix");
    assert_eq!(status("/", "Cookie", &format!("a=b; session={token}")), 200);
    assert_eq!(status(&format!("/?t={token}"), "x-a", "b"), 200);
    assert_eq!(
        status("/", "Authorization", &format!("Bearer {token}")),
        401
    );
}

#[test]
fn keys_of_a_config_map_are_replaced_and_the_last_good_ones_stay_in_force() {
    let (old, new) = (TokenIssuer::new("a"), TokenIssuer::new("b"));
    let config_map = |keys: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: keys}}\ndata: {{jwks: '{keys}'}}\n"
        )
    };
    let settings = "jwt: {providers: [{name: idp, localJWKS: {type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: keys}}}]}";
    let folder = folder(settings);
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(daemon.get(HOST, "/").status, 500, "there is no ConfigMap");
    folder.write("keys.yaml", config_map(&jwks(&[&old])));
    daemon.wait_for_status(HOST, "/", 401);
    assert_eq!(status(&daemon, &old.token(&json!({}))), 200);
    assert_eq!(status(&daemon, &new.token(&json!({}))), 401);
    folder.write("keys.yaml", config_map("{broken"));
    daemon.wait_for_diagnostic("GF0555");
    assert_eq!(status(&daemon, &old.token(&json!({}))), 200, "last good");
    assert_eq!(status(&daemon, &new.token(&json!({}))), 401);
    let withdrawn = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: keys}\n";
    folder.write("keys.yaml", withdrawn);
    daemon.wait_for_status(HOST, "/", 500);
    assert_eq!(daemon.get(OTHER, "/").status, 200, "another route");
    folder.write("keys.yaml", config_map(&jwks(&[&new])));
    daemon.wait_for_status(HOST, "/", 401);
    assert_eq!(status(&daemon, &new.token(&json!({}))), 200);
    assert_eq!(status(&daemon, &old.token(&json!({}))), 401);
}

/// The header that chooses the route comes from the token, never from the client. A policy of the new route is enforced, too.
#[test]
fn a_route_is_chosen_by_a_claim() {
    let issuer = TokenIssuer::new("key-1");
    let more = ", claimToHeaders: [{header: x-tenant, claim: tenant}], recomputeRoute: true";
    let folder = folder("");
    folder.remove("policy.yaml");
    let rule = |tenant: &str| {
        format!(
            "    - name: {tenant}
      matches: [{{headers: [{{name: x-tenant, value: {tenant}}}]}}]
      backendRefs: [{{name: {tenant}, port: 3000}}]\n"
        )
    };
    let rules =
        [rule("bank"), rule("museum")].concat() + "    - backendRefs: [{name: shop, port: 3000}]\n";
    folder.write("route.yaml", route_with_rules("shop", HOST, &rules));
    folder.write("bank.yaml", service("bank"));
    folder.write("museum.yaml", service("museum"));
    let settings = local(&issuer, more);
    folder.write("policy.yaml", policy("edge", "Gateway", &settings));
    let closed = policy("shop", "HTTPRoute", "authorization: {defaultAction: Deny}");
    let closed = closed.replace("name: shop}]", "name: shop, sectionName: museum}]");
    folder.write("museum-policy.yaml", closed);
    let daemon = Daemon::of(&folder).echo().start();
    let ask = |claims: serde_json::Value, forged: &str| {
        let authorization = format!("Bearer {}", issuer.token(&claims));
        let fields = [
            ("Authorization", authorization.as_str()),
            ("x-tenant", forged),
        ];
        ask(&daemon, "/", &fields)
    };
    let bank = ask(json!({"tenant": "bank"}), "shop");
    assert_eq!((bank.status, bank.backend()), (200, "bank".to_owned()));
    let shop = ask(json!({"tenant": "unknown"}), "bank");
    assert_eq!((shop.status, shop.backend()), (200, "shop".to_owned()));
    let forged = ask(json!({}), "bank");
    assert_eq!((forged.status, forged.backend()), (200, "shop".to_owned()));
    // Its own policy has no `jwt`, and denies everything.
    assert_eq!(ask(json!({"tenant": "museum"}), "shop").status, 403);
    assert_eq!(daemon.get(HOST, "/").status, 401);
}

/// Otherwise a client without a token would choose the route by a claim that it makes up.
#[test]
fn a_forged_claim_chooses_no_route_if_the_token_is_optional() {
    let issuer = TokenIssuer::new("key-1");
    let more = ", claimToHeaders: [{header: x-tenant, claim: tenant}], recomputeRoute: true";
    let folder = folder("");
    folder.remove("policy.yaml");
    let rules = "    - matches: [{headers: [{name: x-tenant, value: bank}]}]
      backendRefs: [{name: bank, port: 3000}]
    - backendRefs: [{name: shop, port: 3000}]\n";
    folder.write("route.yaml", route_with_rules("shop", HOST, rules));
    folder.write("bank.yaml", service("bank"));
    let settings = local(&issuer, more).replace("jwt: {", "jwt: {optional: true, ");
    assert!(settings.contains("optional: true"), "{settings}");
    folder.write("policy.yaml", policy("edge", "Gateway", &settings));
    let daemon = Daemon::of(&folder).echo().start();
    let token = format!("Bearer {}", issuer.token(&json!({"tenant": "bank"})));
    let bank = ask(&daemon, "/", &[("Authorization", &token)]);
    assert_eq!((bank.status, bank.backend()), (200, "bank".to_owned()));
    for fields in [&[("x-tenant", "bank")][..], &[("x_tenant", "bank")], &[]] {
        let shop = ask(&daemon, "/", fields);
        assert_eq!(
            (shop.status, shop.backend()),
            (200, "shop".to_owned()),
            "{fields:?}"
        );
    }
}
