//! Support code shared with the tests: manifests, certificates, clients.

#[path = "../../../tests/support/client.rs"]
pub mod client;
#[path = "../../../tests/support/load/mod.rs"]
pub mod load;
#[path = "../../../tests/support/manifests.rs"]
pub mod manifests;
#[path = "../../../tests/support/network.rs"]
pub mod network;
#[path = "../../../tests/support/tls.rs"]
pub mod tls;
#[path = "../../../tests/support/wait.rs"]
mod wait;

pub use wait::{DEADLINE, eventually};
