//! The status of a Gateway: the graph's conditions, and what became of the sockets.

use super::types::{GatewayStatus, ListenerStatus, RouteKind, Stamp, StatusAddress};
use super::{Applied, BindFailure, BindFailureReason};
use crate::graph::condition::{self, Condition, ConditionType};
use crate::graph::gateway::{self, GatewayNode, ListenerNode};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use time::OffsetDateTime;

/// The API allows no more.
const MOST_ADDRESSES: usize = 16;

/// A socket that couldn't be bound.
type Failure<'a> = (SocketAddr, &'a BindFailure);

pub(super) fn report(
    node: &GatewayNode,
    applied: &Applied,
    previous: Option<&GatewayStatus>,
    now: OffsetDateTime,
) -> GatewayStatus {
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let listeners: Vec<(&ListenerNode, Vec<Condition>)> = node
        .listeners
        .iter()
        .map(|listener| (listener, listener_conditions(listener, applied)))
        .collect();
    let conditions = gateway_conditions(node, &listeners, applied);
    let before = previous.map_or(&[][..], |status| &status.conditions);
    let listener = |(listener, conditions): &(&ListenerNode, Vec<Condition>)| {
        let name = listener.name.as_str();
        let before = previous.and_then(|p| p.listeners.iter().find(|l| l.name == name));
        let before = before.map_or(&[][..], |listener| &listener.conditions);
        ListenerStatus {
            name: name.to_owned(),
            supported_kinds: kinds(listener),
            attached_routes: listener.attached_routes,
            conditions: stamp.conditions(conditions, before),
        }
    };
    GatewayStatus {
        addresses: addresses(node, applied),
        conditions: stamp.conditions(&conditions, before),
        listeners: listeners.iter().map(listener).collect(),
    }
}

fn kinds(listener: &ListenerNode) -> Vec<RouteKind> {
    let kinds = listener.supported_kinds.iter();
    let kind = |(group, kind): &(String, String)| RouteKind {
        group: group.clone(),
        kind: kind.clone(),
    };
    kinds.map(kind).collect()
}

/// Addresses that can be used: those where a socket could be bound.
fn addresses(node: &GatewayNode, applied: &Applied) -> Vec<StatusAddress> {
    let usable = node.addresses.iter().filter(|address| {
        let sockets = node.listeners.iter().flat_map(|listener| &listener.sockets);
        let mut own = sockets.filter(|socket| socket.ip() == address.bind);
        own.any(|socket| !applied.failed.contains_key(socket))
    });
    let mut shown: Vec<StatusAddress> = Vec::new();
    for address in usable.flat_map(|address| &address.shown) {
        if !shown.contains(&StatusAddress(*address)) {
            shown.push(StatusAddress(*address));
        }
    }
    shown.truncate(MOST_ADDRESSES);
    shown
}

/// The sockets of a listener that couldn't be bound. A host without IPv6 can't bind `[::]`; that is no
/// failure as long as every interface can be reached by IPv4.
fn failures<'a>(listener: &ListenerNode, applied: &'a Applied) -> Vec<Failure<'a>> {
    let failed = listener.sockets.iter().filter_map(|socket| {
        let failure = applied.failed.get(socket)?;
        Some((*socket, failure))
    });
    failed
        .filter(|(socket, failure)| {
            let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), socket.port());
            let covered = listener.sockets.contains(&v4) && !applied.failed.contains_key(&v4);
            let no_ipv6 = match failure.reason {
                BindFailureReason::AddressNotAvailable | BindFailureReason::Other => true,
                BindFailureReason::PortInUse | BindFailureReason::PermissionDenied => false,
            };
            !(covered && no_ipv6 && socket.is_ipv6() && socket.ip().is_unspecified())
        })
        .collect()
}

fn port_is_at_fault(failure: &BindFailure) -> bool {
    match failure.reason {
        BindFailureReason::PortInUse | BindFailureReason::PermissionDenied => true,
        BindFailureReason::AddressNotAvailable | BindFailureReason::Other => false,
    }
}

fn messages(failures: &[Failure<'_>]) -> String {
    let mut messages: Vec<&str> = failures.iter().map(|(_, f)| f.message.as_str()).collect();
    messages.dedup();
    messages.join("; ")
}

fn listener_conditions(listener: &ListenerNode, applied: &Applied) -> Vec<Condition> {
    let mut conditions = listener.conditions.clone();
    if !listener.serving {
        return conditions;
    }
    let failures = failures(listener, applied);
    if failures.is_empty() {
        let message = match listener.sockets.first().map(SocketAddr::port) {
            Some(port) if port != listener.port => format!(
                "port {} is served at port {port} (--port-map)",
                listener.port
            )
            .into(),
            _ => "the listener is served".into(),
        };
        let programmed = Condition {
            message,
            ..Condition::holds(ConditionType::Programmed, "Programmed", "")
        };
        conditions.push(programmed);
        return conditions;
    }
    let by_port = failures
        .iter()
        .all(|(_, failure)| port_is_at_fault(failure));
    let message = messages(&failures);
    if by_port && failures.len() == listener.sockets.len() {
        let refused = Condition::fails(ConditionType::Accepted, "PortUnavailable", message.clone());
        condition::set(&mut conditions, refused);
    }
    let reason = if by_port {
        "PortUnavailable"
    } else {
        "AddressNotUsable"
    };
    conditions.push(Condition::fails(ConditionType::Programmed, reason, message));
    conditions
}

fn gateway_conditions(
    node: &GatewayNode,
    listeners: &[(&ListenerNode, Vec<Condition>)],
    applied: &Applied,
) -> Vec<Condition> {
    let mut conditions = node.conditions.clone();
    // A port that can't be had takes acceptance from its listener, so the Gateway's is summed up again.
    if condition::is_true(&conditions, ConditionType::Accepted) {
        let each = listeners.iter().map(|(listener, conditions)| {
            let accepted = condition::is_true(conditions, ConditionType::Accepted);
            (listener.name.as_str(), accepted)
        });
        condition::set(&mut conditions, gateway::accepted(each));
    }
    if condition::find(&conditions, ConditionType::Programmed).is_none() {
        conditions.push(programmed(node, listeners, applied));
    }
    conditions
}

/// A Gateway is programmed when something of it is served on each of its addresses.
fn programmed(
    node: &GatewayNode,
    listeners: &[(&ListenerNode, Vec<Condition>)],
    applied: &Applied,
) -> Condition {
    let failed: Vec<Failure<'_>> = node
        .listeners
        .iter()
        .flat_map(|listener| failures(listener, applied))
        .collect();
    let bad_address = failed.iter().any(|(_, failure)| !port_is_at_fault(failure));
    let served = listeners
        .iter()
        .any(|(_, conditions)| condition::is_true(conditions, ConditionType::Programmed));
    if bad_address || !served {
        let message = messages(&failed);
        return Condition::fails(ConditionType::Programmed, "AddressNotUsable", message);
    }
    if failed.is_empty() {
        let message = "the Gateway is served";
        return Condition::holds(ConditionType::Programmed, "Programmed", message);
    }
    let message = format!("served, but not on every port: {}", messages(&failed));
    Condition::holds(ConditionType::Programmed, "Programmed", message)
}
