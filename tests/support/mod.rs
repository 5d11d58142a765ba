//! What end-to-end tests are made of: a folder of manifests, the daemon, backends, a client.

pub mod backend;
pub mod client;
pub mod daemon;
pub mod folder;
pub mod grpc;
pub mod load;
pub mod manifests;
pub mod network;
pub mod openssl;
pub mod tls;
mod wait;
pub mod websocket;

pub use wait::{DEADLINE, eventually};

use std::path::{Path, PathBuf};

/// A path in the repository.
pub fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
