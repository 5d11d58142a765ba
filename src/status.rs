//! Report: what the graph says and what the sockets did become the statuses of the API.
//!
//! In: a graph, what binding the sockets gave, the statuses before, the time. Out: statuses as Kubernetes
//! would show them. Nothing is read or written here.

pub use crate::listen::{BindFailure, BindFailureReason};
use crate::manifest::api::NamespacedName;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What became of the sockets that a snapshot needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Sockets that couldn't be bound, and why. What isn't in here is bound.
    pub failed: BTreeMap<SocketAddr, BindFailure>,
}

/// The statuses of all objects, as JSON for the admin API and the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statuses {
    /// GatewayClasses by name.
    pub gateway_classes: BTreeMap<String, serde_json::Value>,
    /// Gateways.
    pub gateways: BTreeMap<NamespacedName, serde_json::Value>,
    /// HTTPRoutes.
    pub http_routes: BTreeMap<NamespacedName, serde_json::Value>,
}
