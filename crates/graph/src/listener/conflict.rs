//! Listeners that claim the same traffic (API: `GatewaySpec.listeners`, "Distinct Listeners").
//!
//! If they belong to one object, none of them is served. Gateways and their ListenerSets may share an address and a port.
//! If listeners of two objects claim the same traffic, the object with precedence keeps it: Gateways before ListenerSets,
//! then the older object (API: `ListenerSetSpec.listeners`). Claims don't depend on the validity of a listener's
//! certificates, so that a broken certificate never moves traffic to another Gateway.

use super::node::{ListenerId, ListenerNode};
use super::overlap;
use super::owner::ListenerOwner;
use super::protocol::Protocol;
use crate::Build;
use crate::condition::{self, Condition, ConditionType, Reason};
use crate::gateway::{self, GatewayNodes};
use gatefold_dataplane::SocketKey;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{Hostname, NamespacedName};
use std::collections::{BTreeMap, HashMap};

/// A socket and, if no other Gateway can claim it, its Gateway.
pub(crate) type ClaimedSocket = (Option<NamespacedName>, SocketKey);

/// The claims on each socket.
pub(super) type ClaimedSockets = HashMap<ClaimedSocket, SocketClaims>;

/// The listeners that have claimed a socket.
pub(super) struct SocketClaims {
    pub protocol: Protocol,
    pub by_hostname: HashMap<Option<Hostname>, ListenerId>,
    first: ListenerId,
}

/// The traffic that a listener claims.
struct Claim {
    listener: ListenerId,
    /// `None` for a protocol that isn't served: such a listener claims nothing.
    protocol: Option<Protocol>,
    hostname: Option<Hostname>,
    sockets: Vec<ClaimedSocket>,
}

/// The reason why a listener isn't distinct.
struct Conflict {
    reason: Reason,
    message: String,
    other: ListenerId,
}

/// Adds `Conflicted` to the conditions of every listener, and `OverlappingTLSConfig` to those of HTTPS listeners whose
/// hostnames overlap.
pub(crate) fn resolve(nodes: &mut GatewayNodes, build: &mut Build<'_>) {
    let mut conflicts: BTreeMap<ListenerId, Conflict> = BTreeMap::new();
    let mut claimed = ClaimedSockets::new();
    for own in by_precedence(nodes, build) {
        conflicts.extend(within(&own, nodes));
        for claim in &own {
            if conflicts.contains_key(&claim.listener) {
                continue;
            }
            let conflict = claim.sockets.iter().find_map(|socket| {
                let claims = claimed.get(socket)?;
                claims.conflict_with(claim, socket.1, nodes)
            });
            match conflict {
                Some(conflict) => {
                    conflicts.insert(claim.listener.clone(), conflict);
                }
                None => add(&mut claimed, claim),
            }
        }
    }
    report(&conflicts, nodes, build);
    mark(&conflicts, nodes);
    overlap::mark(&claimed, nodes);
}

/// Returns the claims of each object, in order of the objects' precedence.
fn by_precedence(nodes: &GatewayNodes, build: &Build<'_>) -> Vec<Vec<Claim>> {
    let mut objects = BTreeMap::new();
    for (id, listener) in gateway::listeners(nodes) {
        let precedence = match &listener.owner {
            ListenerOwner::Gateway(gateway) => (false, gateway.age()),
            ListenerOwner::ListenerSet(set) => (true, set.age()),
        };
        let sockets = claimed_sockets(&id, listener, nodes, build);
        let claims: &mut Vec<Claim> = objects.entry(precedence).or_default();
        claims.push(Claim {
            listener: id,
            protocol: listener.protocol,
            hostname: listener.hostname.clone(),
            sockets,
        });
    }
    objects.into_values().collect()
}

/// Returns the sockets that a listener needs.
pub(crate) fn claimed_sockets(
    id: &ListenerId,
    listener: &ListenerNode,
    nodes: &GatewayNodes,
    build: &Build<'_>,
) -> Vec<ClaimedSocket> {
    let addresses = nodes.get(&id.gateway).map_or(&[][..], |it| &it.addresses);
    let sockets = listener.needed_sockets(&id.gateway, addresses, build.environment);
    let sharing = build.environment.sharing;
    let owned = |socket| (sharing.sole_owner(&id.gateway, socket), socket);
    sockets.into_iter().map(owned).collect()
}

/// Returns the conflicts among the listeners of one object. None of the listeners involved is served.
fn within(own: &[Claim], nodes: &GatewayNodes) -> Vec<(ListenerId, Conflict)> {
    let served = || own.iter().filter(|claim| claim.protocol.is_some());
    let mut conflicts = Vec::new();
    for claim in served() {
        let rival = served().find(|other| {
            other.listener != claim.listener
                && other.sockets.last() == claim.sockets.last()
                && claim.sockets.last().is_some()
                && (other.protocol != claim.protocol || other.hostname == claim.hostname)
        });
        let Some(rival) = rival else {
            continue;
        };
        let other = gateway::listener(nodes, &rival.listener);
        let (name, kind) =
            other.map_or(("", ""), |other| (other.name.as_str(), other.owner.kind()));
        let (reason, what) = if rival.protocol == claim.protocol {
            (Reason::HostnameConflict, "hostname")
        } else {
            (Reason::ProtocolConflict, "port, but another protocol")
        };
        let conflict = Conflict {
            reason,
            message: format!("listener `{name}` of the same {kind} has the same {what}"),
            other: rival.listener.clone(),
        };
        conflicts.push((claim.listener.clone(), conflict));
    }
    conflicts
}

impl SocketClaims {
    /// Returns the conflict of a further listener on the socket, if there is one.
    fn conflict_with(
        &self,
        claim: &Claim,
        socket: SocketKey,
        nodes: &GatewayNodes,
    ) -> Option<Conflict> {
        const OTHER_PROTOCOL: &str = "with another protocol";
        let (reason, other, what) = match claim.protocol {
            None => {
                let excluded = self.excludes_unserved(&claim.listener, nodes);
                let first = excluded.then_some(&self.first)?;
                (Reason::ProtocolConflict, first, OTHER_PROTOCOL)
            }
            Some(protocol) if protocol != self.protocol => {
                (Reason::ProtocolConflict, &self.first, OTHER_PROTOCOL)
            }
            Some(_) => {
                let other = self.by_hostname.get(&claim.hostname)?;
                (Reason::HostnameConflict, other, "with the same hostname")
            }
        };
        let owner = &gateway::listener(nodes, other)?.owner;
        let (kind, key) = (owner.kind(), owner.key());
        Some(Conflict {
            reason,
            message: format!("{kind} {key}, which takes precedence, uses {socket} {what}"),
            other: other.clone(),
        })
    }

    /// Whether a listener whose protocol isn't served belongs to another object, and couldn't share the port if its
    /// protocol were served. For a listener of the same object it is enough to report the protocol.
    fn excludes_unserved(&self, id: &ListenerId, nodes: &GatewayNodes) -> bool {
        let listener = |id| gateway::listener(nodes, id);
        let (Some(own), Some(first)) = (listener(id), listener(&self.first)) else {
            return false;
        };
        let protocol = own.spec().map_or("", |spec| spec.protocol.as_str());
        let excludes = match self.protocol {
            Protocol::Http => matches!(protocol, "TCP" | "TLS"),
            // TLS shares a port with HTTPS by hostname.
            Protocol::Https => protocol == "TCP",
        };
        excludes && own.owner.id() != first.owner.id()
    }
}

fn add(claimed: &mut ClaimedSockets, claim: &Claim) {
    let Some(protocol) = claim.protocol else {
        return;
    };
    for socket in &claim.sockets {
        let claims = claimed
            .entry(socket.clone())
            .or_insert_with(|| SocketClaims {
                protocol,
                first: claim.listener.clone(),
                by_hostname: HashMap::new(),
            });
        let hostname = claim.hostname.clone();
        claims.by_hostname.insert(hostname, claim.listener.clone());
    }
}

fn report(conflicts: &BTreeMap<ListenerId, Conflict>, nodes: &GatewayNodes, build: &mut Build<'_>) {
    let place = |listener: &ListenerNode| {
        let pointer = Pointer::spec().key("listeners").index(listener.index);
        listener.owner.place(pointer)
    };
    for (id, conflict) in conflicts {
        let listener = |id| gateway::listener(nodes, id);
        let (Some(loser), Some(other)) = (listener(id), listener(&conflict.other)) else {
            continue;
        };
        let message = format!("the listener isn't served: {}", conflict.message);
        let finding = Diagnostic::new(Code::ListenerConflict, place(loser), message)
            .about(loser.owner.id())
            .label(place(other), "the other listener")
            .help(help(&id.gateway, &conflict.other.gateway, nodes));
        build.diagnostics.push(finding);
    }
}

/// Returns the ways to end a conflict of a listener of Gateway `loser` with one of Gateway `winner`.
fn help(loser: &NamespacedName, winner: &NamespacedName, nodes: &GatewayNodes) -> String {
    let requests_addresses = |key| {
        let node = nodes.get(key);
        node.is_some_and(|node| !node.resource.spec.addresses.is_empty())
    };
    if loser == winner || (requests_addresses(loser) && requests_addresses(winner)) {
        return "give one of them another port, hostname or address".to_owned();
    }
    format!(
        "in a cluster each Gateway has an address of its own: use `--address-pool CIDR`, or \
         `--address {loser}=IP,{winner}=IP`, or another port or hostname in the manifest"
    )
}

fn mark(conflicts: &BTreeMap<ListenerId, Conflict>, nodes: &mut GatewayNodes) {
    for listener in nodes.values_mut().flat_map(|node| &mut node.listeners) {
        listener.conditions.push(Condition::fails(
            ConditionType::Conflicted,
            Reason::NoConflicts,
            "no other listener claims the same traffic",
        ));
    }
    for (id, conflict) in conflicts {
        let Some(listener) = gateway::listener_mut(nodes, id) else {
            continue;
        };
        let (reason, message) = (conflict.reason, &conflict.message);
        if reason == Reason::HostnameConflict {
            listener.outranked_by = Some(conflict.other.clone());
        }
        for condition in [
            Condition::fails(ConditionType::Accepted, reason, message.clone()),
            Condition::fails(ConditionType::Programmed, reason, message.clone()),
            Condition::holds(ConditionType::Conflicted, reason, message.clone()),
        ] {
            condition::set(&mut listener.conditions, condition);
        }
    }
}
