//! Sessions whose access token has expired.

use super::{HOST, answered, folder, oidc, start};
use crate::support::browser::{Browser, fields};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::openid_provider::{EndpointBehavior, OpenIdProvider};
use crate::support::tls::Authority;
use crate::support::tokens::now;
use serde_json::json;
use std::thread;

/// Starts a daemon and a provider whose access tokens are valid for a second, and logs a user in. Returns when the token has expired.
fn expired(
    more: &str,
) -> (
    Daemon,
    OpenIdProvider,
    Browser,
    crate::support::folder::Folder,
) {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    provider.change(|it| it.tokens = json!({"expires_in": 1}));
    let folder = folder(&oidc(&provider, more));
    let daemon = start(&folder, &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    let logged_in = now();
    eventually("the access token expires", || {
        (now() > logged_in + 1).then_some(())
    });
    provider.change(|it| it.tokens = json!({}));
    (daemon, provider, browser, folder)
}

#[test]
fn session_is_renewed_while_the_request_waits() {
    let (daemon, provider, mut browser, _folder) = expired(", forwardAccessToken: true");
    let before = browser.cookies.clone();
    let page = browser.get(&daemon, HOST, "/page");
    assert_eq!(page.status, 200, "{}", page.text());
    assert_eq!(
        page.json()["headers"]["Authorization"],
        json!(["Bearer access-2"])
    );
    assert_eq!(fields(&page, "cache-control"), ["no-store"]);
    assert_ne!(browser.cookies, before, "the browser has new cookies");
    let form = provider.forms().pop().expect("a form");
    assert_eq!(form["grant_type"], "refresh_token");
    assert_eq!(form["refresh_token"], "refresh-1");
    let page = browser.get(&daemon, HOST, "/page");
    assert_eq!(
        page.json()["headers"]["Authorization"],
        json!(["Bearer access-2"])
    );
    assert!(fields(&page, "set-cookie").is_empty());
    assert_eq!(provider.forms().len(), 2);
}

#[test]
fn concurrent_requests_of_a_browser_renew_its_session_once() {
    let (daemon, provider, browser, _folder) = expired("");
    thread::scope(|scope| {
        let requests = (0..16).map(|_| {
            let mut browser = browser.clone();
            let daemon = &daemon;
            scope.spawn(move || {
                let answer = browser.get(daemon, HOST, "/");
                (answer.status, fields(&answer, "set-cookie").len())
            })
        });
        let requests: Vec<_> = requests.collect();
        for request in requests {
            assert_eq!(request.join().expect("no panic"), (200, 1));
        }
    });
    // The provider accepts each refresh token once.
    assert_eq!(provider.forms().len(), 2, "one code and one refresh token");
    let mut late = browser.clone();
    assert_eq!(
        late.get(&daemon, HOST, "/").status,
        200,
        "a request with the former cookies"
    );
}

#[test]
fn session_that_can_not_be_renewed_leads_to_a_new_login() {
    let (daemon, provider, mut browser, _folder) =
        expired(", denyRedirect: {headers: [{name: X-Requested-With, value: XMLHttpRequest}]}");
    let refused = "{\"error\": \"invalid_grant\"}".to_owned();
    provider.change(|it| it.endpoint = EndpointBehavior::Answer("400 Bad Request", refused));
    let script = [("X-Requested-With", "XMLHttpRequest")];
    let denied = browser.clone().get_with(&daemon, HOST, "/", &script);
    assert_eq!(denied.status, 401, "a script isn't redirected");
    assert_eq!(denied.header("location"), None);
    eventually("the reason is counted", || {
        (answered(&daemon, "oidc_login_required") >= 1.0).then_some(())
    });
    provider.change(|it| it.endpoint = EndpointBehavior::Issue);
    provider.change(|it| it.claims = json!({"sub": "mallory"}));
    assert_eq!(
        browser.clone().get(&daemon, HOST, "/").status,
        302,
        "another user"
    );
    provider.change(|it| it.claims = json!({}));
    let back = browser.log_in(&daemon, &provider, HOST, "/again");
    assert_eq!(
        back.header("location"),
        Some("http://www.example.com/again")
    );
}

#[test]
fn without_refresh_tokens_users_log_in_again() {
    let (daemon, provider, mut browser, _folder) = expired(", refreshToken: false");
    assert_eq!(browser.get(&daemon, HOST, "/").status, 302);
    assert_eq!(provider.forms().len(), 1);
}

#[test]
fn renewed_session_reaches_the_browser_even_if_the_backend_does_not_answer() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    provider.change(|it| it.tokens = json!({"expires_in": 1}));
    let settings = format!(
        "{}\n  authorization: {{defaultAction: Deny, rules: [{{action: Allow, principal: {{clientCIDRs: [192.0.2.0/24]}}}}]}}",
        oidc(&provider, "")
    );
    let daemon = start(&folder(&settings), &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    let logged_in = now();
    eventually("the access token expires", || {
        (now() > logged_in + 1).then_some(())
    });
    let answer = browser.get(&daemon, HOST, "/");
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(
        fields(&answer, "set-cookie").len(),
        1,
        "the former refresh token is void"
    );
}
