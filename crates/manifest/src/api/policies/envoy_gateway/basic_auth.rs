//! `SecurityPolicy.spec.basicAuth`.

use crate::api::{SecretObjectReference, object};

object! {
    /// Authentication with user name and password (RFC 7617).
    pub closed BasicAuth {
        /// The Secret with the entry `.htpasswd`.
        "users" => users: SecretObjectReference,
        /// The request header in which the backend gets the user's name.
        "forwardUsernameHeader" => forward_username_header: Option<String>,
    }
}
