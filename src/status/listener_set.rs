//! The status of a ListenerSet: a summary of its listeners, unless its Gateway doesn't allow or serve them.

use super::listener::{self, failures, messages, port_is_at_fault};
use super::types::{ListenerSetStatus, Stamp};
use super::{Applied, Statuses};
use gatefold_graph::Graph;
use gatefold_graph::condition::{self, Condition, ConditionStatus, ConditionType, Reason};
use gatefold_graph::gateway::{GatewayNode, ListenerSetNode};
use gatefold_graph::listener::ListenerNode;
use gatefold_manifest::api::NamespacedName;
use std::collections::BTreeMap;
use time::OffsetDateTime;

type Listeners<'n> = Vec<(&'n ListenerNode, Vec<Condition>)>;

/// Makes the statuses of all ListenerSets.
pub(super) fn report(
    graph: &Graph,
    applied: &Applied,
    previous: &Statuses,
    now: OffsetDateTime,
) -> BTreeMap<NamespacedName, ListenerSetStatus> {
    let one = |(key, node): (&NamespacedName, &ListenerSetNode)| {
        let gateway = graph.gateways.get(&node.gateway)?;
        let stamp = Stamp {
            generation: node.resource.meta.generation,
            now,
        };
        let own = gateway.listeners_of(Some(node));
        let listeners = listener::with_conditions(own.map(|(_, listener)| listener), applied);
        let conditions = [
            accepted(node, gateway, &listeners),
            programmed(node, gateway, &listeners, applied),
        ];
        let before = previous.listener_sets.get(key);
        let recorded = node.resource.recorded();
        let before_conditions = before.map_or(&[][..], |it| &it.conditions);
        let before_listeners = before.map_or(&[][..], |it| &it.listeners);
        let status = ListenerSetStatus {
            conditions: stamp.conditions(&conditions, before_conditions, &recorded.conditions),
            listeners: listener::report(&listeners, before_listeners, &recorded.listeners, stamp),
        };
        Some((key.clone(), status))
    };
    graph.listener_sets.iter().filter_map(one).collect()
}

/// Counts the ListenerSets of each Gateway that are allowed and accepted (API: `GatewayStatus.attachedListenerSets`).
pub(super) fn attached<'g>(
    graph: &'g Graph,
    statuses: &BTreeMap<NamespacedName, ListenerSetStatus>,
) -> BTreeMap<&'g NamespacedName, u32> {
    let mut counts = BTreeMap::new();
    for (key, node) in &graph.listener_sets {
        let conditions = statuses.get(key).map_or(&[][..], |it| &it.conditions);
        let mut accepted = conditions
            .iter()
            .filter(|it| it.kind == ConditionType::Accepted);
        if accepted.any(|it| it.status == ConditionStatus::True) {
            *counts.entry(&node.gateway).or_default() += 1;
        }
    }
    counts
}

/// A ListenerSet is accepted if at least one of its listeners is valid.
fn accepted(node: &ListenerSetNode, gateway: &GatewayNode, listeners: &Listeners<'_>) -> Condition {
    const ACCEPTED: ConditionType = ConditionType::Accepted;
    if !node.allowed {
        return Condition::fails(ACCEPTED, Reason::NotAllowed, not_allowed(node));
    }
    if gateway.refused {
        let message = format!("Gateway {} isn't accepted", node.gateway);
        return Condition::fails(ACCEPTED, Reason::ParentNotAccepted, message);
    }
    let Some(message) = invalid(listeners) else {
        return Condition::holds(ACCEPTED, Reason::Accepted, "the ListenerSet is accepted");
    };
    if all_invalid(listeners) {
        Condition::fails(ACCEPTED, Reason::ListenersNotValid, message)
    } else {
        Condition::holds(ACCEPTED, Reason::ListenersNotValid, message)
    }
}

/// A ListenerSet is programmed if at least one of its listeners is served.
fn programmed(
    node: &ListenerSetNode,
    gateway: &GatewayNode,
    listeners: &Listeners<'_>,
    applied: &Applied,
) -> Condition {
    const PROGRAMMED: ConditionType = ConditionType::Programmed;
    let served = |conditions: &[Condition]| condition::is_true(conditions, PROGRAMMED);
    if listeners.iter().any(|(_, conditions)| served(conditions)) {
        return Condition::holds(PROGRAMMED, Reason::Programmed, "the ListenerSet is served");
    }
    if !node.allowed {
        return Condition::fails(PROGRAMMED, Reason::NotAllowed, not_allowed(node));
    }
    if !gateway.refused && all_invalid(listeners) {
        let message = invalid(listeners).unwrap_or_default();
        return Condition::fails(PROGRAMMED, Reason::ListenersNotValid, message);
    }
    let failed: Vec<_> = listeners
        .iter()
        .flat_map(|(listener, _)| failures(listener, applied))
        .collect();
    if !failed.is_empty() && failed.iter().all(|(_, failure)| port_is_at_fault(failure)) {
        return Condition::fails(PROGRAMMED, Reason::PortUnavailable, messages(&failed));
    }
    let mut refusals = listeners.iter().filter(|(listener, _)| listener.serving);
    if let Some(refusal) = refusals.find_map(|(listener, _)| listener.refusal.as_ref()) {
        let message = format!("every request is answered 500: {refusal}");
        return Condition::fails(PROGRAMMED, Reason::UnenforcedPolicy, message);
    }
    let message = format!("Gateway {} isn't served: see its conditions", node.gateway);
    Condition::fails(PROGRAMMED, Reason::ParentNotProgrammed, message)
}

fn not_allowed(node: &ListenerSetNode) -> String {
    let namespace = &node.resource.meta.namespace;
    let gateway = &node.gateway;
    format!(
        "Gateway {gateway} allows no ListenerSet of namespace `{namespace}` (`allowedListeners`)"
    )
}

/// Whether a listener can't be served regardless of its Gateway: it isn't accepted, or has no certificate.
fn is_invalid(conditions: &[Condition]) -> bool {
    let programmed = condition::find(conditions, ConditionType::Programmed);
    !condition::is_true(conditions, ConditionType::Accepted)
        || programmed.is_some_and(|condition| condition.reason == Reason::Invalid)
}

fn all_invalid(listeners: &Listeners<'_>) -> bool {
    listeners
        .iter()
        .all(|(_, conditions)| is_invalid(conditions))
}

/// Returns a message that names the invalid listeners, or `None` if there are none.
fn invalid(listeners: &Listeners<'_>) -> Option<String> {
    let found = listeners.iter().filter(|(_, it)| is_invalid(it));
    let names: Vec<String> = found
        .map(|(listener, _)| format!("`{}`", listener.name))
        .collect();
    let message = || format!("listeners that can't be served: {}", names.join(", "));
    (!names.is_empty()).then(message)
}
