//! Kinds of Kubernetes itself.

mod config_map;
mod endpoints;
mod namespace;
mod pod;
mod secret;
mod service;

pub use config_map::*;
pub use endpoints::*;
pub use namespace::*;
pub use pod::*;
pub use secret::*;
pub use service::*;
