//! End-to-end tests: manifests in, answers and statuses out.
//!
//! `support` starts the real binary in a temporary folder and sends it requests over real sockets. Tests wait for
//! conditions with a deadline, not for a time to pass.

mod support;

mod documents;
mod graph_fixtures;
mod interfaces;
mod load;
mod local;
mod logging;
mod manifests;
mod process;
mod reloading;
mod requests;
mod security;
mod sockets;
mod watching;
