//! `basicAuth`: users with passwords (RFC 7617; API: `SecurityPolicySpec.basicAuth`).

use super::denial::Denial;
use super::forward_header::ForwardHeader;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use ring::digest;
use std::collections::HashMap;
use std::fmt;
use subtle::ConstantTimeEq;

const SCHEME: &[u8] = b"basic";

/// The hash of a password: its SHA-1, the only one that Envoy reads.
type PasswordHash = [u8; digest::SHA1_OUTPUT_LEN];

/// `basicAuth`: requests must have the name and the password of a user.
///
/// The header `Authorization` is forwarded, as in Envoy.
pub struct BasicAuthFilter {
    users: HashMap<Box<[u8]>, BasicAuthUser>,
    forward: Option<ForwardHeader>,
}

struct BasicAuthUser {
    hash: PasswordHash,
    /// The name for the backend.
    name: HeaderValue,
}

/// Why a file of users can't be used. Lines are counted from 1. No text contains a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HtpasswdError {
    /// It has no user.
    #[error("it has no user: add a line as `htpasswd -s` makes it")]
    NoUser,
    /// The line has no colon.
    #[error("line {line} has no colon: a line is `user:{{SHA}}hash`, as `htpasswd -s` makes it")]
    NoColon {
        /// The number of the line.
        line: usize,
    },
    /// The name is empty, or contains a control character.
    #[error("line {line} has an empty user name, or one with a control character: rename the user")]
    MalformedUser {
        /// The number of the line.
        line: usize,
    },
    /// The hash has another format.
    #[error(
        "line {line} has a hash other than `{{SHA}}`: make it with `htpasswd -s`, the only one that Envoy reads"
    )]
    OtherHash {
        /// The number of the line.
        line: usize,
    },
    /// The hash isn't the Base64 of 20 bytes.
    #[error(
        "line {line} has a `{{SHA}}` hash that isn't the Base64 of 20 bytes: make it again with `htpasswd -s`"
    )]
    MalformedHash {
        /// The number of the line.
        line: usize,
    },
    /// The user has two lines.
    #[error("line {line} has a user that an earlier line has, too: remove one of the lines")]
    RepeatedUser {
        /// The number of the line.
        line: usize,
    },
}

impl BasicAuthFilter {
    /// Reads a file in the format of `htpasswd` (the key `.htpasswd` of the Secret). Empty lines and comments are ignored, and so
    /// are spaces around a line.
    ///
    /// # Errors
    /// If the file has no user, or a line that is malformed. One such line makes the whole file unusable, as in Envoy.
    pub fn parse(htpasswd: &[u8], forward: Option<ForwardHeader>) -> Result<Self, HtpasswdError> {
        let mut users = HashMap::new();
        let lines = htpasswd.split(|&byte| byte == b'\n').zip(1..);
        for (text, line) in lines {
            let text = text.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let (name, user) = parse_user(text, line)?;
            if users.insert(name.into(), user).is_some() {
                return Err(HtpasswdError::RepeatedUser { line });
            }
        }
        if users.is_empty() {
            return Err(HtpasswdError::NoUser);
        }
        Ok(BasicAuthFilter { users, forward })
    }

    /// Returns the header by which the backend learns the user.
    pub fn forward(&self) -> Option<&ForwardHeader> {
        self.forward.as_ref()
    }

    /// Returns the user of a request.
    ///
    /// # Errors
    /// If it has no valid credentials.
    pub fn check(&self, headers: &HeaderMap) -> Result<&HeaderValue, Denial> {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let field = match (sent.next(), sent.next()) {
            (None, _) => return Err(Denial::BasicAuthMissing),
            (Some(only), None) => only,
            // The backend might read another one than we have checked.
            (Some(_), Some(_)) => return Err(Denial::BasicAuthMalformed),
        };
        let credentials = decode(field)?;
        let colon = credentials.iter().position(|&byte| byte == b':');
        let (name, password) = colon
            .and_then(|at| credentials.split_at_checked(at))
            .ok_or(Denial::BasicAuthMalformed)?;
        self.verify(name, password.get(1..).unwrap_or_default())
    }

    /// Does the same work for an unknown user as for a wrong password, so that the time doesn't reveal which users exist.
    fn verify(&self, name: &[u8], password: &[u8]) -> Result<&HeaderValue, Denial> {
        let user = self.users.get(name);
        let expected = user.map_or(&[0; digest::SHA1_OUTPUT_LEN], |user| &user.hash);
        let matches = bool::from(hash(password).as_ref().ct_eq(expected));
        match user {
            Some(user) if matches => Ok(&user.name),
            Some(_) | None => Err(Denial::BasicAuthMismatch),
        }
    }
}

fn hash(password: &[u8]) -> digest::Digest {
    #[cfg(test)]
    tests::HASHES.with(|count| count.set(count.get() + 1));
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password)
}

/// Decodes the credentials of a header: `Basic`, in any case (RFC 9110, section 11.1), spaces, and Base64, with or without
/// padding.
fn decode(field: &HeaderValue) -> Result<Vec<u8>, Denial> {
    let field = field.as_bytes();
    let end = field.iter().position(|&byte| byte == b' ');
    let (scheme, encoded) = field.split_at(end.unwrap_or(field.len()));
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(Denial::BasicAuthOtherScheme);
    }
    let encoded = encoded.trim_ascii();
    let encoded = match encoded {
        [rest @ .., b'=', b'='] | [rest @ .., b'='] => rest,
        all => all,
    };
    STANDARD_NO_PAD
        .decode(encoded)
        .map_err(|_| Denial::BasicAuthMalformed)
}

fn parse_user(text: &[u8], line: usize) -> Result<(&[u8], BasicAuthUser), HtpasswdError> {
    let colon = text.iter().position(|&byte| byte == b':');
    let (name, rest) = colon
        .and_then(|at| text.split_at_checked(at))
        .ok_or(HtpasswdError::NoColon { line })?;
    let value = HeaderValue::from_bytes(name).ok();
    let value = value.filter(|value| !value.is_empty());
    let value = value.ok_or(HtpasswdError::MalformedUser { line })?;
    let encoded = rest
        .strip_prefix(b":{SHA}")
        .ok_or(HtpasswdError::OtherHash { line })?;
    let decoded = STANDARD.decode(encoded).ok();
    let hash = decoded
        .and_then(|hash| PasswordHash::try_from(hash).ok())
        .ok_or(HtpasswdError::MalformedHash { line })?;
    Ok((name, BasicAuthUser { hash, name: value }))
}

/// The number of users, without names and hashes.
impl fmt::Display for BasicAuthFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " basic auth [users {}", self.users.len())?;
        if let Some(header) = &self.forward {
            write!(f, ", forward user as {header}")?;
        }
        f.write_str("]")
    }
}

/// Hashes without salt are nearly passwords, so they are never shown.
impl fmt::Debug for BasicAuthFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
