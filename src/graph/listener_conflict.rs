//! Listeners that claim the same traffic (API: `GatewaySpec.listeners`, "Distinct Listeners").
//!
//! Within a Gateway none of them is served. Gateways may share an address and a port; what two of them
//! claim both, the older one keeps. Claims don't depend on whether a listener's certificates are good, so
//! that a broken certificate never moves traffic to another Gateway.

use super::Build;
use super::condition::{self, Condition, ConditionType};
use super::gateway::{GatewayNode, Protocol};
use crate::diagnostic::{Code, Diagnostic, Pointer};
use crate::manifest::api::{Gateway, Hostname, NamespacedName};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

/// A listener: which Gateway, and which of its listeners.
type Owner = (NamespacedName, usize);

/// Who has what of a socket.
struct Claims {
    protocol: Protocol,
    first: Owner,
    by_hostname: HashMap<Option<Hostname>, Owner>,
}

/// Why a listener isn't distinct.
#[derive(Clone)]
struct Conflict {
    reason: &'static str,
    message: String,
    other: Owner,
}

/// Marks every listener with `Conflicted`, and HTTPS listeners whose hostnames overlap.
pub(super) fn resolve(nodes: &mut BTreeMap<NamespacedName, GatewayNode>, build: &mut Build<'_>) {
    let mut conflicts: BTreeMap<Owner, Conflict> = BTreeMap::new();
    let mut claimed: HashMap<SocketAddr, Claims> = HashMap::new();
    for key in by_age(nodes) {
        let Some(node) = nodes.get(&key) else {
            continue;
        };
        let own = claims(&key, node, build);
        conflicts.extend(within(&own, &node.resource));
        for (owner, protocol, hostname, sockets) in &own {
            if conflicts.contains_key(owner) {
                continue;
            }
            let taken = sockets.iter().find_map(|socket| {
                let claims = claimed.get(socket)?;
                claims.against(*protocol, hostname.as_ref(), *socket)
            });
            match taken {
                Some(conflict) => {
                    conflicts.insert(owner.clone(), conflict);
                }
                None => claim(&mut claimed, owner, *protocol, hostname, sockets),
            }
        }
    }
    report(&conflicts, nodes, build);
    mark(&conflicts, nodes);
    mark_overlaps(&claimed, nodes);
}

/// The oldest first, then by namespace and name.
fn by_age(nodes: &BTreeMap<NamespacedName, GatewayNode>) -> Vec<NamespacedName> {
    let mut gateways: Vec<&Arc<Gateway>> = nodes.values().map(|node| &node.resource).collect();
    gateways.sort_by_cached_key(|gateway| gateway.age());
    gateways.into_iter().map(|gateway| gateway.key()).collect()
}

type Claim = (Owner, Protocol, Option<Hostname>, Vec<SocketAddr>);

/// What the accepted listeners of a Gateway claim.
fn claims(key: &NamespacedName, node: &GatewayNode, build: &Build<'_>) -> Vec<Claim> {
    let accepted = node.listeners.iter().filter_map(|listener| {
        let accepted = condition::is_true(&listener.conditions, ConditionType::Accepted);
        Some((listener, listener.protocol.filter(|_| accepted)?))
    });
    accepted
        .map(|(listener, protocol)| {
            let environment = build.environment;
            let sockets = environment.sockets(key, &listener.name, listener.port, &node.addresses);
            (
                (key.clone(), listener.index),
                protocol,
                listener.hostname.clone(),
                sockets,
            )
        })
        .collect()
}

/// Conflicts among the listeners of one Gateway: all that are involved lose.
fn within(own: &[Claim], gateway: &Gateway) -> Vec<(Owner, Conflict)> {
    let mut conflicts = Vec::new();
    for (owner, protocol, hostname, sockets) in own {
        let rival = own
            .iter()
            .find(|(other, other_protocol, other_hostname, theirs)| {
                other != owner
                    && theirs.last() == sockets.last()
                    && sockets.last().is_some()
                    && (other_protocol != protocol || other_hostname == hostname)
            });
        let Some((other, other_protocol, ..)) = rival else {
            continue;
        };
        let listener = gateway.spec.listeners.get(other.1);
        let name = listener.map_or("", |listener| listener.name.as_str());
        let (reason, what) = match other_protocol == protocol {
            true => ("HostnameConflict", "hostname"),
            false => ("ProtocolConflict", "port, but another protocol"),
        };
        let conflict = Conflict {
            reason,
            message: format!("listener `{name}` of the same Gateway has the same {what}"),
            other: other.clone(),
        };
        conflicts.push((owner.clone(), conflict));
    }
    conflicts
}

impl Claims {
    /// What stands against a further listener on the socket.
    fn against(
        &self,
        protocol: Protocol,
        hostname: Option<&Hostname>,
        socket: SocketAddr,
    ) -> Option<Conflict> {
        let (reason, other, what) = if protocol != self.protocol {
            ("ProtocolConflict", &self.first, "with another protocol")
        } else {
            let other = self.by_hostname.get(&hostname.cloned())?;
            ("HostnameConflict", other, "with the same hostname")
        };
        Some(Conflict {
            reason,
            message: format!(
                "Gateway {}, which comes first, has {socket} {what}",
                other.0
            ),
            other: other.clone(),
        })
    }
}

fn claim(
    claimed: &mut HashMap<SocketAddr, Claims>,
    owner: &Owner,
    protocol: Protocol,
    hostname: &Option<Hostname>,
    sockets: &[SocketAddr],
) {
    for socket in sockets {
        let claims = claimed.entry(*socket).or_insert_with(|| Claims {
            protocol,
            first: owner.clone(),
            by_hostname: HashMap::new(),
        });
        claims.by_hostname.insert(hostname.clone(), owner.clone());
    }
}

fn report(
    conflicts: &BTreeMap<Owner, Conflict>,
    nodes: &BTreeMap<NamespacedName, GatewayNode>,
    build: &mut Build<'_>,
) {
    let pointer = |index: usize| Pointer::spec().key("listeners").index(index);
    for ((key, index), conflict) in conflicts {
        let (other, other_index) = &conflict.other;
        let (Some(node), Some(other)) = (nodes.get(key), nodes.get(other)) else {
            continue;
        };
        let gateway = &node.resource;
        let place = gateway.place(pointer(*index));
        let message = format!("the listener isn't served: {}", conflict.message);
        let finding = Diagnostic::new(Code::ListenerConflict, place, message)
            .about(gateway.id())
            .label(
                other.resource.place(pointer(*other_index)),
                "the other listener",
            )
            .help("give one of them another port, hostname or address");
        build.diagnostics.push(finding);
    }
}

fn mark(conflicts: &BTreeMap<Owner, Conflict>, nodes: &mut BTreeMap<NamespacedName, GatewayNode>) {
    for (key, node) in nodes {
        for listener in &mut node.listeners {
            let conditions = &mut listener.conditions;
            let Some(conflict) = conflicts.get(&(key.clone(), listener.index)) else {
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
fn mark_overlaps(
    claimed: &HashMap<SocketAddr, Claims>,
    nodes: &mut BTreeMap<NamespacedName, GatewayNode>,
) {
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
        .map(|(owner, (key, index))| {
            let listener = nodes.get(key).and_then(|node| node.listeners.get(*index));
            let name = listener.map_or("", |listener| listener.name.as_str());
            (owner.clone(), format!("{key}/{name}"))
        })
        .collect();
    for ((key, index), other) in names {
        let node = nodes.get_mut(&key);
        if let Some(listener) = node.and_then(|node| node.listeners.get_mut(index)) {
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
