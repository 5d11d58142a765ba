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
