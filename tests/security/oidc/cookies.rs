//! Names, attributes and sizes of cookies.

use super::{HOST, folder, oidc, start};
use crate::support::browser::{Browser, fields};
use crate::support::openid_provider::OpenIdProvider;
use crate::support::tls::Authority;
use serde_json::json;

#[test]
fn long_session_is_split_and_leaves_nothing_behind() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let long = "x".repeat(6_000);
    provider.change(|it| it.tokens = json!({"access_token": long}));
    let daemon = start(
        &folder(&oidc(&provider, ", forwardAccessToken: true")),
        &authority,
    );
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    assert_eq!(browser.cookies.len(), 3, "{:?}", browser.cookies.keys());
    let page = browser.get(&daemon, HOST, "/").json();
    assert_eq!(
        page["headers"]["Authorization"],
        json!([format!("Bearer {long}")])
    );
    let mut incomplete = browser.clone();
    incomplete.cookies.pop_last();
    assert_eq!(
        incomplete.get(&daemon, HOST, "/").status,
        302,
        "a part is missing"
    );
    // The session of the next login is shorter.
    provider.change(|it| it.tokens = json!({}));
    let (_, first) = browser.cookies.first_key_value().expect("a session");
    let broken = format!("{first}x");
    let name = browser.cookies.keys().next().expect("a session").clone();
    browser.cookies.insert(name, broken);
    browser.log_in(&daemon, &provider, HOST, "/");
    assert_eq!(browser.cookies.len(), 1, "{:?}", browser.cookies.keys());
}

#[test]
fn domain_and_same_site_are_those_of_the_policy() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let more = ", cookieDomain: example.com, cookieConfig: {sameSite: Strict}";
    let daemon = start(&folder(&oidc(&provider, more)), &authority);
    let mut browser = Browser::default();
    let asked = browser.get(&daemon, HOST, "/");
    let login = fields(&asked, "set-cookie").concat();
    assert!(login.starts_with("__Secure-OauthLogin-"), "{login}");
    assert!(
        login.ends_with("; SameSite=Lax; Domain=example.com"),
        "{login}"
    );
    let back = browser.log_in(&daemon, &provider, HOST, "/a?b='&c=d");
    // After a redirect that another site has begun, the browser would not send the session.
    assert_eq!((back.status, back.header("location")), (200, None));
    // The URL of the page has the code.
    assert_eq!(back.header("referrer-policy"), Some("no-referrer"));
    let page = back.text();
    let url = "http://www.example.com/a?b=&#39;&amp;c=d";
    assert!(page.contains(&format!("url={url}\"")), "{page}");
    let session = fields(&back, "set-cookie")[0];
    assert!(session.starts_with("__Secure-OauthSession-"), "{session}");
    assert!(
        session.ends_with("; SameSite=Strict; Domain=example.com"),
        "{session}"
    );
    assert_eq!(browser.get(&daemon, HOST, "/").status, 200);
}

#[test]
fn tokens_may_be_in_cookies_of_their_own() {
    let authority = Authority::new();
    let provider = OpenIdProvider::start(&authority);
    let more = ", disableTokenEncryption: true, cookieNames: {accessToken: Access, idToken: Id}";
    let daemon = start(&folder(&oidc(&provider, more)), &authority);
    let mut browser = Browser::default();
    browser.log_in(&daemon, &provider, HOST, "/");
    assert_eq!(browser.cookies["Access"], "access-1");
    assert!(browser.cookies["Id"].starts_with("eyJ"));
    let refresh = browser.cookies.values().any(|it| it.contains("refresh-"));
    assert!(!refresh, "the refresh token stays encrypted");
    assert_eq!(browser.get(&daemon, HOST, "/").status, 200);
    for name in ["Access", "Id"] {
        let mut forged = browser.clone();
        forged.cookies.insert(name.to_owned(), "forged".to_owned());
        assert_eq!(forged.get(&daemon, HOST, "/").status, 302, "{name}");
        forged.cookies.remove(name);
        assert_eq!(forged.get(&daemon, HOST, "/").status, 302, "{name}");
    }
    browser.get(&daemon, HOST, "/logout");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
}
