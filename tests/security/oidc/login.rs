//! Logins and logouts, and what the backend learns of the user.

use super::{HOST, OTHER, answered, client_secret, folder, oidc, policy, start};
use crate::support::browser::{Browser, fields, path_of};
use crate::support::eventually;
use crate::support::manifests::route;
use crate::support::openid_provider::{CLIENT_SECRET, OpenIdProvider, parameters};
use crate::support::tls::Authority;
use serde_json::{Value, json};

#[test]
fn user_logs_in_and_comes_back_to_the_page() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let more = ", scopes: [email, profile], resources: ['https://api.example/a b']";
    let daemon = start(&folder(&oidc(&provider, more)), &authority);
    let mut browser = Browser::default();
    let asked = browser.get(&daemon, HOST, "/a%20b?c=d&e");
    assert_eq!(asked.status, 302);
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    let location = asked.header("location").expect("a redirect");
    let query = parameters(location.split_once('?').expect("a query").1);
    assert_eq!(query["scope"], "email profile openid");
    assert_eq!(query["resource"], "https://api.example/a b");
    assert_eq!(
        query["redirect_uri"],
        "http://www.example.com/oauth2/callback"
    );
    let callback = provider.log_in(location);
    let back = browser.get(&daemon, HOST, path_of(&callback, HOST));
    assert_eq!(back.status, 302, "{}", back.text());
    assert_eq!(
        back.header("location"),
        Some("http://www.example.com/a%20b?c=d&e")
    );
    assert_eq!(back.header("cache-control"), Some("no-store"));
    let page = browser.get(&daemon, HOST, "/a%20b?c=d&e");
    assert_eq!((page.status, page.backend().as_str()), (200, "shop"));
    assert_eq!(provider.forms().len(), 1);
    for reason in ["oidc_login_redirect", "oidc_logged_in"] {
        eventually(reason, || (answered(&daemon, reason) >= 1.0).then_some(()));
    }
    assert_eq!(daemon.get(OTHER, "/").status, 200, "another route");
}

#[test]
fn cookies_are_secure_and_only_for_the_host() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let daemon = start(&folder(&oidc(&provider, "")), &authority);
    let mut browser = Browser::default();
    let back = browser.log_in(&daemon, &provider, HOST, "/");
    let set = fields(&back, "set-cookie");
    assert_eq!(set.len(), 2, "a session, and the end of the login: {set:?}");
    for field in set {
        assert!(field.starts_with("__Host-Oauth"), "{field}");
        for attribute in ["; Path=/;", "; Secure;", "; HttpOnly;", "; SameSite=Lax"] {
            assert!(field.contains(attribute), "{field}");
        }
        assert!(!field.contains("Domain"), "{field}");
        assert!(
            !field.contains("access-") && !field.contains("eyJ"),
            "a token: {field}"
        );
    }
    assert_eq!(browser.cookies.len(), 1);
}

#[test]
fn backend_gets_the_tokens_but_neither_the_session_nor_forged_ones() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let more = ", forwardAccessToken: true, forwardIDToken: {header: X-Id-Token}, cookieNames: {accessToken: Access, idToken: Id}";
    let daemon = start(&folder(&oidc(&provider, more)), &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    let forged = [
        ("Authorization", "Bearer forged"),
        ("X-Id-Token", "forged"),
        ("x_id_token", "forged"),
        ("Cookie", "Access=forged; a=b; Id=forged"),
        ("Connection", "authorization, x-id-token"),
    ];
    let page = browser.get_with(&daemon, HOST, "/", &forged);
    let headers = page.json()["headers"].clone();
    assert_eq!(headers["Authorization"], json!(["Bearer access-1"]));
    let id_token = headers["X-Id-Token"][0]
        .as_str()
        .expect("an ID token")
        .to_owned();
    assert!(id_token.starts_with("eyJ"), "{id_token}");
    assert_eq!(headers["X_id_token"], Value::Null);
    assert_eq!(
        headers["Cookie"],
        json!([format!("a=b; Access=access-1; Id={id_token}")])
    );
    let text = page.text();
    assert!(
        !text.contains("refresh-") && !text.contains("forged"),
        "{text}"
    );
}

#[test]
fn logout_removes_the_cookies_and_leads_to_the_provider() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let daemon = start(&folder(&oidc(&provider, "")), &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    // Another login that has begun and is never completed.
    let mut session = browser.clone();
    session.cookies.clear();
    session.get(&daemon, HOST, "/");
    browser.cookies.append(&mut session.cookies);
    let out = browser.get(&daemon, HOST, "/logout");
    assert_eq!(out.status, 302);
    let location = out.header("location").expect("a redirect");
    let (endpoint, query) = location.split_once('?').expect("a query");
    assert_eq!(endpoint, format!("{}/logout", provider.issuer()));
    let query = parameters(query);
    assert_eq!(query["from"], "here");
    assert_eq!(query["client_id"], "shop");
    assert_eq!(query["post_logout_redirect_uri"], "http://www.example.com/");
    assert!(query["id_token_hint"].starts_with("eyJ"));
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    assert_eq!(browser.get(&daemon, HOST, "/").status, 302, "a new login");
}

#[test]
fn logout_without_a_page_of_the_provider_leads_to_the_root() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    provider.change(|it| it.configuration = json!({"end_session_endpoint": null}));
    let daemon = start(&folder(&oidc(&provider, ", logoutPath: /bye")), &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    let out = browser.get(&daemon, HOST, "/bye");
    assert_eq!(out.header("location"), Some("http://www.example.com/"));
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
}

#[test]
fn concurrent_logins_of_one_browser_are_independent() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let daemon = start(&folder(&oidc(&provider, "")), &authority);
    let mut browser = Browser::default();
    // Three tabs.
    let pages = ["/first", "/second", "/third"];
    let asked = pages.map(|page| browser.get(&daemon, HOST, page));
    assert_eq!(browser.cookies.len(), 3, "{:?}", browser.cookies);
    for (left, (page, asked)) in pages.iter().zip(&asked).rev().enumerate() {
        let callback = provider.log_in(asked.header("location").expect("a redirect"));
        let back = browser.get(&daemon, HOST, path_of(&callback, HOST));
        let expected = format!("http://{HOST}{page}");
        assert_eq!(back.header("location"), Some(expected.as_str()));
        let cookies = browser.cookies.len();
        assert_eq!(cookies, 3 - left, "the session and {}", 2 - left);
    }
}

#[test]
fn login_survives_reloads_and_restarts() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = folder(&oidc(&provider, ""));
    let daemon = start(&folder, &authority);
    let mut browser = Browser::default();
    let asked = browser.get(&daemon, HOST, "/");
    // In the middle of the login, the folder changes, and with it the policy.
    folder.write("third.yaml", route("third", "third.example.com"));
    folder.write(
        "policy.yaml",
        policy("shop", &oidc(&provider, ", logoutPath: /bye")),
    );
    eventually("the folder is in force", || {
        let answer = daemon.get(HOST, "/bye");
        let location = answer.header("location")?;
        location.contains("/logout").then_some(())
    });
    let callback = provider.log_in(asked.header("location").expect("a redirect"));
    let back = browser.get(&daemon, HOST, path_of(&callback, HOST));
    assert_eq!(back.status, 302, "{}", back.text());
    assert_eq!(browser.get(&daemon, HOST, "/").status, 200);
    assert_eq!(
        provider.requests("/keys"),
        1,
        "reloads keep what is known of a provider"
    );
    drop(daemon);
    let daemon = super::trusting(&folder, &authority).start();
    assert_eq!(browser.get(&daemon, HOST, "/").status, 200, "a new process");
    // With another secret, nobody is logged in.
    folder.write("client.yaml", client_secret(&CLIENT_SECRET.repeat(2)));
    eventually("the session is over", || {
        (browser.clone().get(&daemon, HOST, "/").status == 302).then_some(())
    });
}
