//! How gatefold answers instead of a backend, because of `oidc`.

/// How a request is answered by an `oidc` filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OidcOutcome {
    /// The client is redirected to the provider.
    LoginRedirect,
    /// The client has logged in, and is redirected to what it has asked for.
    LoggedIn,
    /// The client has logged out, and is redirected.
    LoggedOut,
    /// The client must log in, but isn't one to redirect (API: `denyRedirect`).
    LoginRequired,
    /// The client comes back from a login that it hasn't begun, or too late.
    UnknownLogin,
    /// The provider refuses the login.
    LoginFailed,
    /// The provider has issued tokens that aren't valid.
    InvalidTokens,
    /// The tokens are too long for cookies.
    SessionTooLarge,
    /// The provider isn't known yet, or gives no answer.
    ProviderUnavailable,
}

impl OidcOutcome {
    /// All of them, for metrics that begin at zero.
    pub const ALL: [OidcOutcome; 9] = [
        OidcOutcome::LoginRedirect,
        OidcOutcome::LoggedIn,
        OidcOutcome::LoggedOut,
        OidcOutcome::LoginRequired,
        OidcOutcome::UnknownLogin,
        OidcOutcome::LoginFailed,
        OidcOutcome::InvalidTokens,
        OidcOutcome::SessionTooLarge,
        OidcOutcome::ProviderUnavailable,
    ];

    /// Returns the word for logs and metrics. It never changes between releases.
    pub fn word(self) -> &'static str {
        match self {
            OidcOutcome::LoginRedirect => "oidc_login_redirect",
            OidcOutcome::LoggedIn => "oidc_logged_in",
            OidcOutcome::LoggedOut => "oidc_logged_out",
            OidcOutcome::LoginRequired => "oidc_login_required",
            OidcOutcome::UnknownLogin => "oidc_unknown_login",
            OidcOutcome::LoginFailed => "oidc_login_failed",
            OidcOutcome::InvalidTokens => "oidc_invalid_tokens",
            OidcOutcome::SessionTooLarge => "oidc_session_too_large",
            OidcOutcome::ProviderUnavailable => "oidc_provider_unavailable",
        }
    }

    /// Returns the text for the client, ending with a newline.
    pub fn text(self) -> &'static str {
        match self {
            OidcOutcome::LoginRedirect => "log in at the provider\n",
            OidcOutcome::LoggedIn => "logged in\n",
            OidcOutcome::LoggedOut => "logged out\n",
            OidcOutcome::LoginRequired => "a login is required\n",
            OidcOutcome::UnknownLogin => {
                "this login is over, or was begun in another browser: open the page again\n"
            }
            OidcOutcome::LoginFailed => "the provider refuses the login\n",
            OidcOutcome::InvalidTokens => "the provider issued tokens that aren't valid\n",
            OidcOutcome::SessionTooLarge => "the provider issued tokens that are too long\n",
            OidcOutcome::ProviderUnavailable => {
                "the provider of logins can't be reached right now\n"
            }
        }
    }

    /// Whether the client has done what it came for, or is on its way.
    pub fn is_progress(self) -> bool {
        match self {
            OidcOutcome::LoginRedirect | OidcOutcome::LoggedIn | OidcOutcome::LoggedOut => true,
            OidcOutcome::LoginRequired
            | OidcOutcome::UnknownLogin
            | OidcOutcome::LoginFailed
            | OidcOutcome::InvalidTokens
            | OidcOutcome::SessionTooLarge
            | OidcOutcome::ProviderUnavailable => false,
        }
    }
}
