//! Kinds of Kubernetes itself.

mod cluster;
mod service;

pub use cluster::*;
pub use service::*;
