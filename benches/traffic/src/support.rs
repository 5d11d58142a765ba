//! Support code shared with the tests: manifests, certificates, clients.

#[path = "../../../tests/support/backend.rs"]
pub mod backend;
#[path = "../../../tests/support/client.rs"]
pub mod client;
#[path = "../../../tests/support/grpc.rs"]
pub mod grpc;
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
#[path = "../../../tests/support/websocket.rs"]
pub mod websocket;

pub use wait::{DEADLINE, eventually};
