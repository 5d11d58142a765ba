//! The clients by which filters ask other servers while a request waits.

use crate::external_auth::AuthClient;
use crate::oidc::OidcClient;

/// The clients of one thread.
#[derive(Debug)]
pub(crate) struct FilterServers {
    /// Asks authorization servers.
    pub(crate) auth: AuthClient,
    /// Asks OpenID providers.
    pub(crate) oidc: OidcClient,
}

impl FilterServers {
    /// Returns the clients of another thread.
    pub(crate) fn for_another_thread(&self) -> Self {
        FilterServers {
            auth: self.auth.for_another_thread(),
            oidc: self.oidc.for_another_thread(),
        }
    }
}
