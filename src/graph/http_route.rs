use super::condition::Condition;
use crate::manifest::api::{HTTPRoute, HTTPRouteMatch, Hostname, NamespacedName, ParentReference};
use std::net::SocketAddr;
use std::sync::Arc;

/// An HTTPRoute.
#[derive(Debug)]
pub struct HttpRouteNode {
    /// The object.
    pub resource: Arc<HTTPRoute>,
    /// What it attaches to: the parent references that lead to Gateways of ours.
    pub parents: Vec<ParentNode>,
    /// Its rules, in the order of the manifest; also those that can't be served.
    pub rules: Vec<RuleNode>,
}

/// One parent reference.
#[derive(Debug)]
pub struct ParentNode {
    /// The reference, as it stands in the manifest.
    pub reference: ParentReference,
    /// Its place in `spec.parentRefs`.
    pub index: usize,
    /// The Gateway.
    pub gateway: NamespacedName,
    /// The controller name to report under.
    pub controller_name: String,
    /// The listeners it is attached to.
    pub attachments: Vec<Attachment>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// A listener that a route is attached to.
#[derive(Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The listener's place in the Gateway's list.
    pub listener: usize,
    /// The hostnames in force: where the route's meet the listener's. Empty: any.
    pub hostnames: Vec<Hostname>,
}

/// A rule.
#[derive(Debug)]
pub struct RuleNode {
    /// The matches; never empty.
    pub matches: Vec<HTTPRouteMatch>,
    /// The filters.
    pub filters: Vec<FilterNode>,
    /// The backends.
    pub backends: Vec<BackendNode>,
    /// A rule that can't be served as written answers 500 to what it matches.
    pub refused: bool,
}

/// A filter.
#[derive(Debug)]
pub enum FilterNode {
    /// Changes to request headers.
    RequestHeaderModifier(crate::manifest::api::HTTPHeaderFilter),
    /// Changes to response headers.
    ResponseHeaderModifier(crate::manifest::api::HTTPHeaderFilter),
}

/// A backend reference.
#[derive(Debug)]
pub struct BackendNode {
    /// `namespace/service:port`.
    pub name: String,
    /// Its weight.
    pub weight: u32,
    /// Its filters.
    pub filters: Vec<FilterNode>,
    /// What it leads to.
    pub target: TargetNode,
}

/// What a backend reference leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum TargetNode {
    /// Endpoints; possibly none.
    Service {
        /// The Service and its port.
        service: (NamespacedName, u16),
        /// Ready endpoints, in order, each once.
        endpoints: Vec<SocketAddr>,
    },
    /// The reference is invalid: its share of the traffic gets 500.
    Invalid,
}
