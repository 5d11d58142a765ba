use serde::{Deserialize, Serialize};

/// What a later version raises when it can't speak to this one any more. Fields may be added without: who
/// doesn't know them passes over them.
pub(super) const PROTOCOL: u32 = 1;

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Request {
    /// It is there and wants the sockets.
    Hello { protocol: u32, version: String },
    /// It serves.
    Ready {},
}

/// What the old process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reply {
    /// Some of the sockets; the file descriptors come with it, in the same order.
    Sockets {
        version: String,
        /// Where its admin API is, as `--admin` takes it.
        admin: String,
        sockets: Vec<Description>,
        /// Whether there are further ones.
        more: bool,
    },
    /// It accepts no connections any more.
    Released {},
    /// It goes on as before.
    Refused { reason: String },
}

/// What a file descriptor is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Description {
    pub(super) role: Role,
    /// The name that systemd gave it, when it came from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) activated: Option<String>,
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Role {
    /// Clients.
    Listener,
    /// The admin API.
    Admin,
}
