//! Why a security filter lets a request not pass.

/// Why a security filter denies a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// No source contains an API key.
    ApiKeyMissing,
    /// The API key belongs to no client.
    ApiKeyUnknown,
    /// There is no `Authorization`.
    BasicAuthMissing,
    /// `Authorization` has another scheme than `Basic`.
    BasicAuthOtherScheme,
    /// `Authorization` is repeated, or its credentials aren't the Base64 of a user and a password separated by a colon.
    BasicAuthMalformed,
    /// The user is unknown, or the password is wrong. The client can't tell which.
    BasicAuthMismatch,
    /// The rules of `authorization` deny the request.
    Forbidden,
}

/// The filter that denies a request, which decides on the status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyingFilter {
    /// `apiKeyAuth`: the client is unknown.
    ApiKey,
    /// `basicAuth`: the client is unknown, and is asked for a password.
    BasicAuth,
    /// `authorization`: the client may not do this.
    Authorization,
}

impl Denial {
    /// All of them, for metrics that begin at zero.
    pub const ALL: [Denial; 7] = [
        Denial::ApiKeyMissing,
        Denial::ApiKeyUnknown,
        Denial::BasicAuthMissing,
        Denial::BasicAuthOtherScheme,
        Denial::BasicAuthMalformed,
        Denial::BasicAuthMismatch,
        Denial::Forbidden,
    ];

    /// Returns the filter that denies the request.
    pub fn filter(self) -> DenyingFilter {
        match self {
            Denial::ApiKeyMissing | Denial::ApiKeyUnknown => DenyingFilter::ApiKey,
            Denial::BasicAuthMissing
            | Denial::BasicAuthOtherScheme
            | Denial::BasicAuthMalformed
            | Denial::BasicAuthMismatch => DenyingFilter::BasicAuth,
            Denial::Forbidden => DenyingFilter::Authorization,
        }
    }

    /// Returns the word for logs and metrics. It never changes between releases.
    pub fn word(self) -> &'static str {
        match self {
            Denial::ApiKeyMissing => "api_key_missing",
            Denial::ApiKeyUnknown => "api_key_unknown",
            Denial::BasicAuthMissing => "basic_auth_missing",
            Denial::BasicAuthOtherScheme => "basic_auth_other_scheme",
            Denial::BasicAuthMalformed => "basic_auth_malformed",
            Denial::BasicAuthMismatch => "basic_auth_mismatch",
            Denial::Forbidden => "authorization_denied",
        }
    }

    /// Returns the text for the client: Envoy's, ending with a newline. It never tells whether a user or a key exists.
    pub fn text(self) -> &'static str {
        match self {
            Denial::ApiKeyMissing | Denial::ApiKeyUnknown => "Client authentication failed.\n",
            Denial::BasicAuthMissing => {
                "User authentication failed. Missing username and password.\n"
            }
            Denial::BasicAuthOtherScheme => {
                "User authentication failed. Expected 'Basic' authentication scheme.\n"
            }
            Denial::BasicAuthMalformed => {
                "User authentication failed. Invalid basic credential format.\n"
            }
            Denial::BasicAuthMismatch => {
                "User authentication failed. Invalid username/password combination.\n"
            }
            Denial::Forbidden => "RBAC: access denied\n",
        }
    }
}
