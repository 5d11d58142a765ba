//! gatefold runs Kubernetes Gateway API manifests without Kubernetes.
//!
//! ```text
//! files --load--> Resources --build--> Graph --+--compile--> Snapshot --publish--> proxy
//!                                              +--report---> Status
//! ```
//!
//! Data flows one way. Every reload rebuilds the parts that an edit affects and swaps one pointer. A request uses one
//! snapshot for its whole life. The layers are crates (`crates/`); this crate is the daemon that connects them.

// These macros panic if the output can't be written, and block on a slow reader. Use `telemetry::write_line` and `cli::print`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod admin;
pub mod cli;
mod dev;
mod development_ca;
mod echo;
mod environment;
pub mod issuer_fetch;
mod lifecycle;
pub mod reload;
mod render;
mod stable_hash;
mod state_dir;
pub mod status;
mod systemd;
mod telemetry;
mod unix_socket;
mod upgrade;
mod watch;
