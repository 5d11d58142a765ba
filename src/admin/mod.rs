//! The admin API: what is in force, over HTTP, read-only.
//!
//! In: what the reload published, and the counters. Out: objects in Kubernetes' REST shape with their
//! statuses, `/status`, `/livez`, `/readyz`, `/metrics`. Nothing can be changed through it, and the data of
//! Secrets never leaves.

mod address;
mod derived_name;
mod discovery;
mod failure;
mod gateway_service;
mod kind;
mod metrics;
mod object;
mod rest;
mod routes;
mod server;
mod spare;
mod summary;
mod table;

pub use address::AdminAddress;
pub use kind::Kind;
pub use metrics::register;
pub use server::{Admin, BindError};

use crate::lifecycle::Lifecycle;
use crate::reload::Published;
use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::sync::watch;

/// What is shown.
#[derive(Clone)]
pub struct View {
    /// What the reload published last.
    pub published: Arc<ArcSwap<Published>>,
    /// Where the process stands.
    pub phase: watch::Receiver<Lifecycle>,
    /// Everything that is counted.
    pub registry: Arc<Registry>,
}
