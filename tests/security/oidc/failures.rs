//! Providers that are down, slow, or misbehave.

use super::{HOST, OTHER, answered, folder, oidc, start, trusting, wait_for_provider};
use crate::support::browser::Browser;
use crate::support::eventually;
use crate::support::manifests::route;
use crate::support::openid_provider::{EndpointBehavior, OpenIdProvider};
use crate::support::tls::Authority;
use serde_json::json;
use std::time::{Duration, Instant};

const SECOND: &str = ", backendSettings: {timeout: {http: {requestTimeout: 1s}}}";

/// `oidc` whose requests to the provider take a second at most.
fn impatient(provider: &OpenIdProvider) -> String {
    let settings = oidc(provider, "");
    let issuer = format!("issuer: '{}'", provider.issuer());
    settings.replace(&issuer, &format!("{issuer}{SECOND}"))
}

#[test]
fn without_a_provider_requests_are_refused_and_reloads_are_not_delayed() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let wrong = json!({"issuer": "https://other.example"});
    provider.change(|it| it.configuration = wrong);
    let folder = folder(&oidc(&provider, ""));
    let daemon = trusting(&folder, &authority).start();
    let answer = daemon.get(HOST, "/");
    assert_eq!(answer.status, 503, "{}", answer.text());
    eventually("the reason is counted", || {
        (answered(&daemon, "oidc_provider_unavailable") >= 1.0).then_some(())
    });
    let found = daemon.wait_for_diagnostic("GF0575");
    assert_eq!(found["severity"], "warning");
    let message = found["message"].as_str().expect("a message");
    assert!(
        message.contains("its issuer is `https://other.example`"),
        "{message}"
    );
    let began = Instant::now();
    folder.write("other-route.yaml", route("other", "renamed.example.com"));
    daemon.wait_for_status("renamed.example.com", "/", 200);
    assert!(began.elapsed() < Duration::from_secs(5), "nothing waited");
    provider.change(|it| it.configuration = json!({}));
    wait_for_provider(&daemon);
    daemon.wait_for_summary("the diagnostic disappears", |status| {
        let all = status["diagnostics"].as_array()?;
        all.iter().all(|one| one["code"] != "GF0575").then_some(())
    });
    assert!(daemon.metric("gatefold_oidc_provider_fetches_total{result=\"failure\"}") >= 1.0);
}

#[test]
fn provider_without_a_trusted_certificate_is_not_asked() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = folder(&oidc(&provider, ""));
    let daemon = trusting(&folder, &Authority::new()).start();
    let found = daemon.wait_for_diagnostic("GF0575");
    let message = found["message"].as_str().expect("a message");
    assert!(message.contains("TLS handshake"), "{message}");
    assert_eq!(daemon.get(HOST, "/").status, 503);
}

#[test]
fn token_endpoint_that_fails_denies_the_login() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let folder = folder(&impatient(&provider));
    let daemon = start(&folder, &authority);
    let answer = |status, body: &str| EndpointBehavior::Answer(status, body.to_owned());
    let unavailable = "oidc_provider_unavailable";
    for (endpoint, status, reason) in [
        (EndpointBehavior::Hang, 503, unavailable),
        (EndpointBehavior::Huge, 503, unavailable),
        (answer("500 Internal Server Error", ""), 503, unavailable),
        (
            answer("302 Found\r\nLocation: /elsewhere", ""),
            503,
            unavailable,
        ),
        (
            answer("400 Bad Request", "{\"error\": \"invalid_grant\"}"),
            401,
            "oidc_login_failed",
        ),
        (answer("200 OK", "<html>"), 401, "oidc_invalid_tokens"),
        (answer("200 OK", "{}"), 401, "oidc_invalid_tokens"),
    ] {
        provider.change(|it| it.endpoint = endpoint.clone());
        let began = Instant::now();
        let mut browser = Browser::default();
        let answer = browser.log_in(&daemon, &provider, HOST, "/");
        assert_eq!(answer.status, status, "{endpoint:?}: {}", answer.text());
        assert!(began.elapsed() < Duration::from_secs(5), "{endpoint:?}");
        let name = "X-Reason";
        assert_eq!(answer.header(name), None, "no such header is wanted");
        eventually(reason, || (answered(&daemon, reason) >= 1.0).then_some(()));
        assert_eq!(
            browser.get(&daemon, HOST, "/").status,
            302,
            "{endpoint:?}: not logged in"
        );
        assert_eq!(
            daemon.get(OTHER, "/").status,
            200,
            "{endpoint:?}: another route"
        );
    }
    assert!(daemon.memory() < 200, "{} MiB", daemon.memory());
    assert_eq!(provider.requests("/elsewhere"), 0);
}

#[test]
fn tokens_that_can_not_be_kept_are_refused() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let daemon = start(&folder(&oidc(&provider, "")), &authority);
    for (tokens, status, reason) in [
        (
            json!({"access_token": "x".repeat(15_000)}),
            500,
            "oidc_session_too_large",
        ),
        (json!({"access_token": "a;b=c"}), 401, "oidc_invalid_tokens"),
        (
            json!({"access_token": "a\r\nb"}),
            401,
            "oidc_invalid_tokens",
        ),
        (json!({"access_token": null}), 401, "oidc_invalid_tokens"),
        (json!({"id_token": null}), 401, "oidc_invalid_tokens"),
        (json!({"token_type": "mac"}), 401, "oidc_invalid_tokens"),
        (json!({"expires_in": null}), 401, "oidc_invalid_tokens"),
    ] {
        provider.change(|it| it.tokens = tokens.clone());
        let answer = Browser::default().log_in(&daemon, &provider, HOST, "/");
        let tokens = tokens.to_string();
        let shown = &tokens[..tokens.len().min(40)];
        assert_eq!(answer.status, status, "{shown}: {}", answer.text());
        eventually(reason, || (answered(&daemon, reason) >= 1.0).then_some(()));
    }
}
