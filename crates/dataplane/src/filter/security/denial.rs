//! Why a security filter denies a request.

/// Why a security filter denies a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The request comes from another site, or doesn't say from which.
    CsrfOriginMismatch,
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
    /// No place of a request has a token.
    JwtMissing,
    /// A token isn't well-formed or is too long, or there are too many.
    JwtMalformed,
    /// The algorithm of a token isn't supported. Unsigned tokens (`none`) have no supported algorithm.
    JwtUnsupportedAlgorithm,
    /// The time of a token is over.
    JwtExpired,
    /// The time of a token hasn't begun.
    JwtNotYetValid,
    /// A token has another issuer than the provider.
    JwtWrongIssuer,
    /// A token is for other audiences.
    JwtWrongAudience,
    /// The provider has no key with the id and for the algorithm of a token.
    JwtUnknownKey,
    /// The signature of a token isn't valid.
    JwtBadSignature,
    /// The provider's keys haven't been fetched yet.
    JwksUnavailable,
    /// The rules of `authorization` deny the request.
    Forbidden,
}

/// The filter that denies a request, which decides on the status of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenyingFilter {
    /// `csrf`: the request may be forged by another site.
    Csrf,
    /// `apiKeyAuth`: the client is unknown.
    ApiKey,
    /// `basicAuth`: the client is unknown, and is asked for a password.
    BasicAuth,
    /// `jwt`: the client is unknown, and is asked for a token.
    Jwt(SentToken),
    /// `jwt`: the client is known, but its token isn't for this service.
    JwtAudience,
    /// `authorization`: the client may not do this.
    Authorization,
}

/// Whether a client that is denied has sent a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentToken {
    /// It has sent none.
    Missing,
    /// It has sent one that isn't accepted.
    Invalid,
}

impl Denial {
    /// All of them, for metrics that begin at zero.
    pub const ALL: [Denial; 18] = [
        Denial::CsrfOriginMismatch,
        Denial::ApiKeyMissing,
        Denial::ApiKeyUnknown,
        Denial::BasicAuthMissing,
        Denial::BasicAuthOtherScheme,
        Denial::BasicAuthMalformed,
        Denial::BasicAuthMismatch,
        Denial::JwtMissing,
        Denial::JwtMalformed,
        Denial::JwtUnsupportedAlgorithm,
        Denial::JwtExpired,
        Denial::JwtNotYetValid,
        Denial::JwtWrongIssuer,
        Denial::JwtWrongAudience,
        Denial::JwtUnknownKey,
        Denial::JwtBadSignature,
        Denial::JwksUnavailable,
        Denial::Forbidden,
    ];

    /// Returns the filter that denies the request.
    pub fn filter(self) -> DenyingFilter {
        match self {
            Denial::CsrfOriginMismatch => DenyingFilter::Csrf,
            Denial::ApiKeyMissing | Denial::ApiKeyUnknown => DenyingFilter::ApiKey,
            Denial::BasicAuthMissing
            | Denial::BasicAuthOtherScheme
            | Denial::BasicAuthMalformed
            | Denial::BasicAuthMismatch => DenyingFilter::BasicAuth,
            Denial::JwtMissing => DenyingFilter::Jwt(SentToken::Missing),
            Denial::JwtMalformed
            | Denial::JwtUnsupportedAlgorithm
            | Denial::JwtExpired
            | Denial::JwtNotYetValid
            | Denial::JwtWrongIssuer
            | Denial::JwtUnknownKey
            | Denial::JwtBadSignature
            | Denial::JwksUnavailable => DenyingFilter::Jwt(SentToken::Invalid),
            Denial::JwtWrongAudience => DenyingFilter::JwtAudience,
            Denial::Forbidden => DenyingFilter::Authorization,
        }
    }

    /// Returns the word for logs and metrics. It never changes between releases.
    pub fn word(self) -> &'static str {
        match self {
            Denial::CsrfOriginMismatch => "csrf_origin_mismatch",
            Denial::ApiKeyMissing => "api_key_missing",
            Denial::ApiKeyUnknown => "api_key_unknown",
            Denial::BasicAuthMissing => "basic_auth_missing",
            Denial::BasicAuthOtherScheme => "basic_auth_other_scheme",
            Denial::BasicAuthMalformed => "basic_auth_malformed",
            Denial::BasicAuthMismatch => "basic_auth_mismatch",
            Denial::JwtMissing => "jwt_missing",
            Denial::JwtMalformed => "jwt_malformed",
            Denial::JwtUnsupportedAlgorithm => "jwt_unsupported_algorithm",
            Denial::JwtExpired => "jwt_expired",
            Denial::JwtNotYetValid => "jwt_not_yet_valid",
            Denial::JwtWrongIssuer => "jwt_wrong_issuer",
            Denial::JwtWrongAudience => "jwt_wrong_audience",
            Denial::JwtUnknownKey => "jwt_unknown_key",
            Denial::JwtBadSignature => "jwt_bad_signature",
            Denial::JwksUnavailable => "jwks_unavailable",
            Denial::Forbidden => "authorization_denied",
        }
    }

    /// Returns the text for the client: Envoy's, ending with a newline. It never tells whether a user or a key exists.
    pub fn text(self) -> &'static str {
        match self {
            Denial::CsrfOriginMismatch => "Invalid origin\n",
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
            Denial::JwtMissing => "Jwt is missing\n",
            Denial::JwtMalformed => {
                "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections\n"
            }
            Denial::JwtUnsupportedAlgorithm => "Jwt header [alg] is not supported\n",
            Denial::JwtExpired => "Jwt is expired\n",
            Denial::JwtNotYetValid => "Jwt not yet valid\n",
            Denial::JwtWrongIssuer => "Jwt issuer is not configured\n",
            Denial::JwtWrongAudience => "Audiences in Jwt are not allowed\n",
            Denial::JwtUnknownKey => "Jwks doesn't have key to match kid or alg from Jwt\n",
            Denial::JwtBadSignature => "Jwt verification fails\n",
            Denial::JwksUnavailable => "Jwks remote fetch is failed\n",
            Denial::Forbidden => "RBAC: access denied\n",
        }
    }
}
