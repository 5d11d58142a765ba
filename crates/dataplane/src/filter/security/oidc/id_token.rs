//! Validates ID tokens (OpenID Connect Core 1.0, sections 3.1.3.7 and 12.2).
//!
//! In: a token from the token endpoint, and what it must say. Out: when it expires, or what is wrong. Its signature is verified with
//! the keys of the provider if they are known. They aren't if the policy names all endpoints; then the token endpoint has a
//! certificate: "the TLS server validation MAY be used to validate the issuer in place of checking the token signature".

use crate::filter::security::denial::Denial;
use crate::filter::security::jwt::claims::Claims;
use crate::filter::security::jwt::key_set::KeySet;
use crate::filter::security::jwt::{self, CLOCK_SKEW};
use thiserror::Error;

/// What an ID token must say.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedIdToken<'e> {
    /// `iss`.
    pub issuer: &'e str,
    /// The id of the client, one of `aud`.
    pub client_id: &'e str,
    /// `nonce` of the login. `None` for a token in exchange for a refresh token.
    pub nonce: Option<&'e str>,
    /// `sub` of the token before. `None` for the first one.
    pub subject: Option<&'e str>,
}

/// What is wrong with an ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdTokenProblem {
    /// It can't be parsed.
    #[error("the ID token isn't well-formed")]
    Malformed,
    /// None of the provider's keys fits.
    #[error("the ID token is signed with a key that the provider doesn't publish")]
    UnknownKey,
    /// The signature isn't valid.
    #[error("the signature of the ID token isn't valid, or its algorithm isn't supported")]
    Signature,
    /// Another issuer has issued it.
    #[error("the ID token has another issuer")]
    Issuer,
    /// It is for another client.
    #[error("the ID token is for another client")]
    Audience,
    /// It has no `exp`, or its time is over, or hasn't begun.
    #[error("the ID token has expired, isn't valid yet, or has no expiry")]
    Time,
    /// It belongs to another login.
    #[error("the ID token has the nonce of another login")]
    Nonce,
    /// It is about another user.
    #[error("the ID token is about another user than the one before, or about none")]
    Subject,
}

/// Validates an ID token. `keys` are those of the provider; `None` if TLS vouches for the token. Returns when it expires. Times are
/// seconds since 1970.
///
/// # Errors
/// If it isn't valid.
pub fn validate(
    token: &str,
    expected: ExpectedIdToken<'_>,
    keys: Option<&KeySet>,
    now: u64,
) -> Result<u64, IdTokenProblem> {
    let claims = match keys {
        Some(keys) => jwt::verified_claims(token.as_bytes(), keys).map_err(problem)?,
        None => jwt::unverified_claims(token.as_bytes()).ok_or(IdTokenProblem::Malformed)?,
    };
    check(&claims, expected, now)
}

fn problem(denial: Denial) -> IdTokenProblem {
    match denial {
        Denial::JwtMalformed => IdTokenProblem::Malformed,
        Denial::JwtUnknownKey => IdTokenProblem::UnknownKey,
        _ => IdTokenProblem::Signature,
    }
}

fn check(claims: &Claims, expected: ExpectedIdToken<'_>, now: u64) -> Result<u64, IdTokenProblem> {
    if claims.issuer() != Some(expected.issuer) {
        return Err(IdTokenProblem::Issuer);
    }
    let is_client = |it: &str| it == expected.client_id;
    if !claims.audiences().any(is_client) || claims.text("azp").is_some_and(|it| !is_client(it)) {
        return Err(IdTokenProblem::Audience);
    }
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let expires = claims.seconds("exp").ok_or(IdTokenProblem::Time)?;
    let begins = claims.seconds("nbf");
    if now >= expires.saturating_add(CLOCK_SKEW)
        || begins.is_some_and(|it| now.saturating_add(CLOCK_SKEW) < it)
    {
        return Err(IdTokenProblem::Time);
    }
    let subject = claims.text("sub").filter(|it| !it.is_empty());
    let subject = subject.ok_or(IdTokenProblem::Subject)?;
    if expected.subject.is_some_and(|it| it != subject) {
        return Err(IdTokenProblem::Subject);
    }
    if expected.nonce.is_some() && claims.text("nonce") != expected.nonce {
        return Err(IdTokenProblem::Nonce);
    }
    Ok(u64::try_from(expires).unwrap_or(0))
}

/// Returns `sub` of a token that has been validated before.
pub fn subject(token: &str) -> Option<String> {
    let claims = jwt::unverified_claims(token.as_bytes())?;
    claims.text("sub").map(str::to_owned)
}

/// Returns `exp` of a token, if it is a JSON Web Token. Nothing of it is verified.
pub fn expiry(token: &str) -> Option<u64> {
    let claims = jwt::unverified_claims(token.as_bytes())?;
    u64::try_from(claims.seconds("exp")?).ok()
}
