//! What an attacker may try: states, cookies and tokens that aren't theirs, or not of this login.

use super::{HOST, OTHER, answered, folder, oidc, policy, start};
use crate::support::browser::{Browser, path_of};
use crate::support::client::Response;
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::openid_provider::{EndpointBehavior, OpenIdProvider};
use crate::support::tls::Authority;
use crate::support::tokens::{TokenIssuer, jwks, now};
use serde_json::json;

/// A daemon with an `oidc` policy, and its provider.
fn started() -> (Daemon, OpenIdProvider, crate::support::folder::Folder) {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = folder(&oidc(&provider, ""));
    let daemon = start(&folder, &authority);
    (daemon, provider, folder)
}

#[track_caller]
fn assert_denied(daemon: &Daemon, answer: &Response, status: u16, reason: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("location"), None);
    eventually(reason, || (answered(daemon, reason) >= 1.0).then_some(()));
}

#[test]
fn callback_without_the_login_s_cookie_is_refused_before_the_provider_is_asked() {
    let (daemon, provider, _folder) = started();
    let mut victim = Browser::default();
    let asked = victim.get(&daemon, HOST, "/");
    let callback = provider.log_in(asked.header("location").expect("a redirect"));
    let path = path_of(&callback, HOST);
    // The attacker's callback in another browser.
    let other = Browser::default().get(&daemon, HOST, path);
    assert_denied(&daemon, &other, 401, "oidc_unknown_login");
    // A state of the attacker's own.
    let (start, _) = path.split_once("&state=").expect("a state");
    let guessed = victim
        .clone()
        .get(&daemon, HOST, &format!("{start}&state=guessed"));
    assert_denied(&daemon, &guessed, 401, "oidc_unknown_login");
    for query in ["", "?code=a", "?state=", "?code=a&state=b&state=b"] {
        let answer = victim
            .clone()
            .get(&daemon, HOST, &format!("/oauth2/callback{query}"));
        assert_denied(&daemon, &answer, 401, "oidc_unknown_login");
    }
    assert_eq!(provider.forms().len(), 0);
    assert_eq!(
        victim.get(&daemon, HOST, path).status,
        302,
        "the victim's own login"
    );
}

#[test]
fn completed_login_can_not_be_replayed() {
    let (daemon, provider, _folder) = started();
    let mut browser = Browser::default();
    let asked = browser.get(&daemon, HOST, "/");
    let mut thief = browser.clone();
    let callback = provider.log_in(asked.header("location").expect("a redirect"));
    let path = path_of(&callback, HOST);
    assert_eq!(browser.get(&daemon, HOST, path).status, 302);
    let again = browser.get(&daemon, HOST, path);
    assert_denied(&daemon, &again, 401, "oidc_unknown_login");
    let stolen = thief.get(&daemon, HOST, path);
    assert_denied(&daemon, &stolen, 401, "oidc_login_failed");
}

#[test]
fn login_of_one_user_can_not_be_completed_with_the_code_of_another() {
    let (daemon, provider, _folder) = started();
    let (mut attacker, mut victim) = (Browser::default(), Browser::default());
    let location = |answer: &Response| answer.header("location").expect("a redirect").to_owned();
    let of_attacker = provider.log_in(&location(&attacker.get(&daemon, HOST, "/")));
    let of_victim = provider.log_in(&location(&victim.get(&daemon, HOST, "/")));
    let (code, _) = of_attacker.split_once("&state=").expect("a state");
    let (_, state) = of_victim.split_once("&state=").expect("a state");
    let mixed = format!("{code}&state={state}");
    let answer = victim.get(&daemon, HOST, path_of(&mixed, HOST));
    // The challenge of the login belongs to the verifier of the other one.
    assert_denied(&daemon, &answer, 401, "oidc_login_failed");
}

#[test]
fn login_has_to_be_completed_in_time() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let daemon = start(&folder(&oidc(&provider, ", csrfTokenTTL: 1s")), &authority);
    let mut browser = Browser::default();
    let asked = browser.get(&daemon, HOST, "/");
    let callback = provider.log_in(asked.header("location").expect("a redirect"));
    let began = now();
    eventually("the login is over", || (now() > began + 1).then_some(()));
    let answer = browser.get(&daemon, HOST, path_of(&callback, HOST));
    assert_denied(&daemon, &answer, 401, "oidc_unknown_login");
}

#[test]
fn provider_that_refuses_the_login_is_believed() {
    let (daemon, _provider, _folder) = started();
    let mut browser = Browser::default();
    let asked = browser.get(&daemon, HOST, "/");
    let location = asked.header("location").expect("a redirect");
    let state = location.split("state=").nth(1).expect("a state");
    let state = state.split('&').next().expect("a state");
    let path = format!("/oauth2/callback?error=access_denied&state={state}");
    let answer = browser.get(&daemon, HOST, &path);
    assert_denied(&daemon, &answer, 401, "oidc_login_failed");
}

#[test]
fn id_tokens_of_others_are_refused() {
    let (daemon, provider, _folder) = started();
    for claims in [
        json!({"nonce": "another login"}),
        json!({"nonce": null}),
        json!({"iss": "https://evil.example"}),
        json!({"aud": "another client"}),
        json!({"aud": ["another client"]}),
        json!({"aud": ["shop", "another client"], "azp": "another client"}),
        json!({"exp": now() - 100}),
        json!({"exp": null}),
        json!({"nbf": now() + 100}),
        json!({"sub": null}),
    ] {
        provider.change(|it| it.claims = claims.clone());
        let answer = Browser::default().log_in(&daemon, &provider, HOST, "/");
        assert_eq!(answer.status, 401, "{claims}");
        assert_denied(&daemon, &answer, 401, "oidc_invalid_tokens");
    }
    provider.change(|it| it.claims = json!({"aud": ["a", "shop"], "azp": "shop"}));
    let answer = Browser::default().log_in(&daemon, &provider, HOST, "/");
    assert_eq!(answer.status, 302, "several audiences");
    // Another key with the same id.
    provider.change(|it| it.signer = TokenIssuer::new("key-1"));
    let answer = Browser::default().log_in(&daemon, &provider, HOST, "/");
    assert_denied(&daemon, &answer, 401, "oidc_invalid_tokens");
}

#[test]
fn new_key_of_the_provider_is_fetched_during_a_login() {
    let (daemon, provider, _folder) = started();
    let before = provider.requests("/keys");
    provider.change(|it| {
        it.signer = TokenIssuer::new("key-2");
        it.published = jwks(&[&it.signer]);
    });
    assert_eq!(
        Browser::default()
            .log_in(&daemon, &provider, HOST, "/")
            .status,
        302
    );
    assert_eq!(
        Browser::default()
            .log_in(&daemon, &provider, HOST, "/")
            .status,
        302
    );
    assert_eq!(provider.requests("/keys"), before + 1);
    provider.change(|it| it.signer = TokenIssuer::new("key-3"));
    let answer = Browser::default().log_in(&daemon, &provider, HOST, "/");
    assert_denied(&daemon, &answer, 401, "oidc_invalid_tokens");
}

#[test]
fn session_of_another_route_s_policy_is_refused() {
    let (daemon, provider, folder) = started();
    folder.write("other-policy.yaml", policy("other", &oidc(&provider, "")));
    eventually("the other route has a policy", || {
        (daemon.get(OTHER, "/").status == 302).then_some(())
    });
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    assert_eq!(browser.get(&daemon, HOST, "/").status, 200);
    let mut renamed = Browser::default();
    renamed.get(&daemon, OTHER, "/");
    let login = renamed.cookies.keys().next().expect("a login's cookie");
    let suffix = login.rsplit('-').nth(1).expect("a suffix");
    let session = browser.cookies.values().next().expect("a session").clone();
    renamed
        .cookies
        .insert(format!("__Host-OauthSession-{suffix}"), session);
    let answer = renamed.get(&daemon, OTHER, "/");
    assert_eq!(
        answer.status, 302,
        "the same provider and client, another policy"
    );
}

#[test]
fn changed_session_is_none() {
    let (daemon, provider, _folder) = started();
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    let (name, value) = browser.cookies.pop_first().expect("a session");
    let middle = value.len() / 2;
    let other = if value.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    for changed in [
        String::new(),
        value[..middle].to_owned(),
        format!("{}{other}{}", &value[..middle], &value[middle + 1..]),
        format!("2{}", &value[1..]),
        format!("9{}", &value[1..]),
        "1".to_owned(),
        "x".repeat(3_000),
    ] {
        browser.cookies.insert(name.clone(), changed.clone());
        assert_eq!(
            browser.clone().get(&daemon, HOST, "/").status,
            302,
            "{changed}"
        );
    }
    browser.cookies.insert(name, value);
    assert_eq!(browser.get(&daemon, HOST, "/").status, 200);
}

#[test]
fn login_leads_back_only_to_the_host_that_was_asked_for() {
    let (daemon, provider, _folder) = started();
    for (path, leads_to) in [
        ("//evil.example/", "http://www.example.com/evil.example/"),
        (
            "/%2F%2Fevil.example",
            "http://www.example.com/%2F%2Fevil.example",
        ),
        ("/@evil.example", "http://www.example.com/@evil.example"),
        (
            "/?u=http://evil.example",
            "http://www.example.com/?u=http://evil.example",
        ),
    ] {
        let back = Browser::default().log_in(&daemon, &provider, HOST, path);
        assert_eq!(back.header("location"), Some(leads_to));
    }
    let long = format!("/page?{}", "x".repeat(3_000));
    let back = Browser::default().log_in(&daemon, &provider, HOST, &long);
    assert_eq!(back.header("location"), Some("http://www.example.com/page"));
}

#[test]
fn logs_show_no_code_and_no_token() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let more = ", forwardAccessToken: true, forwardIDToken: {header: X-Id-Token}";
    let folder = folder(&oidc(&provider, more));
    let format = "%REQ(:PATH)% %PATH% %QUERY_PARAM(code)% %QUERY_PARAMS% %REQ(COOKIE)% %REQ(AUTHORIZATION)% %REQ(X-ID-TOKEN)% %RESP(SET-COOKIE)% %RESP(LOCATION)% %RESPONSE_CODE_DETAILS%";
    let file = folder.path().join(".access.log");
    let daemon = super::trusting(&folder, &authority)
        .arg(format!("--access-log={format}"))
        .arg(format!("--access-log-file={}", file.display()))
        .arg("--log-level=debug")
        .start();
    super::wait_for_provider(&daemon);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/page?q=1");
    assert_eq!(browser.get(&daemon, HOST, "/page?q=1").status, 200);
    browser.get(&daemon, HOST, "/logout");
    provider.change(|it| {
        it.endpoint = EndpointBehavior::Answer("400 Bad Request", "{\"error\": \"x\"}".to_owned());
    });
    browser.log_in(&daemon, &provider, HOST, "/");
    let log = eventually("the last request is logged", || {
        let log = std::fs::read_to_string(&file).unwrap_or_default();
        let log = format!("{log}{}", daemon.log());
        log.contains("oidc_login_failed").then_some(log)
    });
    assert!(log.contains("/page?q=1"), "{log}");
    assert!(log.contains("(secret)"), "{log}");
    for secret in [
        "code%2F",
        "code/1",
        "access-",
        "refresh-",
        "eyJ",
        "the secret of the shop",
    ] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    let text = daemon
        .admin("/apis/gateway.envoyproxy.io/v1alpha1/securitypolicies")
        .text();
    assert!(!text.contains("the secret of the shop"), "{text}");
}
