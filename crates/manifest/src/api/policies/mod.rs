//! Policies and their targets.

mod backend_tls_policy;
mod target;

pub use backend_tls_policy::*;
pub use target::*;
