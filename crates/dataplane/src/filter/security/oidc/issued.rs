//! Sessions of the tokens that a provider has issued.
//!
//! In: the answer of a token endpoint. Out: the session of its user, or what is wrong with the tokens.

use super::id_token::{self, ExpectedIdToken, IdTokenProblem};
use super::login::Login;
use super::session::OidcSession;
use super::token_endpoint::TokenResponse;
use super::{OidcFilter, Renewal};
use crate::filter::security::jwt::key_set::KeySet;

/// What is wrong with the tokens of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// There is no ID token, which the scope `openid` asks for.
    #[error("the provider issued no ID token")]
    NoIdToken,
    /// The ID token isn't valid.
    #[error("{0}")]
    IdToken(#[from] IdTokenProblem),
    /// Neither the provider nor the policy says how long the access token is valid.
    #[error("the provider doesn't say how long the access token is valid: set `defaultTokenTTL`")]
    NoLifetime,
}

impl OidcFilter {
    /// Returns the session of a completed login. `keys` are those of the provider.
    ///
    /// # Errors
    /// If the tokens aren't valid.
    pub fn first_session(
        &self,
        tokens: &TokenResponse,
        login: &Login,
        keys: Option<&KeySet>,
        now: u64,
    ) -> Result<OidcSession, TokenProblem> {
        let id_token = tokens.id_token.as_deref();
        let id_token = id_token.ok_or(TokenProblem::NoIdToken)?;
        let expected = self.expected(Some(&login.nonce), None);
        let id_token_expires = id_token::validate(id_token, expected, keys, now)?;
        let expires = self.expires(tokens.expires_in, now)?;
        let refresh_token = self.kept_refresh_token(tokens.refresh_token.as_ref());
        let expires = match &refresh_token {
            Some(_) => earlier(expires, id_token_expires, now),
            None => expires,
        };
        Ok(OidcSession {
            refresh_expires: self.refresh_expires(refresh_token.as_deref(), now),
            access_token: tokens.access_token.clone(),
            id_token: id_token.to_owned(),
            refresh_token,
            expires,
            id_token_expires,
        })
    }

    /// Returns a session with the tokens that its refresh token was exchanged for. Tokens that the provider has issued no new ones of
    /// are kept.
    ///
    /// # Errors
    /// If the tokens aren't valid.
    pub fn renewed_session(
        &self,
        tokens: &TokenResponse,
        before: &OidcSession,
        keys: Option<&KeySet>,
        now: u64,
    ) -> Result<OidcSession, TokenProblem> {
        let expires = self.expires(tokens.expires_in, now)?;
        let (id_token, id_token_expires, expires) = match &tokens.id_token {
            None => (before.id_token.clone(), before.id_token_expires, expires),
            Some(token) => {
                let subject = id_token::subject(&before.id_token);
                let expected = self.expected(None, subject.as_deref());
                let ends = id_token::validate(token, expected, keys, now)?;
                (token.clone(), ends, earlier(expires, ends, now))
            }
        };
        let (refresh_token, refresh_expires) = match &tokens.refresh_token {
            None => (before.refresh_token.clone(), before.refresh_expires),
            Some(token) => {
                let expires = self.refresh_expires(Some(token), now);
                (Some(token.clone()), expires)
            }
        };
        Ok(OidcSession {
            access_token: tokens.access_token.clone(),
            id_token,
            refresh_token,
            expires,
            id_token_expires,
            refresh_expires,
        })
    }

    fn expected<'e>(
        &'e self,
        nonce: Option<&'e str>,
        subject: Option<&'e str>,
    ) -> ExpectedIdToken<'e> {
        ExpectedIdToken {
            issuer: &self.issuer,
            client_id: &self.client.id,
            nonce,
            subject,
        }
    }

    /// "If not specified [...] the `expires_in` field in the authorization response must be set" (API: `defaultTokenTTL`).
    fn expires(&self, expires_in: Option<u64>, now: u64) -> Result<u64, TokenProblem> {
        let default = self.lifetimes.token.map(|it| it.as_secs());
        let lifetime = expires_in.or(default).ok_or(TokenProblem::NoLifetime)?;
        Ok(now.saturating_add(lifetime))
    }

    fn kept_refresh_token(&self, token: Option<&String>) -> Option<String> {
        let kept = token.filter(|_| self.renewal == Renewal::ByRefreshToken);
        kept.cloned()
    }

    fn refresh_expires(&self, token: Option<&str>, now: u64) -> u64 {
        let default = now.saturating_add(self.lifetimes.refresh_token.as_secs());
        // `exp: 0` means that it doesn't expire (an offline token of Keycloak).
        let expiry = token.and_then(id_token::expiry).filter(|it| *it > 0);
        expiry.unwrap_or(default)
    }
}

/// Returns when a session ends that can be renewed. `jwt` may need its ID token, so it is renewed when that expires. An ID token that has
/// expired already (clocks may differ) doesn't count: each request would renew the session.
fn earlier(access_token: u64, id_token: u64, now: u64) -> u64 {
    if id_token > now {
        access_token.min(id_token)
    } else {
        access_token
    }
}
