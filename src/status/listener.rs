//! The status of listeners, those of Gateways and of ListenerSets alike.

use super::foreign::recorded_of;
use super::types::{ListenerStatus, RouteKind, Stamp};
use super::{Applied, BindFailure, BindFailureReason};
use gatefold_dataplane::SocketKey;
use gatefold_graph::UNENFORCED_POLICY;
use gatefold_graph::condition::{self, Condition, ConditionType};
use gatefold_graph::gateway::ListenerNode;
use gatefold_manifest::api::RecordedListener;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A socket that couldn't be bound.
pub(super) type Failure<'a> = (SocketKey, &'a BindFailure);

/// Listeners with all of their conditions.
pub(super) fn with_conditions<'n>(
    listeners: impl Iterator<Item = &'n ListenerNode>,
    applied: &Applied,
) -> Vec<(&'n ListenerNode, Vec<Condition>)> {
    listeners
        .map(|listener| (listener, conditions(listener, applied)))
        .collect()
}

/// `status.listeners`.
pub(super) fn report(
    listeners: &[(&ListenerNode, Vec<Condition>)],
    previous: &[ListenerStatus],
    recorded: &[RecordedListener],
    stamp: Stamp,
) -> Vec<ListenerStatus> {
    let one = |(listener, conditions): &(&ListenerNode, Vec<Condition>)| {
        let name = listener.name.as_str();
        let before = previous.iter().find(|before| before.name == name);
        let before = before.map_or(&[][..], |before| &before.conditions);
        ListenerStatus {
            name: name.to_owned(),
            supported_kinds: kinds(listener),
            attached_routes: listener.attached_routes,
            conditions: stamp.conditions(conditions, before, recorded_of(recorded, name)),
        }
    };
    listeners.iter().map(one).collect()
}

fn kinds(listener: &ListenerNode) -> Vec<RouteKind> {
    let kinds = listener.supported_kinds.iter();
    let kind = |(group, kind): &(String, String)| RouteKind {
        group: group.clone(),
        kind: kind.clone(),
    };
    kinds.map(kind).collect()
}

/// The sockets of a listener that couldn't be bound. A host without IPv6 can't bind `[::]`; that is no
/// failure as long as every interface can be reached by IPv4.
pub(super) fn failures<'a>(listener: &ListenerNode, applied: &'a Applied) -> Vec<Failure<'a>> {
    let failed = listener.sockets.iter().filter_map(|socket| {
        let failure = applied.failed.get(socket)?;
        Some((*socket, failure))
    });
    failed
        .filter(|(socket, failure)| {
            let v4 = socket.with_ip(Ipv4Addr::UNSPECIFIED);
            let covered = listener.sockets.contains(&v4) && !applied.failed.contains_key(&v4);
            let no_ipv6 = match failure.reason {
                BindFailureReason::AddressNotAvailable | BindFailureReason::Other => true,
                BindFailureReason::PortInUse | BindFailureReason::PermissionDenied => false,
            };
            !(covered && no_ipv6 && socket.ip() == Ipv6Addr::UNSPECIFIED)
        })
        .collect()
}

/// Whether it is the port that can't be had, not the address.
pub(super) fn port_is_at_fault(failure: &BindFailure) -> bool {
    match failure.reason {
        BindFailureReason::PortInUse | BindFailureReason::PermissionDenied => true,
        BindFailureReason::AddressNotAvailable | BindFailureReason::Other => false,
    }
}

/// The messages of several failures as one, each once.
pub(super) fn messages(failures: &[Failure<'_>]) -> String {
    let mut messages: Vec<&str> = failures.iter().map(|(_, f)| f.message.as_str()).collect();
    messages.dedup();
    messages.join("; ")
}

fn conditions(listener: &ListenerNode, applied: &Applied) -> Vec<Condition> {
    let mut conditions = listener.conditions.clone();
    if !listener.serving {
        return conditions;
    }
    let failures = failures(listener, applied);
    if failures.is_empty() {
        if let Some(refusal) = &listener.refusal {
            let message = format!("every request is answered 500: {refusal}");
            let programmed =
                Condition::fails(ConditionType::Programmed, UNENFORCED_POLICY, message);
            conditions.push(programmed);
            return conditions;
        }
        let message = match listener.sockets.first().map(SocketKey::port) {
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
