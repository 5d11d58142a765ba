//! gatefold runs Kubernetes Gateway API manifests without Kubernetes.
//!
//! ```text
//! files --load--> Resources --build--> Graph --+--compile--> Snapshot --publish--> proxy
//!                                              +--report---> Status
//! ```
//!
//! Data flows one way. Every reload builds anew what an edit touches and swaps one pointer; a request pins
//! one snapshot for its whole life. `dataplane` and `proxy` never know of YAML, API types or the graph.

// These macros panic if nothing can be written, and wait for a slow reader: use `telemetry::say` and `cli::print`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod address_pool;
pub mod admin;
pub mod cli;
pub mod discover;
pub mod echo;
pub mod lifecycle;
pub mod reload;
mod stable_hash;
pub mod status;
pub mod system_authorities;
pub mod systemd;
pub mod telemetry;
pub mod unix_socket;
pub mod upgrade;
pub mod watch;
