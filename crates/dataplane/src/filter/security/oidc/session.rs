//! The tokens of a user who has logged in, as a browser keeps them.

use super::cookie_key::{CookieContent, CookieKey};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The tokens of a user. All times are seconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct OidcSession {
    /// The access token.
    pub access_token: String,
    /// The ID token.
    pub id_token: String,
    /// The refresh token, if the provider has issued one and the policy uses it.
    pub refresh_token: Option<String>,
    /// When the session ends, unless it is renewed: with its access token, or with its ID token if that is earlier and there is a
    /// refresh token.
    pub expires: u64,
    /// When the ID token expires. Backends no longer get it then.
    pub id_token_expires: u64,
    /// When the refresh token expires.
    pub refresh_expires: u64,
}

/// The encrypted content of a session's cookie. Names are short, since browsers send the cookie with every request.
#[derive(Serialize, Deserialize)]
struct Content<'c> {
    #[serde(rename = "t", borrow)]
    tokens: Tokens<'c>,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(rename = "e")]
    expires: u64,
    #[serde(rename = "i")]
    id_token_expires: u64,
    #[serde(rename = "x")]
    refresh_expires: u64,
}

/// The tokens in the cookie of a session.
#[derive(Serialize, Deserialize)]
enum Tokens<'c> {
    /// The access token and the ID token.
    #[serde(rename = "t")]
    Inside(&'c str, &'c str),
    /// The SHA-256 of the access token and the ID token, which have cookies of their own.
    #[serde(rename = "d")]
    Digest([u8; 32]),
}

/// Where the tokens of a session are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStorage {
    /// Encrypted in the cookie of the session.
    Encrypted,
    /// As they are, in a cookie each (API: `disableTokenEncryption`). The refresh token is always encrypted.
    Plain,
}

impl OidcSession {
    /// Encrypts a session. `None` if the system has no random numbers.
    pub fn seal(&self, key: &CookieKey, storage: TokenStorage) -> Option<String> {
        let tokens = match storage {
            TokenStorage::Encrypted => Tokens::Inside(&self.access_token, &self.id_token),
            TokenStorage::Plain => {
                Tokens::Digest(tokens_digest(&self.access_token, &self.id_token))
            }
        };
        let content = Content {
            tokens,
            refresh_token: self.refresh_token.clone(),
            expires: self.expires,
            id_token_expires: self.id_token_expires,
            refresh_expires: self.refresh_expires,
        };
        key.seal(CookieContent::Session, &serde_json::to_vec(&content).ok()?)
    }

    /// Decrypts a session. `plain` are the access token and the ID token in cookies of their own. `None` if the policy hasn't made it,
    /// or with other tokens.
    pub fn open(
        text: &[u8],
        key: &CookieKey,
        plain: (Option<&[u8]>, Option<&[u8]>),
    ) -> Option<Self> {
        let content = key.open(CookieContent::Session, text)?;
        let content: Content<'_> = serde_json::from_slice(&content).ok()?;
        let (access_token, id_token) = match content.tokens {
            Tokens::Inside(access, id) => (access.to_owned(), id.to_owned()),
            Tokens::Digest(expected) => {
                let text = |token: Option<&[u8]>| String::from_utf8(token?.to_vec()).ok();
                let (access, id) = (text(plain.0)?, text(plain.1)?);
                if tokens_digest(&access, &id) != expected {
                    return None;
                }
                (access, id)
            }
        };
        Some(OidcSession {
            access_token,
            id_token,
            refresh_token: content.refresh_token,
            expires: content.expires,
            id_token_expires: content.id_token_expires,
            refresh_expires: content.refresh_expires,
        })
    }

    /// Whether it hasn't ended.
    pub fn is_valid(&self, now: u64) -> bool {
        now < self.expires
    }

    /// Returns the refresh token, unless it has expired.
    pub fn refresh_token(&self, now: u64) -> Option<&str> {
        let token = self.refresh_token.as_deref();
        token.filter(|_| now < self.refresh_expires)
    }

    /// Returns the ID token, unless it has expired.
    pub fn id_token(&self, now: u64) -> Option<&str> {
        (now < self.id_token_expires).then_some(&*self.id_token)
    }

    /// Returns for how long the browser keeps it, in seconds.
    pub fn lifetime(&self, now: u64) -> u64 {
        let refresh = self.refresh_token.as_ref().map(|_| self.refresh_expires);
        let end = refresh.into_iter().chain([self.expires]).max();
        end.unwrap_or(0).saturating_sub(now)
    }
}

/// A token contains no NUL, so no two pairs have the same text.
fn tokens_digest(access: &str, id: &str) -> [u8; 32] {
    let mut text = access.as_bytes().to_vec();
    text.push(0);
    text.extend_from_slice(id.as_bytes());
    let digest = digest(&SHA256, &text);
    digest.as_ref().try_into().unwrap_or_default()
}

/// Never prints a token.
impl fmt::Debug for OidcSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSession")
            .field("expires", &self.expires)
            .field("id_token_expires", &self.id_token_expires)
            .field("refresh_expires", &self.refresh_expires)
            .finish_non_exhaustive()
    }
}
