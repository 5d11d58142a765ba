//! Build: resources become a [`Graph`], in which every object knows whether it is valid and why not.
//!
//! In: [`Resources`](crate::manifest::Resources) and an [`Environment`]. Out: a node an object, with its
//! conditions, its attachments and what its references lead to; configuration and status are both plain
//! readings of it. Never here: files, sockets, the clock, Pingora. Every check runs; none hides another.

pub mod certificate;
pub mod condition;
pub mod environment;
pub mod gateway;
pub mod gateway_class;
pub mod http_route;

use crate::diagnostic::Diagnostic;
use crate::manifest::api::NamespacedName;
use gateway::GatewayNode;
use gateway_class::GatewayClassNode;
use http_route::HttpRouteNode;
use std::collections::BTreeMap;

/// Every object with what was found out about it.
#[derive(Debug, Default)]
pub struct Graph {
    /// The GatewayClasses that are ours.
    pub gateway_classes: BTreeMap<String, GatewayClassNode>,
    /// The Gateways that are ours.
    pub gateways: BTreeMap<NamespacedName, GatewayNode>,
    /// The HTTPRoutes that name at least one parent of ours.
    pub http_routes: BTreeMap<NamespacedName, HttpRouteNode>,
    /// Services and ports that routes use and for which neither the folder nor the environment has endpoints,
    /// with the DNS name to ask (an `ExternalName`'s target, else `name.namespace` and its kin). The reload
    /// looks them up and builds again when it found some.
    pub wanted: BTreeMap<(NamespacedName, u16), Wanted>,
    /// What is wrong, besides what the loader found. Ordered by file and place.
    pub diagnostics: Vec<Diagnostic>,
}

/// A Service's port that has no endpoints in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The target of an `ExternalName`; nothing for the Service's own name.
    pub external_name: Option<String>,
    /// The port to use with an address that DNS gives.
    pub port: u16,
}
