//! `oidc`: logins at an OpenID provider (API: `SecurityPolicySpec.oidc`).
//!
//! In: a request, and what is known of the provider. Out: that the request passes with the tokens of its user, or what has to be done
//! before: a login, the exchange of a code or a refresh token, a logout. Nothing here sends requests. The state of users is in
//! their browsers' cookies, encrypted by [`cookie_key`].

mod answer;
pub mod cookie_key;
pub mod cookies;
pub mod header_match;
pub mod id_token;
pub mod issued;
pub mod login;
pub mod outcome;
pub mod provider;
pub mod redirect_url;
pub mod session;
pub mod token_endpoint;

use super::forward_header::ForwardHeader;
use super::jwt::token_source::TokenSources;
use crate::filter::answer::FilterAnswer;
use crate::filter::header_modifier::Headers;
use answer::{page_leading_to, redirect_to};
use cookie_key::CookieKey;
use cookies::OidcCookies;
use form_urlencoded::Serializer;
use header_match::HeaderMatch;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use login::Login;
use outcome::OidcOutcome;
use provider::{ProviderConfiguration, RemoteProvider};
use redirect_url::{RedirectUrl, RequestOrigin};
use session::OidcSession;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use token_endpoint::ClientCredentials;

/// `oidc`: users must log in at a provider.
#[derive(Debug)]
pub struct OidcFilter {
    /// `namespace/name` of the policy.
    pub policy: Box<str>,
    /// The issuer.
    pub issuer: Box<str>,
    /// The credentials of the client.
    pub client: ClientCredentials,
    /// The provider.
    pub provider: Arc<RemoteProvider>,
    /// The scopes that logins ask for, separated by spaces.
    pub scope: Box<str>,
    /// The resources that logins ask for (RFC 8707).
    pub resources: Vec<Box<str>>,
    /// The URL of the callback.
    pub redirect_url: RedirectUrl,
    /// The path that logs users out.
    pub logout_path: Box<str>,
    /// The cookies.
    pub cookies: OidcCookies,
    /// The key of the cookies.
    pub key: CookieKey,
    /// How long tokens and logins are valid.
    pub lifetimes: OidcLifetimes,
    /// Whether sessions are renewed.
    pub renewal: Renewal,
    /// Whether backends get the access token in `Authorization`. `None` if they don't.
    pub forward_access_token: Option<ForwardHeader>,
    /// The header in which backends get the ID token.
    pub forward_id_token: Option<ForwardHeader>,
    /// Requests that aren't redirected to the provider.
    pub deny_redirect: Vec<HeaderMatch>,
    /// Requests with such a token aren't concerned: the `jwt` filter of the same policy verifies the token.
    pub pass_through: Option<TokenSources>,
}

/// How long tokens and logins are valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OidcLifetimes {
    /// An access token, if the provider doesn't say. `None` if it must.
    pub token: Option<Duration>,
    /// A refresh token that isn't a JSON Web Token with an expiry.
    pub refresh_token: Duration,
    /// A login, from its beginning to the callback.
    pub login: Duration,
}

/// Whether sessions whose access token has expired are renewed with their refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// They are.
    ByRefreshToken,
    /// Users must log in again. Refresh tokens aren't kept.
    Never,
}

/// A request, as the filter sees it.
#[derive(Clone)]
pub struct OidcRequest<'r> {
    /// The scheme and the host.
    pub origin: RequestOrigin<'r>,
    /// The path, in normal form.
    pub path: &'r str,
    /// The query.
    pub query: Option<&'r str>,
    /// The headers.
    pub headers: &'r HeaderMap,
}

/// What has to be done with a request.
#[derive(Debug)]
pub enum OidcStep {
    /// It passes without a session, since the `jwt` filter verifies its token.
    PassThrough,
    /// It passes with its session.
    Admit(OidcSession),
    /// It passes if its session can be renewed. Otherwise, its user must log in.
    Renew(OidcSession),
    /// It comes back from the provider.
    CompleteLogin,
    /// Its user logs out.
    LogOut(Option<OidcSession>),
    /// Its user must log in.
    LogIn,
}

impl OidcFilter {
    /// Decides on a request. `now` is in seconds since 1970.
    pub fn step(&self, request: &OidcRequest<'_>, now: u64) -> OidcStep {
        let sources = self.pass_through.as_ref();
        if sources.is_some_and(|it| it.finds_in_headers(request.headers)) {
            return OidcStep::PassThrough;
        }
        if self.redirect_url.is_callback(&request.origin, request.path) {
            return OidcStep::CompleteLogin;
        }
        let session = self.cookies.session(request.headers, &self.key);
        if *self.logout_path == *request.path {
            return OidcStep::LogOut(session);
        }
        match session {
            Some(session) if session.is_valid(now) => OidcStep::Admit(session),
            Some(session)
                if self.renewal == Renewal::ByRefreshToken
                    && session.refresh_token(now).is_some() =>
            {
                OidcStep::Renew(session)
            }
            Some(_) | None => OidcStep::LogIn,
        }
    }

    /// Whether a request without a session is denied instead of redirected.
    pub fn denies_redirect(&self, headers: &HeaderMap) -> bool {
        self.deny_redirect.iter().any(|it| it.matches(headers))
    }

    /// Removes what only the filter may say of the user, and adds the tokens of the session.
    pub fn change_request(
        &self,
        session: Option<&OidcSession>,
        now: u64,
        headers: &mut impl Headers,
    ) {
        if session.is_some() || self.cookies.has_own(headers.fields()) {
            let value = self
                .cookies
                .for_backend(headers.fields(), session.map(|session| (session, now)));
            match value {
                Some(value) => headers.set(&COOKIE, &value),
                None => headers.remove(&COOKIE),
            }
        }
        let bearer = |token: &str| secret_value(&format!("Bearer {token}"));
        if let Some(header) = &self.forward_access_token {
            let value = session.and_then(|session| bearer(&session.access_token));
            // Of a request that passes without a session, the `jwt` filter verifies what it reads.
            let sources = self.pass_through.as_ref().filter(|_| session.is_none());
            if !sources.is_some_and(|it| it.reads_header(header.name())) {
                header.replace(headers, value.as_ref());
            }
        }
        if let Some(header) = &self.forward_id_token {
            let token = session.and_then(|session| session.id_token(now));
            let value = token.and_then(|token| {
                if *header.name() == AUTHORIZATION {
                    bearer(token)
                } else {
                    secret_value(token)
                }
            });
            header.replace(headers, value.as_ref());
        }
    }

    /// Returns the headers of forwarded tokens.
    pub fn forwarded(&self) -> impl Iterator<Item = &ForwardHeader> {
        let access = self.forward_access_token.iter();
        access.chain(&self.forward_id_token)
    }

    /// Whether a header of a request or a response may contain tokens or a session, once the filter has seen the request.
    pub fn is_secret(&self, name: &HeaderName) -> bool {
        *name == COOKIE || *name == SET_COOKIE || self.forwarded().any(|it| it.name() == name)
    }

    /// Returns the answer to a completed login: the browser continues with what it has asked for.
    ///
    /// # Errors
    /// If the session is too long for cookies.
    pub fn logged_in(
        &self,
        session: &OidcSession,
        login: &Login,
        request: &HeaderMap,
        now: u64,
    ) -> Result<FilterAnswer, OidcOutcome> {
        let too_large = OidcOutcome::SessionTooLarge;
        let cookies = self.cookies.set_session(session, &self.key, request, now);
        let cookies = cookies.map_err(|_| too_large)?;
        let answer = if self.cookies.is_strict() {
            Some(page_leading_to(&login.asked))
        } else {
            redirect_to(&login.asked, OidcOutcome::LoggedIn)
        };
        let mut answer = answer.ok_or(OidcOutcome::UnknownLogin)?;
        // Other logins of the browser go on, such as those of other tabs.
        let completed = login.slot().and_then(|it| self.cookies.expire_login(it));
        for field in cookies.into_iter().chain(completed) {
            answer.headers.append(SET_COOKIE, field);
        }
        Ok(answer)
    }

    /// Returns the answer to a logout: the cookies expire, and the browser continues at the provider, if it has a page for that, or at
    /// the root of the host.
    pub fn logged_out(
        &self,
        session: Option<&OidcSession>,
        request: &OidcRequest<'_>,
        provider: Option<&ProviderConfiguration>,
    ) -> Option<FilterAnswer> {
        let RequestOrigin { scheme, host } = &request.origin;
        let root = format!("{}://{host}/", scheme.as_str());
        let location = match provider.and_then(|it| it.end_session.as_ref()) {
            None => root,
            Some(endpoint) => {
                // OpenID Connect RP-Initiated Logout 1.0, section 2.
                let mut query = Serializer::new(String::new());
                if let Some(session) = session {
                    query.append_pair("id_token_hint", &session.id_token);
                }
                query
                    .append_pair("client_id", &self.client.id)
                    .append_pair("post_logout_redirect_uri", &root);
                login::with_query(&endpoint.to_string(), &query.finish())
            }
        };
        let mut answer = redirect_to(&location, OidcOutcome::LoggedOut)?;
        for field in self.cookies.expire_all(request.headers) {
            answer.headers.append(SET_COOKIE, field);
        }
        Some(answer)
    }
}

fn secret_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Prints neither the query, which may have a code, nor the headers with their cookies.
impl fmt::Debug for OidcRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcRequest")
            .field("origin", &self.origin)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What affects requests, without secrets.
impl fmt::Display for OidcFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            " oidc [{}, client {:?}, scope {:?}, callback {}, logout {}",
            self.issuer, self.client.id, self.scope, self.redirect_url, self.logout_path
        )?;
        if self.renewal == Renewal::Never {
            f.write_str(", not renewed")?;
        }
        for header in self.forwarded() {
            write!(f, ", token as {header}")?;
        }
        for header in &self.deny_redirect {
            write!(f, ", not redirected {header}")?;
        }
        if let Some(sources) = &self.pass_through {
            write!(f, ", passed through{sources}")?;
        }
        f.write_str("]")
    }
}

#[cfg(test)]
mod tests;
