//! A backend that answers with the request it received, as JSON.
//!
//! In: HTTP requests. Out: the same bytes that the Gateway API's test backend `echo-basic` answers, which tutorials and the
//! conformance suite expect. `gatefold echo` runs one such backend; `run --echo` runs one for every Service without
//! endpoints. This module knows nothing about gateways.

mod answer;
mod grpc;
mod json;
mod pod_name;
mod server;
mod services;

pub use answer::{Identity, OwnPaths};
pub use pod_name::pod_name;
pub use server::{Echo, EchoOptions};
pub use services::EchoServices;
