//! Gateways, their classes and listeners, and ReferenceGrant.

mod gateway;
mod gateway_class;
mod listener;
mod listener_set;
mod reference_grant;

pub use gateway::*;
pub use gateway_class::*;
pub use listener::*;
pub use listener_set::*;
pub use reference_grant::*;
