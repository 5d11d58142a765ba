//! Listeners that claim the same traffic (API: `GatewaySpec.listeners`, "Distinct Listeners").
//!
//! If they belong to one object, none of them is served. Gateways and their ListenerSets may share an address and a port.
//! If listeners of two objects claim the same traffic, the object with precedence keeps it: Gateways before ListenerSets,
//! then the older object (API: `ListenerSetSpec.listeners`). Claims don't depend on the validity of a listener's
//! certificates, so that a broken certificate never moves traffic to another Gateway.

use crate::Build;
use crate::condition::{self, Condition, ConditionType, Reason};
use crate::gateway::{GatewayNode, ListenerNode, Protocol};
use crate::listener::ListenerOwner;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{Hostname, NamespacedName};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

type Gateways = BTreeMap<NamespacedName, GatewayNode>;

/// A listener: its Gateway, and its index among all listeners of that Gateway.
type Owner = (NamespacedName, usize);

/// The listeners that have claimed a socket.
struct Claims {
    protocol: Protocol,
    first: Owner,
    by_hostname: HashMap<Option<Hostname>, Owner>,
}

/// The traffic that a listener claims.
struct Claim {
    owner: Owner,
    /// `None` for a protocol that isn't served: such a listener claims nothing.
    protocol: Option<Protocol>,
    hostname: Option<Hostname>,
    sockets: Vec<SocketAddr>,
}

/// The reason why a listener isn't distinct.
#[derive(Clone)]
struct Conflict {
    reason: Reason,
    message: String,
    other: Owner,
}

/// Adds `Conflicted` to the conditions of every listener, and `OverlappingTLSConfig` to those of HTTPS listeners whose
/// hostnames overlap.
pub(crate) fn resolve(nodes: &mut Gateways, build: &mut Build<'_>) {
    let mut conflicts: BTreeMap<Owner, Conflict> = BTreeMap::new();
    let mut claimed: HashMap<SocketAddr, Claims> = HashMap::new();
    for own in by_precedence(nodes, build) {
        conflicts.extend(within(&own, nodes));
        for claim in &own {
            if conflicts.contains_key(&claim.owner) {
                continue;
            }
            let taken = claim.sockets.iter().find_map(|socket| {
                let claims = claimed.get(socket)?;
                claims.against(claim, *socket, nodes)
            });
            match taken {
                Some(conflict) => {
                    conflicts.insert(claim.owner.clone(), conflict);
                }
                None => take(&mut claimed, claim),
            }
        }
    }
    report(&conflicts, nodes, build);
    mark(&conflicts, nodes);
    mark_overlaps(&claimed, nodes);
}

/// Returns the claims of each object, in order of the objects' precedence.
fn by_precedence(nodes: &Gateways, build: &Build<'_>) -> Vec<Vec<Claim>> {
    let mut objects = BTreeMap::new();
    for (key, node) in nodes {
        for (position, listener) in node.listeners.iter().enumerate() {
            let precedence = match &listener.owner {
                ListenerOwner::Gateway(gateway) => (false, gateway.age()),
                ListenerOwner::ListenerSet(set) => (true, set.age()),
            };
            let object = listener.owner.key();
            let (name, port) = (&listener.name, listener.port);
            let environment = build.environment;
            let claims: &mut Vec<Claim> = objects.entry(precedence).or_default();
            claims.push(Claim {
                owner: (key.clone(), position),
                protocol: listener.protocol,
                hostname: listener.hostname.clone(),
                sockets: environment.sockets(&object, name, port, &node.addresses),
            });
        }
    }
    objects.into_values().collect()
}

/// Returns the conflicts among the listeners of one object. None of the listeners involved is served.
fn within(own: &[Claim], nodes: &Gateways) -> Vec<(Owner, Conflict)> {
    let served = || own.iter().filter(|claim| claim.protocol.is_some());
    let mut conflicts = Vec::new();
    for claim in served() {
        let rival = served().find(|other| {
            other.owner != claim.owner
                && other.sockets.last() == claim.sockets.last()
                && claim.sockets.last().is_some()
                && (other.protocol != claim.protocol || other.hostname == claim.hostname)
        });
        let Some(rival) = rival else {
            continue;
        };
        let other = listener(nodes, &rival.owner);
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
            other: rival.owner.clone(),
        };
        conflicts.push((claim.owner.clone(), conflict));
    }
    conflicts
}

impl Claims {
    /// Returns the conflict of a further listener on the socket, if there is one.
    fn against(&self, claim: &Claim, socket: SocketAddr, nodes: &Gateways) -> Option<Conflict> {
        let (reason, other, what) = match claim.protocol {
            None => {
                let foreign = self.is_foreign(&claim.owner, nodes);
                let first = foreign.then_some(&self.first)?;
                (Reason::ProtocolConflict, first, "with another protocol")
            }
            Some(protocol) if protocol != self.protocol => (
                Reason::ProtocolConflict,
                &self.first,
                "with another protocol",
            ),
            Some(_) => {
                let other = self.by_hostname.get(&claim.hostname)?;
                (Reason::HostnameConflict, other, "with the same hostname")
            }
        };
        let owner = &listener(nodes, other)?.owner;
        let (kind, key) = (owner.kind(), owner.key());
        Some(Conflict {
            reason,
            message: format!("{kind} {key}, which takes precedence, uses {socket} {what}"),
            other: other.clone(),
        })
    }

    /// Whether a listener whose protocol isn't served belongs to another object, and couldn't share the port if its
    /// protocol were served. For a listener of the same object it is enough to report the protocol.
    fn is_foreign(&self, owner: &Owner, nodes: &Gateways) -> bool {
        let (Some(own), Some(first)) = (listener(nodes, owner), listener(nodes, &self.first))
        else {
            return false;
        };
        let protocol = own.spec().map(|spec| spec.protocol.as_str());
        let excluded = match (protocol, self.protocol) {
            (Some("TCP"), _) | (Some("TLS"), Protocol::Http) => true,
            // UDP has its own ports, and TLS shares a port with HTTPS by hostname. Other protocols are unknown.
            _ => false,
        };
        excluded && own.owner.id() != first.owner.id()
    }
}

fn listener<'n>(nodes: &'n Gateways, (key, position): &Owner) -> Option<&'n ListenerNode> {
    nodes.get(key)?.listeners.get(*position)
}

fn take(claimed: &mut HashMap<SocketAddr, Claims>, claim: &Claim) {
    let Some(protocol) = claim.protocol else {
        return;
    };
    for socket in &claim.sockets {
        let claims = claimed.entry(*socket).or_insert_with(|| Claims {
            protocol,
            first: claim.owner.clone(),
            by_hostname: HashMap::new(),
        });
        let hostname = claim.hostname.clone();
        claims.by_hostname.insert(hostname, claim.owner.clone());
    }
}

fn report(conflicts: &BTreeMap<Owner, Conflict>, nodes: &Gateways, build: &mut Build<'_>) {
    let place = |listener: &ListenerNode| {
        let pointer = Pointer::spec().key("listeners").index(listener.index);
        listener.owner.place(pointer)
    };
    for (owner, conflict) in conflicts {
        let (Some(loser), Some(other)) = (listener(nodes, owner), listener(nodes, &conflict.other))
        else {
            continue;
        };
        let message = format!("the listener isn't served: {}", conflict.message);
        let finding = Diagnostic::new(Code::ListenerConflict, place(loser), message)
            .about(loser.owner.id())
            .label(place(other), "the other listener")
            .help("give one of them another port, hostname or address");
        build.diagnostics.push(finding);
    }
}

fn mark(conflicts: &BTreeMap<Owner, Conflict>, nodes: &mut Gateways) {
    for (key, node) in nodes {
        for (position, listener) in node.listeners.iter_mut().enumerate() {
            let conditions = &mut listener.conditions;
            let Some(conflict) = conflicts.get(&(key.clone(), position)) else {
                conditions.push(Condition::fails(
                    ConditionType::Conflicted,
                    Reason::NoConflicts,
                    "no other listener claims the same traffic",
                ));
                continue;
            };
            let (reason, message) = (conflict.reason, &conflict.message);
            for kind in [ConditionType::Accepted, ConditionType::Programmed] {
                condition::set(conditions, Condition::fails(kind, reason, message.clone()));
            }
            let conflicted = Condition::holds(ConditionType::Conflicted, reason, message.clone());
            conditions.push(conflicted);
        }
    }
}

/// Marks HTTPS listeners on one socket of which one's hostname covers the other's (API:
/// `ListenerConditionOverlappingTLSConfig`): browsers may reuse a connection to one of them for the other.
fn mark_overlaps(claimed: &HashMap<SocketAddr, Claims>, nodes: &mut Gateways) {
    let mut overlaps: BTreeMap<&Owner, &Owner> = BTreeMap::new();
    for claims in claimed.values().filter(|c| c.protocol == Protocol::Https) {
        for (hostname, owner) in &claims.by_hostname {
            let Some(hostname) = hostname else {
                continue;
            };
            for wider in wider_patterns(hostname) {
                if let Some(other) = claims.by_hostname.get(&wider) {
                    let first = overlaps.entry(owner).or_insert(other);
                    *first = (*first).min(other);
                    let first = overlaps.entry(other).or_insert(owner);
                    *first = (*first).min(owner);
                }
            }
        }
    }
    let names: Vec<(Owner, String)> = overlaps
        .into_iter()
        .map(|(owner, other)| {
            let name = listener(nodes, other).map(ListenerNode::full_name);
            let name = format!("{}/{}", other.0, name.unwrap_or_default());
            (owner.clone(), name)
        })
        .collect();
    for ((key, position), other) in names {
        let node = nodes.get_mut(&key);
        if let Some(listener) = node.and_then(|node| node.listeners.get_mut(position)) {
            listener.conditions.push(Condition::holds(
                ConditionType::OverlappingTLSConfig,
                Reason::OverlappingHostnames,
                format!("the hostname overlaps with that of listener {other} on the same port"),
            ));
        }
    }
}

/// Returns the wildcards that cover a hostname, and `None` for any name.
fn wider_patterns(hostname: &Hostname) -> impl Iterator<Item = Option<Hostname>> {
    let name = hostname.wildcard_suffix().unwrap_or(hostname.as_str());
    let dots = name.match_indices('.');
    let wildcards = dots.filter_map(|(dot, _)| {
        let suffix = name.get(dot + 1..)?;
        Hostname::parse(&format!("*.{suffix}")).ok().map(Some)
    });
    wildcards.chain([None])
}
