//! The admin API: the configuration in force, read-only over HTTP.
//!
//! In: the [`Published`] configuration and the metrics. Out: objects as the Kubernetes API shows them, with their
//! statuses, and `/status`, `/livez`, `/readyz`, `/metrics`. It never changes anything, and it never shows the data
//! of Secrets.

mod address;
mod durations;
mod kubernetes;
mod metrics;
mod routes;
mod server;
mod spare_descriptors;
mod summary;

pub use address::AdminAddress;
pub use durations::register_durations;
pub use kubernetes::RestPath;
pub use metrics::register;
pub use server::{Admin, BindError};

use crate::lifecycle::Lifecycle;
use crate::reload::Published;
use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::sync::watch;

/// The state that the admin API shows.
#[derive(Clone)]
pub struct View {
    /// The configuration in force.
    pub published: Arc<ArcSwap<Published>>,
    /// The phase of the process.
    pub phase: watch::Receiver<Lifecycle>,
    /// All metrics.
    pub registry: Arc<Registry>,
}
