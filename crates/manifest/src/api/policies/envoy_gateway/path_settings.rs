//! `ClientTrafficPolicy.spec.path` and `healthCheck`.

use crate::api::{choice, object};

object! {
    /// How the paths of requests are normalised.
    #[derive(Default)]
    pub closed PathSettings {
        /// What happens to a path with `%2F` or `%5C`.
        "escapedSlashesAction" => escaped_slashes_action: Option<PathEscapedSlashAction>,
        /// Whether adjacent slashes are kept.
        "disableMergeSlashes" => disable_merge_slashes: Option<bool>,
    }
}

choice! {
    /// What happens to a path with `%2F` or `%5C`.
    pub PathEscapedSlashAction {
        /// It is forwarded.
        KeepUnchanged,
        /// The request is answered 400.
        RejectRequest,
        /// The escapes are decoded, and the request is routed and forwarded with the result.
        UnescapeAndForward,
        /// The escapes are decoded, and the client is redirected to the result.
        UnescapeAndRedirect,
    }
}

object! {
    /// A path that gatefold answers itself.
    pub closed HealthCheckSettings {
        /// The path.
        "path" => path: String [1..=1024],
    }
}
