//! The building blocks of end-to-end tests: a folder of manifests, the daemon, backends, clients.

pub mod backend;
pub mod browser;
pub mod client;
pub mod client_traffic;
pub mod daemon;
pub mod dev;
pub mod folder;
pub mod grpc;
pub mod grpc_auth_server;
pub mod key_server;
pub mod load;
pub mod manifests;
pub mod network;
pub mod openid_provider;
pub mod openssl;
pub mod protobuf;
pub mod tls;
pub mod tokens;
mod wait;
pub mod websocket;

pub use wait::{DEADLINE, SetOnDrop, eventually};

use std::path::{Path, PathBuf};

/// The absolute path of a file in the repository.
pub fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
