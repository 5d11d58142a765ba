//! The cookies of logins and sessions.
//!
//! In: the cookies of a request, or a session. Out: the session of a request, and the `Set-Cookie` fields of a response. A session
//! that is too long for one cookie is split; browsers drop cookies of more than 4,096 bytes (RFC 6265bis, section 5.6).

use super::cookie_key::CookieKey;
use super::session::{OidcSession, TokenStorage};
use crate::filter::security::cookie::{cookie_value, cookies};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use ring::digest::{SHA256, digest};
use std::fmt::Write;

/// The maximum length of a cookie's value. Its name comes on top.
const MAX_VALUE: usize = 3_840;
/// The maximum number of cookies of a session.
const MAX_PARTS: usize = 4;
/// The maximum number of concurrent logins in one browser. A further one replaces one of them.
pub(super) const LOGIN_SLOTS: usize = 8;

/// How the cookies of a policy are named and set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcCookies {
    /// The cookie in which backends and the `jwt` filter find the access token.
    pub access_token: Box<str>,
    /// The cookie in which backends and the `jwt` filter find the ID token.
    pub id_token: Box<str>,
    session: Box<str>,
    login: Box<str>,
    domain: Option<Box<str>>,
    same_site: SameSite,
    storage: TokenStorage,
}

/// Which requests from other sites have a cookie (API: `cookieConfig.sameSite`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Those that open a page.
    Lax,
    /// None.
    Strict,
    /// All.
    None,
}

impl SameSite {
    fn as_str(self) -> &'static str {
        match self {
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
            SameSite::None => "None",
        }
    }

    /// The setting for a cookie that must be there when the browser comes back from the provider, which is another site.
    fn of_login(self) -> Self {
        match self {
            SameSite::Lax | SameSite::Strict => SameSite::Lax,
            SameSite::None => SameSite::None,
        }
    }
}

/// What a policy says of its cookies.
#[derive(Clone, Debug)]
pub struct CookieSettings<'s> {
    /// `namespace/name` of the policy.
    pub policy: &'s str,
    /// API: `cookieNames.accessToken`.
    pub access_token: Option<&'s str>,
    /// API: `cookieNames.idToken`.
    pub id_token: Option<&'s str>,
    /// API: `cookieDomain`.
    pub domain: Option<&'s str>,
    /// API: `cookieConfig.sameSite`.
    pub same_site: SameSite,
    /// API: `disableTokenEncryption`.
    pub storage: TokenStorage,
}

/// The cookies of a session are too long, or can't be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl OidcCookies {
    /// Names the cookies of a policy. Browsers accept those with the prefix `__Host-` only from the host itself and over TLS, so
    /// neither a sibling domain nor an attacker in the network can put theirs in their place (RFC 6265bis, section 4.1.3).
    pub fn new(settings: &CookieSettings<'_>) -> Self {
        // As in Envoy Gateway, the suffix keeps the cookies of policies on the same host apart.
        let suffix = digest(&SHA256, settings.policy.as_bytes());
        let suffix = suffix.as_ref().iter().take(4);
        let suffix = suffix.fold(String::new(), |mut text, byte| {
            // Writing to a text can't fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let prefix = match settings.domain {
            Some(_) => "__Secure-",
            None => "__Host-",
        };
        let token = |name: Option<&str>, default: &str| match name {
            Some(name) => name.into(),
            None => format!("{default}-{suffix}").into(),
        };
        OidcCookies {
            access_token: token(settings.access_token, "AccessToken"),
            id_token: token(settings.id_token, "IdToken"),
            session: format!("{prefix}OauthSession-{suffix}").into(),
            login: format!("{prefix}OauthLogin-{suffix}").into(),
            domain: settings.domain.map(Into::into),
            same_site: settings.same_site,
            storage: settings.storage,
        }
    }

    /// Whether a browser that comes back from the provider doesn't send the session yet.
    pub(super) fn is_strict(&self) -> bool {
        self.same_site == SameSite::Strict
    }

    /// Returns the session of a request. `None` if it has none that the policy has made.
    pub(super) fn session(&self, headers: &HeaderMap, key: &CookieKey) -> Option<OidcSession> {
        let first = find(headers, &self.session)?;
        let (count, first) = first.split_first()?;
        let count = usize::from(count.checked_sub(b'0')?);
        if !(1..=MAX_PARTS).contains(&count) {
            return None;
        }
        let mut sealed = first.to_vec();
        for index in 1..count {
            sealed.extend_from_slice(find(headers, &self.part(index))?);
        }
        let plain = (
            find(headers, &self.access_token),
            find(headers, &self.id_token),
        );
        OidcSession::open(&sealed, key, plain)
    }

    /// Returns the fields that set the cookies of a session, and expire those that a longer one has left in the request.
    ///
    /// # Errors
    /// If they would be too long.
    pub fn set_session(
        &self,
        session: &OidcSession,
        key: &CookieKey,
        request: &HeaderMap,
        now: u64,
    ) -> Result<Vec<HeaderValue>, TooLarge> {
        let sealed = session.seal(key, self.storage).ok_or(TooLarge)?;
        let lifetime = session.lifetime(now);
        let parts: Vec<&str> = chunks(&sealed, MAX_VALUE - 1).collect();
        if parts.len() > MAX_PARTS {
            return Err(TooLarge);
        }
        let mut fields = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let value = match index {
                0 => format!("{}{part}", parts.len()),
                _ => (*part).to_owned(),
            };
            fields.push(self.field(&self.part(index), &value, lifetime, self.same_site));
        }
        for index in parts.len()..MAX_PARTS {
            if find(request, &self.part(index)).is_some() {
                fields.push(self.expired(&self.part(index)));
            }
        }
        if self.storage == TokenStorage::Plain {
            for (name, token) in [
                (&self.access_token, &session.access_token),
                (&self.id_token, &session.id_token),
            ] {
                if token.len() > MAX_VALUE {
                    return Err(TooLarge);
                }
                fields.push(self.field(name, token, lifetime, self.same_site));
            }
        }
        fields.into_iter().collect::<Option<_>>().ok_or(TooLarge)
    }

    /// Returns the field that sets the cookie of a login, by its slot. `None` if it is too long.
    pub(super) fn set_login(
        &self,
        slot: usize,
        sealed: &str,
        lifetime: u64,
    ) -> Option<HeaderValue> {
        if sealed.len() > MAX_VALUE {
            return None;
        }
        let same_site = self.same_site.of_login();
        self.field(&self.login_name(slot), sealed, lifetime, same_site)
    }

    /// Returns the cookie of a login, by its slot.
    pub(super) fn login<'h>(&self, headers: &'h HeaderMap, slot: usize) -> Option<&'h [u8]> {
        find(headers, &self.login_name(slot))
    }

    /// Returns the field that expires the cookie of a login, by its slot.
    pub(super) fn expire_login(&self, slot: usize) -> Option<HeaderValue> {
        self.expired(&self.login_name(slot))
    }

    /// Returns the fields that expire all cookies of the policy in a request.
    pub(super) fn expire_all(&self, request: &HeaderMap) -> Vec<HeaderValue> {
        let parts = (0..MAX_PARTS).map(|index| self.part(index));
        let logins = (0..LOGIN_SLOTS).map(|slot| self.login_name(slot));
        let tokens = [&self.access_token, &self.id_token];
        let tokens = tokens.into_iter().map(|it| it.to_string());
        self.expire(parts.chain(logins).chain(tokens), request)
    }

    fn expire(&self, names: impl Iterator<Item = String>, request: &HeaderMap) -> Vec<HeaderValue> {
        let present = names.filter(|name| find(request, name).is_some());
        present.filter_map(|name| self.expired(&name)).collect()
    }

    /// Returns the cookies for the backend: those of the request without any of the policy's, and the tokens of the session. The refresh
    /// token stays here. `None` for no cookies.
    pub(super) fn for_backend(
        &self,
        headers: &HeaderMap,
        session: Option<(&OidcSession, u64)>,
    ) -> Option<HeaderValue> {
        let mut kept: Vec<u8> = Vec::new();
        let mut keep = |pair: &[u8]| {
            if !kept.is_empty() {
                kept.extend_from_slice(b"; ");
            }
            kept.extend_from_slice(pair);
        };
        let all = headers.get_all(COOKIE).iter().flat_map(cookies);
        all.filter(|pair| !pair.is_empty() && !self.is_own(pair))
            .for_each(&mut keep);
        if let Some((session, now)) = session {
            keep(format!("{}={}", self.access_token, session.access_token).as_bytes());
            if let Some(token) = session.id_token(now) {
                keep(format!("{}={token}", self.id_token).as_bytes());
            }
        }
        if kept.is_empty() {
            return None;
        }
        let mut value = HeaderValue::from_bytes(&kept).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether a request has any cookie of the policy.
    pub(super) fn has_own(&self, headers: &HeaderMap) -> bool {
        let mut all = headers.get_all(COOKIE).iter().flat_map(cookies);
        all.any(|pair| self.is_own(pair))
    }

    fn is_own(&self, pair: &[u8]) -> bool {
        let end = pair.iter().position(|byte| *byte == b'=');
        let name = pair.get(..end.unwrap_or(pair.len())).unwrap_or(pair);
        let name = name.trim_ascii();
        let is_numbered = |base: &str| {
            let rest = name.strip_prefix(base.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'-'))
        };
        *name == *self.access_token.as_bytes()
            || *name == *self.id_token.as_bytes()
            || is_numbered(&self.session)
            || is_numbered(&self.login)
    }

    fn part(&self, index: usize) -> String {
        match index {
            0 => self.session.to_string(),
            _ => format!("{}-{index}", self.session),
        }
    }

    fn login_name(&self, slot: usize) -> String {
        format!("{}-{slot}", self.login)
    }

    fn expired(&self, name: &str) -> Option<HeaderValue> {
        self.field(name, "", 0, self.same_site)
    }

    fn field(
        &self,
        name: &str,
        value: &str,
        lifetime: u64,
        same_site: SameSite,
    ) -> Option<HeaderValue> {
        let mut text = format!("{name}={value}; Path=/; Max-Age={lifetime}; Secure; HttpOnly");
        // Writing to a text can't fail.
        let _ = write!(text, "; SameSite={}", same_site.as_str());
        if let Some(domain) = &self.domain {
            let _ = write!(text, "; Domain={domain}");
        }
        let mut field = HeaderValue::try_from(text).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

/// Whether a text can be the value of a cookie (RFC 6265, section 4.1.1) without changing the cookies around it.
pub(super) fn is_cookie_value(text: &str) -> bool {
    let is_octet =
        |byte: u8| matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.bytes().all(is_octet)
}

/// Returns the first cookie with a name.
fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut all = headers.get_all(COOKIE).iter().flat_map(cookies);
    all.find_map(|cookie| cookie_value(cookie, name))
}

/// Splits a text of ASCII characters.
fn chunks(text: &str, length: usize) -> impl Iterator<Item = &str> {
    let starts = (0..text.len()).step_by(length);
    starts.filter_map(move |start| text.get(start..text.len().min(start + length)))
}
