//! Sessions and logins of a filter, without a provider.

use super::cookie_key::CookieOwner;
use super::cookies::{CookieSettings, LOGIN_SLOTS, SameSite};
use super::login::CompletedLogin;
use super::session::TokenStorage;
use super::token_endpoint::TokenResponse;
use super::*;
use crate::filter::scheme::Scheme;
use crate::filter::security::jwt::token_source::TokenSource;
use crate::issuer_fetch::{FetchLimits, IssuerPeers, IssuerPlace, PeerSecurity};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::LOCATION;
use proptest::prelude::*;
use std::collections::BTreeMap;
use token_endpoint::ClientAuthentication;

const NOW: u64 = 1_800_000_000;

fn filter(policy: &str, storage: TokenStorage) -> OidcFilter {
    let issuer = "https://idp.example";
    OidcFilter {
        policy: policy.into(),
        issuer: issuer.into(),
        client: ClientCredentials::new("shop", "a secret that is long enough"),
        provider: Arc::default(),
        scope: "openid".into(),
        resources: Vec::new(),
        redirect_url: RedirectUrl::default(),
        logout_path: "/logout".into(),
        cookies: OidcCookies::new(&CookieSettings {
            policy,
            access_token: Some("Access"),
            id_token: Some("Id"),
            domain: None,
            same_site: SameSite::Lax,
            storage,
        }),
        key: CookieKey::derive(
            b"a secret that is long enough",
            CookieOwner {
                policy,
                issuer,
                client_id: "shop",
            },
        ),
        lifetimes: OidcLifetimes {
            token: None,
            refresh_token: Duration::from_secs(1_000),
            login: Duration::from_secs(600),
        },
        renewal: Renewal::ByRefreshToken,
        forward_access_token: None,
        forward_id_token: None,
        deny_redirect: Vec::new(),
        pass_through: None,
    }
}

fn shop() -> OidcFilter {
    filter("default/shop", TokenStorage::Encrypted)
}

fn session(access_token: &str) -> OidcSession {
    OidcSession {
        access_token: access_token.to_owned(),
        id_token: "id".to_owned(),
        refresh_token: Some("refresh \"\\ é".to_owned()),
        expires: NOW + 60,
        id_token_expires: NOW + 30,
        refresh_expires: NOW + 600,
    }
}

fn provider() -> ProviderConfiguration {
    let uri: http::Uri = "https://idp.example/auth?prompt=login"
        .parse()
        .expect("a URL");
    let second = Duration::from_secs(1);
    ProviderConfiguration {
        authorization: uri.clone(),
        token: IssuerPlace {
            uri,
            peers: IssuerPeers::Host(PeerSecurity::Plain),
        },
        limits: FetchLimits {
            connect: second,
            total: second,
        },
        authentication: ClientAuthentication::Basic,
        end_session: None,
        keys: None,
    }
}

fn request<'r>(path: &'r str, query: Option<&'r str>, headers: &'r HeaderMap) -> OidcRequest<'r> {
    OidcRequest {
        origin: RequestOrigin {
            scheme: Scheme::Https,
            host: "www.example.com",
        },
        path,
        query,
        headers,
    }
}

/// Returns the request headers of a browser that has got these `Set-Cookie` fields.
fn browser<'f>(fields: impl IntoIterator<Item = &'f HeaderValue>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields {
        let text = field.to_str().expect("text");
        let (pair, _) = text.split_once(';').expect("attributes");
        headers.append(COOKIE, HeaderValue::from_str(pair).expect("a cookie"));
    }
    headers
}

fn cookies_of(filter: &OidcFilter, session: &OidcSession) -> Vec<HeaderValue> {
    let none = HeaderMap::new();
    let fields = filter.cookies.set_session(session, &filter.key, &none, NOW);
    fields.expect("a session that fits")
}

#[test]
fn session_passes_until_it_expires_and_is_renewed_until_its_refresh_token_does() {
    let filter = shop();
    let headers = browser(&cookies_of(&filter, &session("access")));
    let step = |now| filter.step(&request("/", None, &headers), now);
    assert!(matches!(step(NOW), OidcStep::Admit(it) if it == session("access")));
    assert!(matches!(step(NOW + 59), OidcStep::Admit(_)));
    assert!(matches!(step(NOW + 60), OidcStep::Renew(_)));
    assert!(matches!(step(NOW + 599), OidcStep::Renew(_)));
    assert!(matches!(step(NOW + 600), OidcStep::LogIn));
    let other = super::tests::filter("default/other", TokenStorage::Encrypted);
    let step = other.step(&request("/", None, &headers), NOW);
    assert!(matches!(step, OidcStep::LogIn), "another policy");
}

/// Returns an ID token without a signature.
fn id_token(nonce: &str, expires: u64) -> String {
    let claims = serde_json::json!({
        "iss": "https://idp.example",
        "aud": "shop",
        "sub": "alice",
        "exp": expires,
        "nonce": nonce,
    });
    unsigned(&claims)
}

fn unsigned(claims: &serde_json::Value) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg": "RS256"}"#);
    format!("{header}.{}.{}", encode(&claims.to_string()), encode("x"))
}

fn issued(id_token: Option<String>, refresh_token: Option<&str>) -> TokenResponse {
    TokenResponse {
        access_token: "access".to_owned(),
        id_token,
        refresh_token: refresh_token.map(str::to_owned),
        expires_in: Some(600),
    }
}

/// Returns the session of a new login. Its access token expires after 600 seconds.
fn first(filter: &OidcFilter, id_token_expires: u64, refresh_token: Option<&str>) -> OidcSession {
    let (state, headers) = begun(filter, &HeaderMap::new());
    let login = complete(filter, &format!("state={state}&code=1"), &headers, NOW);
    let login = login.expect("a login").login;
    let tokens = issued(
        Some(id_token(&login.nonce, id_token_expires)),
        refresh_token,
    );
    let session = filter.first_session(&tokens, &login, None, NOW);
    session.expect("a session")
}

#[test]
fn session_that_can_be_renewed_ends_with_its_id_token() {
    let filter = shop();
    let token = Some("refresh");
    let before = first(&filter, NOW + 300, token);
    assert_eq!(before.expires, NOW + 300);
    assert_eq!(first(&filter, NOW + 900, token).expires, NOW + 600);
    assert_eq!(first(&filter, NOW + 300, None).expires, NOW + 600);
    let slow = first(&filter, NOW - 1, token);
    assert_eq!(slow.expires, NOW + 600, "the provider's clock is behind");
    let never = OidcFilter {
        renewal: Renewal::Never,
        ..shop()
    };
    assert_eq!(first(&never, NOW + 300, token).expires, NOW + 600);
    let renewed = |id_token, now| {
        let session = filter.renewed_session(&issued(id_token, None), &before, None, now);
        session.expect("a session").expires
    };
    let later = NOW + 300;
    assert_eq!(renewed(Some(id_token("", later + 300)), later), later + 300);
    assert_eq!(renewed(Some(id_token("", later + 900)), later), later + 600);
    assert_eq!(renewed(None, later), later + 600, "no new ID token");
}

#[test]
fn refresh_token_says_when_it_expires() {
    for (expires, expected) in [(NOW + 5, NOW + 5), (0, NOW + 1_000)] {
        let token = unsigned(&serde_json::json!({ "exp": expires }));
        let session = first(&shop(), NOW + 300, Some(&token));
        assert_eq!(session.refresh_expires, expected);
    }
}

#[test]
fn expired_id_token_is_no_longer_forwarded() {
    let filter = shop();
    let session = session("access");
    let shown = |now| {
        let mut headers = browser(&cookies_of(&filter, &session));
        filter.change_request(Some(&session), now, &mut headers);
        let value = headers.get(COOKIE).expect("cookies");
        value.to_str().expect("text").to_owned()
    };
    assert_eq!(shown(NOW), "Access=access; Id=id");
    assert_eq!(shown(NOW + 30), "Access=access");
}

#[test]
fn plain_tokens_must_be_those_of_the_session() {
    let filter = filter("default/shop", TokenStorage::Plain);
    let first = cookies_of(&filter, &session("first"));
    let second = cookies_of(&filter, &session("second"));
    let step = |headers: &HeaderMap| filter.step(&request("/", None, headers), NOW);
    assert!(matches!(step(&browser(&first)), OidcStep::Admit(_)));
    let mixed = browser([&first[0], &second[1], &first[2]]);
    assert!(
        matches!(step(&mixed), OidcStep::LogIn),
        "the token of another session"
    );
    assert!(matches!(step(&browser(&first[..2])), OidcStep::LogIn));
}

/// Begins a login. Returns its state, and what the browser sends with the next request.
fn begun(filter: &OidcFilter, headers: &HeaderMap) -> (String, HeaderMap) {
    let asked = request("/page", Some("a=b"), headers);
    let answer = filter.begin_login(&asked, &provider(), NOW);
    let answer = answer.expect("an answer");
    let location = answer.headers[LOCATION].to_str().expect("text");
    let (start, query) = location.split_once("&response_type").expect("parameters");
    assert_eq!(start, "https://idp.example/auth?prompt=login");
    let state = query.split("&state=").nth(1).expect("a state");
    let state = state.split('&').next().expect("a state");
    (
        state.to_owned(),
        browser(answer.headers.get_all(SET_COOKIE)),
    )
}

fn complete(
    filter: &OidcFilter,
    query: &str,
    headers: &HeaderMap,
    now: u64,
) -> Result<CompletedLogin, OidcOutcome> {
    filter.complete_login(&request("/oauth2/callback", Some(query), headers), now)
}

#[test]
fn login_is_completed_once_in_time_at_its_host_by_its_state() {
    let filter = shop();
    let none = HeaderMap::new();
    let (state, headers) = begun(&filter, &none);
    let back = format!("state={state}&code=1");
    let complete = |query: &str, headers: &HeaderMap, now| complete(&filter, query, headers, now);
    let completed = complete(&back, &headers, NOW + 599).expect("a login");
    assert_eq!(completed.code, "1");
    assert_eq!(completed.login.asked, "https://www.example.com/page?a=b");
    let failed = |query: &str, headers: &HeaderMap, now| complete(query, headers, now).err();
    let unknown = Some(OidcOutcome::UnknownLogin);
    assert_eq!(failed(&back, &headers, NOW + 600), unknown, "too late");
    assert_eq!(failed(&back, &none, NOW), unknown, "another browser");
    assert_eq!(failed("code=1", &headers, NOW), unknown);
    assert_eq!(failed(&format!("{back}&code=2"), &headers, NOW), unknown);
    let other = format!("state={}A&code=1", &state[..state.len() - 1]);
    assert_eq!(failed(&other, &headers, NOW), unknown, "another state");
    let denied = format!("state={state}&error=access_denied");
    assert_eq!(
        failed(&denied, &headers, NOW),
        Some(OidcOutcome::LoginFailed)
    );
    let elsewhere = OidcRequest {
        origin: RequestOrigin {
            scheme: Scheme::Https,
            host: "other.example.com",
        },
        ..request("/oauth2/callback", Some(&back), &headers)
    };
    assert_eq!(
        filter.complete_login(&elsewhere, NOW).err(),
        unknown,
        "another host"
    );
}

#[test]
fn concurrent_logins_have_a_cookie_each_and_a_further_one_replaces_one_of_them() {
    let filter = shop();
    let mut cookies = BTreeMap::new();
    for number in 1..=LOGIN_SLOTS + 2 {
        let (_, set) = begun(&filter, &browser(cookies.values()));
        let pair = set[COOKIE].to_str().expect("text");
        let (name, _) = pair.split_once('=').expect("a name");
        let field = HeaderValue::try_from(format!("{pair}; Path=/"));
        cookies.insert(name.to_owned(), field.expect("a field"));
        assert_eq!(cookies.len(), number.min(LOGIN_SLOTS));
    }
}

#[test]
fn header_with_a_token_for_jwt_passes_and_forged_ones_are_removed() {
    let mut filter = shop();
    let name = HeaderName::from_static("x-token");
    let source = TokenSource::Header {
        name,
        prefix: "".into(),
    };
    filter.pass_through = Some(TokenSources::new(vec![source]));
    filter.forward_access_token = ForwardHeader::new(AUTHORIZATION).ok();
    let mut headers = HeaderMap::new();
    let sent = [
        ("x-token", "a"),
        ("authorization", "Bearer forged"),
        ("cookie", "Id=forged"),
    ];
    for (name, value) in sent {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let step = filter.step(&request("/", None, &headers), NOW);
    assert!(matches!(step, OidcStep::PassThrough));
    filter.change_request(None, NOW, &mut headers);
    let names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-token"]);
}

#[test]
fn nothing_secret_is_printed() {
    let filter = shop();
    let (state, headers) = begun(&filter, &HeaderMap::new());
    let query = format!("state={state}&code=the-code");
    let back = request("/oauth2/callback", Some(&query), &headers);
    let completed = filter.complete_login(&back, NOW).expect("a login");
    let text = format!(
        "{filter:?} {filter} {:?} {back:?} {completed:?}",
        session("access")
    );
    let cookie = headers[COOKIE].to_str().expect("text");
    for secret in [
        "a secret",
        "access\"",
        "refresh \"",
        "\"id\"",
        "the-code",
        &state,
        cookie,
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

proptest! {
    #[test]
    fn session_of_any_length_that_fits_comes_back_as_it_was(length in 1_usize..10_000) {
        let filter = shop();
        let before = session(&"x".repeat(length));
        let fields = cookies_of(&filter, &before);
        for field in &fields {
            let (pair, _) = field.to_str().expect("text").split_once(';').expect("attributes");
            prop_assert!(pair.len() <= 4_096);
        }
        let headers = browser(&fields);
        let step = filter.step(&request("/", None, &headers), NOW);
        prop_assert!(matches!(step, OidcStep::Admit(after) if after == before));
    }

    #[test]
    fn no_cookies_of_a_client_are_a_session(text in "[ -~]{0,200}") {
        let filter = shop();
        let mut headers = browser(&cookies_of(&filter, &session("access")));
        let field = headers[COOKIE].to_str().expect("text").to_owned();
        let (name, _) = field.split_once('=').expect("a name");
        headers.insert(COOKIE, HeaderValue::from_str(&format!("{name}={text}")).expect("a cookie"));
        let step = filter.step(&request("/", None, &headers), NOW);
        prop_assert!(matches!(step, OidcStep::LogIn));
    }
}
