//! Requests to the token endpoint of a provider, and its answers (RFC 6749, sections 4.1.3, 5 and 6).

use super::cookies::is_cookie_value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::{Serializer, byte_serialize};
use http::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;

/// The maximum length of an answer, in bytes.
pub const MAX_ANSWER: usize = 128 * 1024;

/// The credentials of the client at the provider.
pub struct ClientCredentials {
    /// The id.
    pub id: Box<str>,
    secret: Box<str>,
}

/// How the client authenticates (OpenID Connect Core 1.0, section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// With HTTP Basic, which "every OIDC provider supports" (Envoy Gateway).
    #[default]
    Basic,
    /// With parameters of the form, if the provider says that it doesn't support the other.
    Post,
}

/// A request to the token endpoint.
pub struct TokenRequest {
    /// The fields of the form.
    pub fields: String,
    /// The value of `Authorization`. `None` if the form has the credentials.
    pub authorization: Option<HeaderValue>,
}

/// What the client has in exchange for tokens.
#[derive(Clone, Copy)]
pub enum Grant<'g> {
    /// The code of a login.
    Code {
        /// The code.
        code: &'g str,
        /// The URL of the callback, as in the login.
        redirect_uri: &'g str,
        /// The verifier of the login's challenge (RFC 7636).
        verifier: &'g str,
    },
    /// A refresh token.
    Refresh(&'g str),
}

impl ClientCredentials {
    /// Takes the id and the secret.
    pub fn new(id: &str, secret: &str) -> Self {
        ClientCredentials {
            id: id.into(),
            secret: secret.into(),
        }
    }

    /// Returns the request for tokens.
    pub fn request(&self, grant: Grant<'_>, authentication: ClientAuthentication) -> TokenRequest {
        let mut form = Serializer::new(String::new());
        match grant {
            Grant::Code {
                code,
                redirect_uri,
                verifier,
            } => {
                form.append_pair("grant_type", "authorization_code")
                    .append_pair("code", code)
                    .append_pair("redirect_uri", redirect_uri)
                    .append_pair("code_verifier", verifier);
            }
            Grant::Refresh(token) => {
                form.append_pair("grant_type", "refresh_token")
                    .append_pair("refresh_token", token);
            }
        }
        let authorization = match authentication {
            ClientAuthentication::Basic => self.basic(),
            ClientAuthentication::Post => None,
        };
        if authorization.is_none() {
            form.append_pair("client_id", &self.id)
                .append_pair("client_secret", &self.secret);
        }
        TokenRequest {
            fields: form.finish(),
            authorization,
        }
    }

    /// "encoded using the `application/x-www-form-urlencoded` encoding algorithm" before the Base64 (RFC 6749, section 2.3.1).
    fn basic(&self) -> Option<HeaderValue> {
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", encoded(&self.id), encoded(&self.secret));
        let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// The tokens that a provider has issued.
pub struct TokenResponse {
    /// The access token, which can be sent in a cookie and as a bearer token.
    pub access_token: String,
    /// The ID token, not verified yet. The answer to a refresh token may have none.
    pub id_token: Option<String>,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// The lifetime of the access token, in seconds.
    pub expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Fields {
    access_token: String,
    token_type: String,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

impl TokenResponse {
    /// Reads the answer of a token endpoint.
    ///
    /// # Errors
    /// Says what is wrong, without quoting it.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let fields: Fields = serde_json::from_slice(text)
            .map_err(|_| "the answer isn't a JSON object with `access_token` and `token_type`")?;
        if !fields.token_type.eq_ignore_ascii_case("bearer") {
            return Err("`token_type` isn't `Bearer`");
        }
        let tokens = fields.id_token.iter().chain([&fields.access_token]);
        if !tokens.into_iter().all(|it| is_cookie_value(it)) {
            return Err("a token contains characters that a cookie can't");
        }
        // Some providers write the number as a text.
        let seconds = |value: Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        Ok(TokenResponse {
            access_token: fields.access_token,
            id_token: fields.id_token,
            refresh_token: fields.refresh_token.filter(|it| !it.is_empty()),
            expires_in: fields.expires_in.and_then(seconds).filter(|it| *it > 0),
        })
    }

    /// Returns the error of an answer (RFC 6749, section 5.2), if it is one of the registered kind.
    pub fn error(text: &[u8]) -> Option<String> {
        let answer: Value = serde_json::from_slice(text).ok()?;
        let error = answer.get("error")?.as_str()?;
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_code = error.len() <= 64 && error.bytes().all(is_word);
        is_code.then(|| error.to_owned())
    }
}

/// Never prints the secret.
impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Never prints the form, which contains secrets.
impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").finish_non_exhaustive()
    }
}

/// Never prints a token.
impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}
