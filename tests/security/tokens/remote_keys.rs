//! Keys that are fetched, and servers of keys that misbehave.

use super::{HOST, OTHER, denied, folder, policy, status};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::key_server::{KeyServer, KeyServerBehavior};
use crate::support::manifests::route;
use crate::support::tokens::{TokenIssuer, jwks};
use serde_json::json;
use std::time::{Duration, Instant};

/// `jwt` with one provider whose keys are at a URL, with these further fields of `remoteJWKS`.
fn remote(url: &str, more: &str) -> String {
    format!("jwt: {{providers: [{{name: idp, remoteJWKS: {{uri: '{url}'{more}}}}}]}}")
}

fn keys(issuers: &[&TokenIssuer]) -> KeyServerBehavior {
    KeyServerBehavior::Body(jwks(issuers))
}

/// Waits until a token is answered with this status.
#[track_caller]
fn wait_for(daemon: &Daemon, token: &str, expected: u16) {
    eventually(&format!("a token is answered {expected}"), || {
        (status(daemon, token) == expected).then_some(())
    });
}

fn successes(daemon: &Daemon) -> f64 {
    daemon.metric("gatefold_jwks_fetches_total{result=\"success\"}")
}

fn failures(daemon: &Daemon) -> f64 {
    daemon.metric("gatefold_jwks_fetches_total{result=\"failure\"}")
}

#[test]
fn keys_are_fetched_once_for_all_policies_and_survive_reloads() {
    let issuer = TokenIssuer::new("key-1");
    let server = KeyServer::start(keys(&[&issuer]));
    let folder = folder(&remote(&server.url(), ""));
    let other = policy("other", "HTTPRoute", &remote(&server.url(), ""));
    folder.write("other-policy.yaml", other);
    let daemon = Daemon::of(&folder).echo().start();
    let token = issuer.token(&json!({}));
    wait_for(&daemon, &token, 200);
    // Reloads with another route, and with a changed policy.
    server.change(KeyServerBehavior::Silent);
    folder.write("third.yaml", route("third", "third.example.com"));
    eventually("the third route is served", || {
        let answer = daemon.try_get("third.example.com", "/").ok()?;
        (answer.status != 404).then_some(())
    });
    assert_eq!(status(&daemon, &token), 200);
    let more = remote(&server.url(), "").replace("name: idp", "name: idp, issuer: x");
    folder.write("policy.yaml", policy("shop", "HTTPRoute", &more));
    let of_x = issuer.token(&json!({"iss": "x"}));
    wait_for(&daemon, &token, 401);
    assert_eq!(status(&daemon, &of_x), 200);
    assert_eq!(server.requests(), 1);
    assert_eq!((successes(&daemon), failures(&daemon)), (1.0, 0.0));
}

#[test]
fn without_keys_requests_are_denied_and_reloads_are_not_delayed() {
    let issuer = TokenIssuer::new("key-1");
    let server = KeyServer::start(KeyServerBehavior::Silent);
    let timeout = ", backendSettings: {timeout: {http: {requestTimeout: 1s}}}";
    let folder = folder(&remote(&server.url(), timeout));
    let daemon = Daemon::of(&folder).echo().start();
    eventually("the keys are asked for", || {
        (server.requests() > 0).then_some(())
    });
    let token = issuer.token(&json!({}));
    let began = Instant::now();
    assert_eq!(status(&daemon, &token), 401);
    assert_eq!(daemon.get(HOST, "/").status, 401);
    folder.write("other-route.yaml", route("other", "renamed.example.com"));
    daemon.wait_for_status("renamed.example.com", "/", 200);
    assert!(
        began.elapsed() < Duration::from_millis(900),
        "nothing waited for the keys"
    );
    eventually("the reason is counted", || {
        (denied(&daemon, "jwks_unavailable") >= 1.0).then_some(())
    });
    let found = daemon.wait_for_diagnostic("GF0560");
    assert_eq!(found["severity"], "warning");
    let message = found["message"].as_str().expect("a message");
    assert!(
        message.ends_with("the server took longer than 1s"),
        "{message}"
    );
    assert!(daemon.log().contains("GF0560"), "{}", daemon.log());
    server.change(keys(&[&issuer]));
    wait_for(&daemon, &token, 200);
    daemon.wait_for_summary("the diagnostic disappears", |status| {
        let all = status["diagnostics"].as_array()?;
        all.iter().all(|one| one["code"] != "GF0560").then_some(())
    });
}

#[test]
fn keys_of_100_mb_are_not_read() {
    let server = KeyServer::start(KeyServerBehavior::Huge);
    let daemon = Daemon::of(&folder(&remote(&server.url(), "")))
        .echo()
        .start();
    let found = daemon.wait_for_diagnostic("GF0560");
    let message = found["message"].as_str().expect("a message");
    assert!(message.contains("more than 1048576 bytes"), "{message}");
    eventually("the connection is closed", || {
        (server.sent() > 0).then_some(())
    });
    // What the sockets buffer comes on top.
    assert!(
        server.sent() < 50_000_000,
        "{} bytes were read",
        server.sent()
    );
    assert!(daemon.memory() < 200, "{} MiB", daemon.memory());
    let token = TokenIssuer::new("key-1").token(&json!({}));
    assert_eq!(status(&daemon, &token), 401);
    assert_eq!(daemon.get(OTHER, "/").status, 200, "another route");
}

#[test]
fn the_last_good_keys_stay_in_force_whatever_the_server_answers() {
    let issuer = TokenIssuer::new("key-1");
    let server = KeyServer::start(keys(&[&issuer]));
    let elsewhere = KeyServer::start(keys(&[&TokenIssuer::new("key-1")]));
    let more = ", cacheDuration: 1s, failedRefetchDuration: 1s, backendSettings: {timeout: {http: {requestTimeout: 1s}}}";
    let daemon = Daemon::of(&folder(&remote(&server.url(), more)))
        .echo()
        .start();
    let token = issuer.token(&json!({}));
    wait_for(&daemon, &token, 200);
    let location = format!("Location: {}\r\n", elsewhere.url());
    for (behavior, why) in [
        (KeyServerBehavior::Body("<html>".to_owned()), "isn't JSON"),
        (KeyServerBehavior::Body("{}".to_owned()), "list `keys`"),
        (
            KeyServerBehavior::Body(r#"{"keys": []}"#.to_owned()),
            "no key",
        ),
        (
            KeyServerBehavior::Status("302 Found", location),
            "redirects aren't followed",
        ),
        (
            KeyServerBehavior::Status("404 Not Found", String::new()),
            "404",
        ),
        (KeyServerBehavior::Slow, "longer than 1s"),
    ] {
        server.change(behavior.clone());
        daemon.wait_for_summary(&format!("{behavior:?} is reported"), |status| {
            let all = status["diagnostics"].as_array()?;
            let found = all.iter().find(|one| one["code"] == "GF0560")?;
            found["message"].as_str()?.contains(why).then_some(())
        });
        assert_eq!(status(&daemon, &token), 200, "{behavior:?}");
    }
    assert_eq!(elsewhere.requests(), 0, "redirects aren't followed");
}

#[test]
fn a_key_that_can_not_be_used_is_reported_and_the_others_are_used() {
    let issuer = TokenIssuer::new("key-1");
    let jwks =
        json!({"keys": [{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}, issuer.jwk()]});
    let server = KeyServer::start(KeyServerBehavior::Body(jwks.to_string()));
    let daemon = Daemon::of(&folder(&remote(&server.url(), "")))
        .echo()
        .start();
    wait_for(&daemon, &issuer.token(&json!({})), 200);
    let found = daemon.wait_for_diagnostic("GF0561");
    let message = found["message"].as_str().expect("a message");
    assert!(
        message.contains("`keys[0]`: the curve `secp256k1`"),
        "{message}"
    );
}

#[test]
fn keys_are_no_longer_fetched_when_no_policy_names_them() {
    let issuer = TokenIssuer::new("key-1");
    let server = KeyServer::start(keys(&[&issuer]));
    let folder = folder(&remote(&server.url(), ", cacheDuration: 1s"));
    let daemon = Daemon::of(&folder).echo().start();
    eventually("the keys are fetched again", || {
        (server.requests() > 1).then_some(())
    });
    folder.remove("policy.yaml");
    daemon.wait_for_status(HOST, "/", 200);
    let before = server.requests();
    // Another server that is fetched as often shows that the time has passed.
    let clock = KeyServer::start(keys(&[&issuer]));
    let more = remote(&clock.url(), ", cacheDuration: 1s");
    folder.write("policy.yaml", policy("shop", "HTTPRoute", &more));
    eventually("two seconds have passed", || {
        (clock.requests() > 2).then_some(())
    });
    assert!(
        server.requests() <= before + 1,
        "a fetch may have been under way"
    );
}
