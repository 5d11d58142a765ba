//! Report: what the graph says and what the sockets did become the statuses of the API.
//!
//! In: a graph, what binding the sockets gave, the statuses before, the time. Out: statuses as Kubernetes
//! would show them, valid by the kinds' CRDs. Nothing is read or written here.

mod gateway;
pub mod table;
mod types;

pub use crate::listen::{BindFailure, BindFailureReason};
pub use types::{
    GatewayClassStatus, GatewayStatus, ListenerStatus, RouteKind, RouteParentStatus, RouteStatus,
    StatusAddress, StatusCondition, SupportedFeature,
};

use crate::graph::Graph;
use crate::graph::gateway_class::{GatewayClassNode, SUPPORTED_FEATURES};
use crate::graph::http_route::{HttpRouteNode, ParentNode};
use crate::manifest::api::NamespacedName;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use time::OffsetDateTime;
use types::Stamp;

/// What became of the sockets that a snapshot needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Sockets that couldn't be bound, and why. What isn't in here is bound.
    pub failed: BTreeMap<SocketAddr, BindFailure>,
}

/// The statuses of all objects that are ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statuses {
    /// GatewayClasses by name.
    pub gateway_classes: BTreeMap<String, GatewayClassStatus>,
    /// Gateways.
    pub gateways: BTreeMap<NamespacedName, GatewayStatus>,
    /// HTTPRoutes.
    pub http_routes: BTreeMap<NamespacedName, RouteStatus>,
}

/// Makes the statuses. The time of a condition stays that of `previous` as long as its status is the same.
pub fn report(
    graph: &Graph,
    applied: &Applied,
    previous: &Statuses,
    now: OffsetDateTime,
) -> Statuses {
    let class = |(name, node): (&String, &GatewayClassNode)| {
        let before = previous.gateway_classes.get(name);
        (name.clone(), gateway_class(node, before, now))
    };
    let route = |(key, node): (&NamespacedName, &HttpRouteNode)| {
        let before = previous.http_routes.get(key);
        (key.clone(), http_route(node, before, now))
    };
    let gateways = graph.gateways.iter().map(|(key, node)| {
        let before = previous.gateways.get(key);
        (key.clone(), gateway::report(node, applied, before, now))
    });
    Statuses {
        gateway_classes: graph.gateway_classes.iter().map(class).collect(),
        gateways: gateways.collect(),
        http_routes: graph.http_routes.iter().map(route).collect(),
    }
}

fn gateway_class(
    node: &GatewayClassNode,
    previous: Option<&GatewayClassStatus>,
    now: OffsetDateTime,
) -> GatewayClassStatus {
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let before = previous.map_or(&[][..], |status| &status.conditions);
    GatewayClassStatus {
        conditions: stamp.conditions(&node.conditions, before),
        supported_features: SUPPORTED_FEATURES
            .iter()
            .map(|name| SupportedFeature { name })
            .collect(),
    }
}

fn http_route(
    node: &HttpRouteNode,
    previous: Option<&RouteStatus>,
    now: OffsetDateTime,
) -> RouteStatus {
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let parent = |parent: &ParentNode| {
        let before = previous.and_then(|status| {
            let same = |p: &&RouteParentStatus| {
                p.parent_ref == parent.reference && p.controller_name == parent.controller_name
            };
            status.parents.iter().find(same)
        });
        let before = before.map_or(&[][..], |parent| &parent.conditions);
        RouteParentStatus {
            parent_ref: parent.reference.clone(),
            controller_name: parent.controller_name.clone(),
            conditions: stamp.conditions(&parent.conditions, before),
        }
    };
    RouteStatus {
        parents: node.parents.iter().map(parent).collect(),
    }
}
