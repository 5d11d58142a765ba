//! The messages between an old and a new process, in JSON.

use gatefold_dataplane::Transport;
use serde::{Deserialize, Serialize};

/// The version of the protocol. A later gatefold raises it if it can't talk to this one. Fields may be added without that:
/// a process ignores fields that it doesn't know.
pub(super) const PROTOCOL: u32 = 1;

/// A message of the new process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SuccessorMessage {
    /// It asks for the sockets.
    Hello { protocol: u32, version: String },
    /// It accepts connections.
    Ready {},
}

/// A message of the old process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PredecessorMessage {
    /// Some of the sockets. Their file descriptors come with the message, in the same order.
    Sockets {
        version: String,
        /// The address of its admin API, in the form of `--admin`.
        admin: String,
        sockets: Vec<SocketDescription>,
        /// Whether another message with sockets follows.
        more: bool,
    },
    /// It no longer accepts connections.
    Released {},
    /// It continues to serve.
    Refused { reason: String },
}

/// Describes a file descriptor.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SocketDescription {
    pub(super) role: SocketRole,
    /// The transport of the socket. Versions that don't write it hand over TCP sockets only.
    #[serde(default)]
    pub(super) transport: SocketTransport,
    /// The name that systemd gave it, if it is from systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) activated: Option<String>,
}

/// The purpose of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SocketRole {
    /// Clients.
    Listener,
    /// The admin API.
    Admin,
}

/// The transport of a socket in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SocketTransport {
    #[default]
    Tcp,
    Udp,
}

impl From<Transport> for SocketTransport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => SocketTransport::Tcp,
            Transport::Udp => SocketTransport::Udp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn socket_without_a_transport_is_tcp() {
        let old = serde_json::from_str::<SocketDescription>(r#"{"role": "listener"}"#);
        assert_eq!(old.expect("understood").transport, SocketTransport::Tcp);
        let later = r#"{"role": "listener", "transport": "udp", "added": "later"}"#;
        let later = serde_json::from_str::<SocketDescription>(later);
        assert_eq!(later.expect("understood").transport, SocketTransport::Udp);
    }
}
