//! The status of the listeners of Gateways and ListenerSets.

use super::foreign::recorded_of;
use super::types::{ListenerStatus, Stamp, SupportedKind};
use super::{Applied, BindFailure, BindFailureReason};
use gatefold_dataplane::SocketKey;
use gatefold_graph::condition::{self, Condition, ConditionType, Reason};
use gatefold_graph::environment::PortSource;
use gatefold_graph::listener::ListenerNode;
use gatefold_manifest::api::RecordedListener;

/// A socket that couldn't be bound.
pub(super) type Failure<'a> = (SocketKey, &'a BindFailure);

/// Returns the listeners with all of their conditions.
pub(super) fn with_conditions<'n>(
    listeners: impl Iterator<Item = &'n ListenerNode>,
    applied: &Applied,
) -> Vec<(&'n ListenerNode, Vec<Condition>)> {
    listeners
        .map(|listener| (listener, conditions(listener, applied)))
        .collect()
}

/// Makes the entries of `status.listeners`.
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

fn kinds(listener: &ListenerNode) -> Vec<SupportedKind> {
    let kinds = listener.supported_kinds.iter();
    let kinds = kinds.map(|it| SupportedKind {
        group: it.group(),
        kind: it.name(),
    });
    kinds.collect()
}

/// Returns the sockets of a listener that couldn't be bound.
pub(super) fn failures<'a>(listener: &ListenerNode, applied: &'a Applied) -> Vec<Failure<'a>> {
    let failed = listener.sockets.iter().filter_map(|socket| {
        let failure = applied.failed.get(socket)?;
        Some((*socket, failure))
    });
    failed.collect()
}

/// Whether the port is unavailable, as opposed to the address.
pub(super) fn port_is_at_fault(failure: &BindFailure) -> bool {
    match failure.reason {
        BindFailureReason::PortInUse | BindFailureReason::PermissionDenied => true,
        BindFailureReason::AddressNotAvailable | BindFailureReason::Other => false,
    }
}

/// Joins the messages of several failures, each once.
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
        conditions.push(programmed(listener));
        return conditions;
    }
    let by_port = failures.iter().all(|(_, it)| port_is_at_fault(it));
    let message = messages(&failures);
    if by_port && failures.len() == listener.sockets.len() {
        let reason = Reason::PortUnavailable;
        let refused = Condition::fails(ConditionType::Accepted, reason, message.clone());
        condition::set(&mut conditions, refused);
    }
    let reason = if by_port {
        Reason::PortUnavailable
    } else {
        Reason::AddressNotUsable
    };
    conditions.push(Condition::fails(ConditionType::Programmed, reason, message));
    conditions
}

/// Returns `Programmed` of a listener whose sockets are bound.
fn programmed(listener: &ListenerNode) -> Condition {
    const PROGRAMMED: ConditionType = ConditionType::Programmed;
    if let Some(refusal) = &listener.refusal {
        let message = format!("every request is answered 500: {refusal}");
        return Condition::fails(PROGRAMMED, Reason::UnenforcedPolicy, message);
    }
    let bound_port = listener.sockets.first().map(SocketKey::port);
    match bound_port.filter(|port| *port != listener.port) {
        Some(port) => {
            let why = match listener.port_source {
                PortSource::PortMap => "--port-map",
                PortSource::GatewayPort => "another Gateway has that port",
                PortSource::NamedSocket => "a socket from systemd",
            };
            let message = format!("port {} is served at port {port} ({why})", listener.port);
            Condition::holds(PROGRAMMED, Reason::Programmed, message)
        }
        None => Condition::holds(PROGRAMMED, Reason::Programmed, "the listener is served"),
    }
}
