//! Settings of policies, and which of them close what the policy protects.

use super::{
    HOST, ancestor, answered, client_secret, folder, oidc, policy, start, trusting,
    wait_for_provider,
};
use crate::support::browser::Browser;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_with};
use crate::support::openid_provider::{CLIENT_ID, OpenIdProvider, parameters};
use crate::support::tls::{Authority, secret};
use crate::support::tokens::{TokenIssuer, jwks};
use serde_json::json;

/// `jwt` that reads the tokens of an issuer from these places.
fn jwt(issuer: &TokenIssuer, more: &str) -> String {
    let keys = jwks(&[issuer]);
    format!("jwt: {{providers: [{{name: idp, localJWKS: {{inline: '{keys}'}}{more}}}]}}")
}

#[test]
fn requests_that_are_no_navigations_are_denied() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let more = ", denyRedirect: {headers: [{name: X-Requested-With, value: XMLHttpRequest}, {name: Accept, type: Prefix, value: application/json}, {name: User-Agent, type: RegularExpression, value: 'curl/.*'}, {name: X-Kind, type: Suffix, value: script}]}";
    let daemon = start(&folder(&oidc(&provider, more)), &authority);
    for (name, value, status) in [
        ("X-Requested-With", "XMLHttpRequest", 401),
        ("X-Requested-With", "XMLHttpRequest2", 302),
        ("Accept", "application/json, text/plain", 401),
        ("Accept", "text/html, application/json", 302),
        ("User-Agent", "curl/8.1", 401),
        ("User-Agent", "not curl/8.1", 302),
        ("X-Kind", "a script", 401),
        ("X-Kind", "script a", 302),
    ] {
        let answer = Browser::default().get_with(&daemon, HOST, "/", &[(name, value)]);
        assert_eq!(answer.status, status, "{name}: {value}");
    }
    assert!(answered(&daemon, "oidc_login_required") >= 1.0);
}

#[test]
fn jwt_and_authorization_see_the_id_token_of_the_session() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let issuer = TokenIssuer::new("key-2");
    provider.change(|it| {
        it.published = jwks(&[&issuer]);
        it.claims = json!({"groups": ["admins"]});
    });
    let keys = jwt(
        &issuer,
        ", extractFrom: {cookies: [Id]}, claimToHeaders: [{header: X-User, claim: sub}]",
    );
    let settings = format!(
        "{}
  {keys}
  authorization:
    defaultAction: Deny
    rules: [{{action: Allow, principal: {{jwt: {{provider: idp, claims: [{{name: groups, valueType: StringArray, values: [admins]}}]}}}}}}]",
        oidc(&provider, ", cookieNames: {idToken: Id}"),
    );
    provider.change(|it| it.signer = issuer);
    let daemon = start(&folder(&settings), &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    let page = browser.get(&daemon, HOST, "/");
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(page.json()["headers"]["X-User"], json!(["alice"]));
    provider.change(|it| it.claims = json!({"groups": ["users"]}));
    let mut other = Browser::default();
    other.log_in(&daemon, &provider, HOST, "/");
    assert_eq!(other.get(&daemon, HOST, "/").status, 403, "another group");
}

#[test]
fn requests_with_a_token_for_jwt_need_no_login() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let issuer = TokenIssuer::new("machine");
    let more = ", passThroughAuthHeader: true, forwardAccessToken: true, forwardIDToken: {header: X-Id-Token}, cookieNames: {idToken: Id}";
    let settings = format!(
        "{}\n  {}",
        oidc(&provider, more),
        jwt(
            &issuer,
            ", extractFrom: {headers: [{name: X-Token}], cookies: [Id]}"
        )
    );
    let daemon = start(&folder(&settings), &authority);
    let token = issuer.token(&json!({}));
    let forged = [
        ("X-Token", token.as_str()),
        ("Authorization", "Bearer forged"),
        ("X-Id-Token", "forged"),
        ("Cookie", "Id=forged; a=b"),
    ];
    let page = Browser::default().get_with(&daemon, HOST, "/", &forged);
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(!page.text().contains("forged"), "{}", page.text());
    assert_eq!(page.json()["headers"]["Cookie"], json!(["a=b"]));
    let invalid = [("X-Token", "a.b.c")];
    assert_eq!(
        Browser::default()
            .get_with(&daemon, HOST, "/", &invalid)
            .status,
        401
    );
    let other = [("Authorization", token.as_str())];
    assert_eq!(
        Browser::default()
            .get_with(&daemon, HOST, "/", &other)
            .status,
        302
    );
}

#[test]
fn callback_of_another_host_is_an_ordinary_page() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let more = ", redirectURL: 'https://login.example.com/cb'";
    let daemon = start(&folder(&oidc(&provider, more)), &authority);
    let asked = Browser::default().get(&daemon, HOST, "/");
    let location = asked.header("location").expect("a redirect");
    let query = parameters(location.split_once('?').expect("a query").1);
    assert_eq!(query["redirect_uri"], "https://login.example.com/cb");
    let state = &query["state"];
    let answer = Browser::default().get(&daemon, HOST, &format!("/cb?code=a&state={state}"));
    assert_eq!(answer.status, 302, "a page that needs a login");
}

#[test]
fn https_listener_makes_https_urls_and_no_warning() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let plain = folder(&oidc(&provider, ""));
    let daemon = start(&plain, &authority);
    let found = daemon.wait_for_diagnostic("GF0576");
    let message = found["message"].as_str().expect("a message");
    assert!(message.contains("`default/edge/http`"), "{message}");
    assert_eq!(warning(&daemon)["status"], "True");
    drop(daemon);
    let folder = folder(&oidc(&provider, ""));
    let pair = authority.issue(HOST);
    folder.write(
        "certificate.yaml",
        secret("www", &pair.certificate, &pair.key),
    );
    let listener =
        "    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: www}]}}\n";
    folder.write("gateway.yaml", gateway_with(listener));
    let daemon = trusting(&folder, &authority).port(443).start();
    let location = eventually("a redirect", || {
        let connected = authority.connect(daemon.socket(443), HOST);
        let (mut client, _) = connected.ok()?;
        let answer = client.get(HOST, "/", &[]).ok()?;
        answer.header("location").map(str::to_owned)
    });
    let query = parameters(location.split_once('?').expect("a query").1);
    assert_eq!(
        query["redirect_uri"],
        "https://www.example.com/oauth2/callback"
    );
    let status = ancestor(&daemon);
    let conditions = &status["conditions"];
    let kinds = conditions.as_array().expect("a list").iter();
    let kinds: Vec<&str> = kinds.filter_map(|it| it["type"].as_str()).collect();
    assert_eq!(kinds, ["Accepted"]);
}

#[test]
fn settings_that_are_not_served_are_named() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let issuer = format!("issuer: '{}'", provider.issuer());
    let settings = oidc(&provider, "").replace(
        &issuer,
        &format!("{issuer}, backendSettings: {{retry: {{numRetries: 3}}}}"),
    );
    let daemon = start(&folder(&settings), &authority);
    let message = warning(&daemon)["message"].to_string();
    assert!(message.contains("backendSettings.retry"), "{message}");
}

fn warning(daemon: &Daemon) -> serde_json::Value {
    condition(&ancestor(daemon), "Warning").clone()
}

#[track_caller]
fn assert_closed(folder: &Folder, authority: &Authority, why: &str) {
    let daemon = trusting(folder, authority).start();
    assert_eq!(daemon.get(HOST, "/").status, 500, "{why}");
    assert_eq!(
        daemon.get(HOST, "/oauth2/callback?code=a&state=b").status,
        500,
        "{why}"
    );
    let status = ancestor(&daemon);
    let accepted = condition(&status, "Accepted");
    assert_eq!(
        (&accepted["status"], &accepted["reason"]),
        (&json!("False"), &json!("Invalid"))
    );
    let message = accepted["message"].to_string();
    assert!(message.contains(why), "{message}");
    let found = daemon.wait_for_diagnostic("GF0555");
    assert!(
        found["message"].as_str().expect("a message").contains(why),
        "{found}"
    );
}

#[test]
fn policy_that_can_not_be_enforced_closes() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    for (more, why) in [
        (
            ", redirectURL: 'https://%REQ(x-forwarded-host)%/cb'",
            "variable",
        ),
        (", redirectURL: 'https://a/'", "must not be `/`"),
        (", logoutPath: /oauth2/callback", "must differ"),
        (", logoutPath: /a/../b", "normal form"),
        (", passThroughAuthHeader: true", "no `jwt`"),
        (
            ", forwardIDToken: {header: Content-Length}",
            "content-length",
        ),
        (", cookieNames: {idToken: 'a b'}", "name of a cookie"),
        (
            ", denyRedirect: {headers: [{name: a, type: RegularExpression, value: '('}]}",
            "regular expression",
        ),
    ] {
        assert_closed(&folder(&oidc(&provider, more)), &authority, why);
    }
    let passed = oidc(&provider, ", passThroughAuthHeader: true");
    let keys = jwt(&TokenIssuer::new("a"), "");
    let open = keys.replace("jwt: {", "jwt: {failOpen: true, ");
    let settings = format!("{passed}\n  {open}");
    assert_closed(&folder(&settings), &authority, "failOpen");
    let settings = format!(
        "{}\n  {keys}",
        oidc(
            &provider,
            ", passThroughAuthHeader: true, forwardIDToken: {header: Authorization}"
        )
    );
    assert_closed(&folder(&settings), &authority, "forwardIDToken");
    // The filter would remove the token that let the request pass, before `jwt` sees it.
    let keys = jwt(
        &TokenIssuer::new("a"),
        ", extractFrom: {headers: [{name: x-token}]}",
    );
    let settings = format!(
        "{}\n  {keys}",
        oidc(
            &provider,
            ", passThroughAuthHeader: true, forwardIDToken: {header: x_token}"
        )
    );
    assert_closed(&folder(&settings), &authority, "forwardIDToken");
}

#[test]
fn client_without_a_proper_secret_closes() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = folder(&oidc(&provider, ""));
    folder.write("client.yaml", client_secret("short"));
    assert_closed(&folder, &authority, "5 bytes");
    folder.write("client.yaml", client_secret(""));
    assert_closed(&folder, &authority, "no entry `client-secret`");
    folder.remove("client.yaml");
    assert_closed(&folder, &authority, "client");
}

#[test]
fn broken_edit_of_the_secret_keeps_the_last_good_one() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = folder(&oidc(&provider, ""));
    let daemon = start(&folder, &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    folder.write("client.yaml", client_secret("short"));
    let found = daemon.wait_for_diagnostic("GF0555");
    let message = found["message"].as_str().expect("a message");
    assert!(message.contains("5 bytes"), "{message}");
    assert_eq!(browser.get(&daemon, HOST, "/").status, 200);
    // Removing the entry withdraws it.
    folder.replace("client.yaml", "client-secret", "other");
    daemon.wait_for_status(HOST, "/", 500);
}

#[test]
fn cookies_may_have_a_secret_of_their_own_and_the_id_may_be_in_a_secret() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let settings = oidc(&provider, "").replace(
        &format!("clientID: {CLIENT_ID}"),
        "clientIDRef: {name: client}",
    );
    let folder = folder(&settings);
    let text = client_secret("short").replace("}\n", ", hmac-secret: 0123456789abcdef}\n");
    folder.write("client.yaml", text);
    let daemon = trusting(&folder, &authority).start();
    wait_for_provider(&daemon);
    let asked = daemon.get(HOST, "/");
    let location = asked.header("location").expect("a redirect");
    let query = parameters(location.split_once('?').expect("a query").1);
    assert_eq!(query["client_id"], CLIENT_ID);
}

#[test]
fn policy_of_a_route_is_merged_with_that_of_its_gateway() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = folder(&oidc(&provider, ""));
    let of_gateway = policy("edge", &oidc(&provider, ", logoutPath: /bye"));
    folder.write(
        "edge.yaml",
        of_gateway.replace("kind: HTTPRoute", "kind: Gateway"),
    );
    folder.replace(
        "policy.yaml",
        "spec:\n",
        "spec:\n  mergeType: StrategicMerge\n",
    );
    let daemon = start(&folder, &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    let out = browser.get(&daemon, HOST, "/bye");
    let location = out.header("location").expect("a redirect");
    assert!(location.contains("/logout?"), "{location}");
}
