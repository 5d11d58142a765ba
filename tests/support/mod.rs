//! What end-to-end tests are made of: a folder of manifests, the daemon, backends, a client.

pub mod backend;
pub mod client;
pub mod daemon;
pub mod folder;
pub mod load;
pub mod manifests;
pub mod network;
pub mod tls;
pub mod websocket;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails. Generous: a loaded machine must not fail a test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Polls a condition until it gives a value; fails the test when the deadline passes.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < end,
            "waited {DEADLINE:?} for this to become true: {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A path in the repository.
pub fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
