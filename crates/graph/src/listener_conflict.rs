//! Listeners that claim the same traffic (API: `GatewaySpec.listeners`, "Distinct Listeners").
//!
//! Within an object none of them is served. Gateways and their ListenerSets may share an address and a port;
//! what two objects claim both, the first one keeps: Gateways before ListenerSets, then the older one (API:
//! `ListenerSetSpec.listeners`). Claims don't depend on whether a listener's certificates are good, so that a
//! broken certificate never moves traffic to another Gateway.

use super::Build;
use super::condition::{self, Condition, ConditionType};
use super::gateway::{GatewayNode, ListenerNode, Protocol};
use super::listener::ListenerOwner;
use gatefold_dataplane::SocketKey;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{Hostname, NamespacedName};
use std::collections::{BTreeMap, HashMap};

type Gateways = BTreeMap<NamespacedName, GatewayNode>;

/// A listener: which Gateway, and its place among all listeners of that.
type Owner = (NamespacedName, usize);

/// Who has what of a socket.
struct Claims {
    protocol: Protocol,
    first: Owner,
    by_hostname: HashMap<Option<Hostname>, Owner>,
}

/// What a listener claims.
struct Claim {
    owner: Owner,
    /// Nothing for a protocol that isn't served: it takes nothing from anybody.
    protocol: Option<Protocol>,
    hostname: Option<Hostname>,
    sockets: Vec<SocketKey>,
}

/// Why a listener isn't distinct.
#[derive(Clone)]
struct Conflict {
    reason: &'static str,
    message: String,
    other: Owner,
}

/// Marks every listener with `Conflicted`, and HTTPS listeners whose hostnames overlap.
pub(super) fn resolve(nodes: &mut Gateways, build: &mut Build<'_>) {
    let mut conflicts: BTreeMap<Owner, Conflict> = BTreeMap::new();
    let mut claimed: HashMap<SocketKey, Claims> = HashMap::new();
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

/// What each object claims, the objects that come first before the others.
fn by_precedence(nodes: &Gateways, build: &Build<'_>) -> Vec<Vec<Claim>> {
    let mut objects = BTreeMap::new();
    for (key, node) in nodes {
        for (position, listener) in node.listeners.iter().enumerate() {
            let precedence = match &listener.owner {
                ListenerOwner::Gateway(gateway) => (false, gateway.age()),
                ListenerOwner::ListenerSet(set) => (true, set.age()),
            };
            let claims: &mut Vec<Claim> = objects.entry(precedence).or_default();
            claims.push(Claim {
                owner: (key.clone(), position),
                protocol: listener.protocol,
                hostname: listener.hostname.clone(),
                sockets: listener.needed_sockets(&node.addresses, build.environment),
            });
        }
    }
    objects.into_values().collect()
}

/// Conflicts among the listeners of one object: all that are involved lose.
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
        let (reason, what) = match rival.protocol == claim.protocol {
            true => ("HostnameConflict", "hostname"),
            false => ("ProtocolConflict", "port, but another protocol"),
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
    /// What stands against a further listener on the socket.
    fn against(&self, claim: &Claim, socket: SocketKey, nodes: &Gateways) -> Option<Conflict> {
        let (reason, other, what) = match claim.protocol {
            None => {
                let foreign = self.is_foreign(&claim.owner, nodes);
                let first = foreign.then_some(&self.first)?;
                ("ProtocolConflict", first, "with another protocol")
            }
            Some(protocol) if protocol != self.protocol => {
                ("ProtocolConflict", &self.first, "with another protocol")
            }
            Some(_) => {
                let other = self.by_hostname.get(&claim.hostname)?;
                ("HostnameConflict", other, "with the same hostname")
            }
        };
        let owner = &listener(nodes, other)?.owner;
        let (kind, key) = (owner.kind(), owner.key());
        Some(Conflict {
            reason,
            message: format!("{kind} {key}, which comes first, has {socket} {what}"),
            other: other.clone(),
        })
    }

    /// Whether a listener of a protocol that isn't served stands in another object, and couldn't share the port
    /// if it were. For one in the same object it's enough to say that its protocol isn't served.
    fn is_foreign(&self, owner: &Owner, nodes: &Gateways) -> bool {
        let (Some(own), Some(first)) = (listener(nodes, owner), listener(nodes, &self.first))
        else {
            return false;
        };
        let protocol = own.spec().map(|spec| spec.protocol.as_str());
        let excluded = match (protocol, self.protocol) {
            (Some("TCP"), _) | (Some("TLS"), Protocol::Http) => true,
            // UDP has ports of its own; TLS goes with HTTPS by hostnames; of others nobody knows.
            _ => false,
        };
        excluded && own.owner.id() != first.owner.id()
    }
}

fn listener<'n>(nodes: &'n Gateways, (key, position): &Owner) -> Option<&'n ListenerNode> {
    nodes.get(key)?.listeners.get(*position)
}

fn take(claimed: &mut HashMap<SocketKey, Claims>, claim: &Claim) {
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
                    "NoConflicts",
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

/// HTTPS listeners on one socket of which one's hostname is within another's (API:
/// `ListenerConditionOverlappingTLSConfig`): browsers may use a connection to the one for the other.
fn mark_overlaps(claimed: &HashMap<SocketKey, Claims>, nodes: &mut Gateways) {
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
                "OverlappingHostnames",
                format!("the hostname overlaps with that of listener {other} on the same port"),
            ));
        }
    }
}

/// The wildcards that cover a hostname, and then the pattern for any name.
fn wider_patterns(hostname: &Hostname) -> impl Iterator<Item = Option<Hostname>> {
    let name = hostname.wildcard_suffix().unwrap_or(hostname.as_str());
    let dots = name.match_indices('.');
    let wildcards = dots.filter_map(|(dot, _)| {
        let suffix = name.get(dot + 1..)?;
        Hostname::parse(&format!("*.{suffix}")).ok().map(Some)
    });
    wildcards.chain([None])
}
