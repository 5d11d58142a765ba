//! Policies and their targets.

mod backend_tls_policy;
mod envoy_gateway;
mod target;

pub use backend_tls_policy::*;
pub use envoy_gateway::*;
pub use target::*;
