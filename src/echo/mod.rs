//! Echo: a backend that answers with the request it got, as JSON.
//!
//! In: HTTP requests. Out: what the Gateway API's own test backend `echo-basic` answers, field for field
//! and byte for byte, so that tutorials and the conformance suite read it. `gatefold echo` is one such
//! backend; `run --echo` keeps one for every Service that has no endpoints. It knows nothing of gateways.

mod answer;
mod json;
mod pod_name;
mod server;
mod services;

pub use answer::Identity;
pub use pod_name::pod_name;
pub use server::Echo;
pub use services::EchoServices;
