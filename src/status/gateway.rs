//! The status of a Gateway: the graph's conditions, and the outcome of binding its sockets.

use super::Applied;
use super::listener::{self, Failure, failures, messages, port_is_at_fault};
use super::types::{GatewayStatus, Stamp, StatusAddress};
use gatefold_graph::condition::{self, Condition, ConditionType, Reason};
use gatefold_graph::gateway::{self, GatewayNode};
use gatefold_graph::listener::ListenerNode;
use time::OffsetDateTime;

/// The API's limit for `status.addresses`.
const MOST_ADDRESSES: usize = 16;

pub(super) fn report(
    node: &GatewayNode,
    attached_listener_sets: u32,
    applied: &Applied,
    previous: Option<&GatewayStatus>,
    now: OffsetDateTime,
) -> GatewayStatus {
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let listeners = listener::with_conditions(node.own_listeners(), applied);
    let conditions = gateway_conditions(node, &listeners, applied);
    let before = previous.map_or(&[][..], |status| &status.conditions);
    let recorded = node.resource.recorded();
    let before_listeners = previous.map_or(&[][..], |status| &status.listeners);
    GatewayStatus {
        addresses: addresses(node, applied),
        conditions: stamp.conditions(&conditions, before, &recorded.conditions),
        listeners: listener::report(&listeners, before_listeners, &recorded.listeners, stamp),
        attached_listener_sets,
    }
}

/// Returns the addresses that can be used: those where a socket could be bound.
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

fn gateway_conditions(
    node: &GatewayNode,
    listeners: &[(&ListenerNode, Vec<Condition>)],
    applied: &Applied,
) -> Vec<Condition> {
    let mut conditions = node.conditions.clone();
    // A listener whose port is unavailable isn't accepted, so summarize the listeners once more.
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

/// A Gateway is programmed if at least one listener is served on each of its addresses.
fn programmed(
    node: &GatewayNode,
    listeners: &[(&ListenerNode, Vec<Condition>)],
    applied: &Applied,
) -> Condition {
    let failed: Vec<Failure<'_>> = node
        .own_listeners()
        .flat_map(|listener| failures(listener, applied))
        .collect();
    let bad_address = failed.iter().any(|(_, failure)| !port_is_at_fault(failure));
    let served = listeners
        .iter()
        .any(|(_, conditions)| condition::is_true(conditions, ConditionType::Programmed));
    let refusal = node.own_listeners().find_map(|listener| {
        let refusal = listener.refusal.as_ref().filter(|_| listener.serving)?;
        Some(format!(
            "listener `{}` answers 500: {refusal}",
            listener.name
        ))
    });
    if let Some(refusal) = refusal.as_ref().filter(|_| failed.is_empty() && !served) {
        return Condition::fails(
            ConditionType::Programmed,
            Reason::UnenforcedPolicy,
            refusal.clone(),
        );
    }
    if bad_address || !served {
        let message = messages(&failed);
        return Condition::fails(ConditionType::Programmed, Reason::AddressNotUsable, message);
    }
    if failed.is_empty() {
        let message = refusal.map_or_else(
            || "the Gateway is served".to_owned(),
            |refusal| format!("served, but {refusal}"),
        );
        return Condition::holds(ConditionType::Programmed, Reason::Programmed, message);
    }
    let message = format!("served, but not on every port: {}", messages(&failed));
    Condition::holds(ConditionType::Programmed, Reason::Programmed, message)
}
