//! Logins: from the redirect to the provider to the callback (OpenID Connect Core 1.0, section 3.1; RFC 7636).
//!
//! In: a request without a session; later, the request that comes back from the provider. Out: the redirect; later, the code and what
//! the login began with. The state of a login is in a cookie of the browser, so only this browser can complete it.

use super::answer::redirect_to;
use super::cookie_key::CookieContent;
use super::cookies::LOGIN_SLOTS;
use super::outcome::OidcOutcome;
use super::provider::ProviderConfiguration;
use super::redirect_url::RequestOrigin;
use super::{OidcFilter, OidcRequest};
use crate::filter::answer::FilterAnswer;
use crate::filter::scheme::Scheme;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use http::HeaderMap;
use http::header::SET_COOKIE;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

/// The maximum length of a path with its query that a login leads back to. A longer one loses its query, or leads to the root.
const MAX_TARGET: usize = 1_024;

/// How often a state is drawn. At least one in ten fits each cookie, so that all these draws miss is as likely as one in a million millions.
const MAX_DRAWS: usize = 256;

/// A login that has begun. The browser keeps it, encrypted, until it comes back.
#[derive(Serialize, Deserialize)]
pub struct Login {
    /// Identifies the login at the callback (`state`).
    #[serde(rename = "s")]
    state: String,
    /// Identifies the login in the ID token.
    #[serde(rename = "n")]
    pub nonce: String,
    /// Proves to the token endpoint that this is the client that has begun the login.
    #[serde(rename = "v")]
    pub verifier: String,
    /// The URL of the callback.
    #[serde(rename = "r")]
    pub redirect_uri: String,
    /// The URL that the browser has asked for.
    #[serde(rename = "u")]
    pub asked: String,
    /// When it is too late to come back, in seconds since 1970.
    #[serde(rename = "e")]
    expires: u64,
}

impl Login {
    /// Returns the number of its cookie.
    pub(super) fn slot(&self) -> Option<usize> {
        slot(&self.state)
    }
}

/// A login that the provider has completed.
pub struct CompletedLogin {
    /// What it began with.
    pub login: Login,
    /// The code for the tokens.
    pub code: String,
}

impl OidcFilter {
    /// Begins a login. `None` if the system has no random numbers.
    pub fn begin_login(
        &self,
        request: &OidcRequest<'_>,
        provider: &ProviderConfiguration,
        now: u64,
    ) -> Option<FilterAnswer> {
        let lifetime = self.lifetimes.login.as_secs();
        let login = Login {
            state: self.free_state(request.headers)?,
            nonce: random_text()?,
            verifier: random_text()?,
            redirect_uri: self.redirect_url.of(&request.origin),
            asked: asked(request),
            expires: now.saturating_add(lifetime),
        };
        let content = serde_json::to_vec(&login).ok()?;
        let sealed = self.key.seal(CookieContent::Login, &content)?;
        let cookie = self.cookies.set_login(login.slot()?, &sealed, lifetime)?;
        let location = self.authorization_url(&login, &provider.authorization.to_string());
        let mut answer = redirect_to(&location, OidcOutcome::LoginRedirect)?;
        answer.headers.append(SET_COOKIE, cookie);
        Some(answer)
    }

    /// Draws the state of a login whose cookie the browser doesn't have yet, so that its other logins go on. If it has all of them, the
    /// login replaces one.
    fn free_state(&self, headers: &HeaderMap) -> Option<String> {
        let is_free = |slot: usize| self.cookies.login(headers, slot).is_none();
        let free: Vec<bool> = (0..LOGIN_SLOTS).map(is_free).collect();
        let draws = if free.contains(&true) { MAX_DRAWS } else { 1 };
        let mut state = None;
        for _ in 0..draws {
            let drawn = random_text()?;
            let is_free = slot(&drawn).and_then(|slot| free.get(slot)) == Some(&true);
            state = Some(drawn);
            if is_free {
                break;
            }
        }
        state
    }

    fn authorization_url(&self, login: &Login, endpoint: &str) -> String {
        let challenge = digest(&SHA256, login.verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(challenge);
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client.id)
            .append_pair("redirect_uri", &login.redirect_uri)
            .append_pair("scope", &self.scope)
            .append_pair("state", &login.state)
            .append_pair("nonce", &login.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        for resource in &self.resources {
            query.append_pair("resource", resource);
        }
        with_query(endpoint, &query.finish())
    }

    /// Reads the request that comes back from the provider.
    ///
    /// # Errors
    /// If this browser hasn't begun the login here, or the provider refuses it.
    pub fn complete_login(
        &self,
        request: &OidcRequest<'_>,
        now: u64,
    ) -> Result<CompletedLogin, OidcOutcome> {
        let unknown = OidcOutcome::UnknownLogin;
        let [state, code, error] = parameters(request.query, ["state", "code", "error"])?;
        let state = state.ok_or(unknown)?;
        let slot = slot(&state).ok_or(unknown)?;
        let cookie = self.cookies.login(request.headers, slot).ok_or(unknown)?;
        let content = self.key.open(CookieContent::Login, cookie).ok_or(unknown)?;
        let login: Login = serde_json::from_slice(&content).map_err(|_| unknown)?;
        let is_same: bool = login.state.as_bytes().ct_eq(state.as_bytes()).into();
        // A login that began at another host would end there.
        let is_here = login.redirect_uri == self.redirect_url.of(&request.origin);
        if !is_same || !is_here || login.expires <= now {
            return Err(unknown);
        }
        match (code, error) {
            (Some(code), None) if !code.is_empty() => Ok(CompletedLogin { login, code }),
            _ => Err(OidcOutcome::LoginFailed),
        }
    }
}

/// Returns the values of parameters in a query.
///
/// # Errors
/// If one of them is there twice (RFC 6749, section 3.1).
fn parameters<const COUNT: usize>(
    query: Option<&str>,
    names: [&str; COUNT],
) -> Result<[Option<String>; COUNT], OidcOutcome> {
    let mut values = names.map(|_| None);
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let known = names.iter().zip(&mut values);
        if let Some((_, place)) = known.into_iter().find(|(known, _)| **known == name)
            && place.replace(value.into_owned()).is_some()
        {
            return Err(OidcOutcome::UnknownLogin);
        }
    }
    Ok(values)
}

/// Returns the URL that a request asks for. Its scheme and host are those that it was routed by, so the login can't lead elsewhere.
fn asked(request: &OidcRequest<'_>) -> String {
    let path = request.path;
    let whole = match request.query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let fits = |target: &&str| target.len() <= MAX_TARGET;
    let target = [&*whole, path].into_iter().find(fits).unwrap_or("/");
    let RequestOrigin { scheme, host } = &request.origin;
    format!("{}://{host}{target}", Scheme::as_str(*scheme))
}

/// Returns a number for the cookie of a login, by the first character of its state.
fn slot(state: &str) -> Option<usize> {
    let first = state.as_bytes().first()?;
    Some(usize::from(*first) % LOGIN_SLOTS)
}

/// Adds parameters to a URL, which may have some.
pub(super) fn with_query(url: &str, parameters: &str) -> String {
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{url}{separator}{parameters}")
}

/// Returns 256 random bits in Base64url: 43 characters, as many as a verifier needs (RFC 7636, section 4.1).
fn random_text() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

/// Never prints its secrets.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Never prints the code.
impl fmt::Debug for CompletedLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletedLogin")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
