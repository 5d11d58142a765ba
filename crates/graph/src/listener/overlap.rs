//! HTTPS listeners on one socket of which one's hostname covers the other's (API: `ListenerConditionOverlappingTLSConfig`):
//! browsers may reuse a connection to one of them for the other.

use super::conflict::ClaimedSockets;
use super::node::ListenerId;
use super::protocol::Protocol;
use crate::condition::{Condition, ConditionType, Reason};
use crate::gateway::{self, GatewayNodes};
use gatefold_manifest::api::Hostname;
use std::collections::BTreeMap;

/// Adds `OverlappingTLSConfig` to the conditions of listeners whose hostnames overlap.
pub(super) fn mark(claimed: &ClaimedSockets, nodes: &mut GatewayNodes) {
    for (id, other) in overlaps(claimed) {
        let name = gateway::listener(nodes, other).map(|listener| other.name(listener));
        let name = name.unwrap_or_default();
        if let Some(listener) = gateway::listener_mut(nodes, id) {
            listener.conditions.push(Condition::holds(
                ConditionType::OverlappingTLSConfig,
                Reason::OverlappingHostnames,
                format!("the hostname overlaps with that of listener {name} on the same port"),
            ));
        }
    }
}

/// Returns each listener whose hostname overlaps, with the first listener that it overlaps with.
fn overlaps(claimed: &ClaimedSockets) -> BTreeMap<&ListenerId, &ListenerId> {
    let mut overlaps: BTreeMap<&ListenerId, &ListenerId> = BTreeMap::new();
    for claims in claimed.values().filter(|it| it.protocol == Protocol::Https) {
        for (hostname, id) in &claims.by_hostname {
            let Some(hostname) = hostname else {
                continue;
            };
            for wider in wider_patterns(hostname) {
                if let Some(other) = claims.by_hostname.get(&wider) {
                    let first = overlaps.entry(id).or_insert(other);
                    *first = (*first).min(other);
                    let first = overlaps.entry(other).or_insert(id);
                    *first = (*first).min(id);
                }
            }
        }
    }
    overlaps
}

/// Returns the wildcards that cover a hostname, the most specific one first, and then `None` for any name.
pub(super) fn wider_patterns(hostname: &Hostname) -> impl Iterator<Item = Option<Hostname>> {
    let name = hostname.wildcard_suffix().unwrap_or(hostname.as_str());
    let dots = name.match_indices('.');
    let wildcards = dots.filter_map(|(dot, _)| {
        let suffix = name.get(dot + 1..)?;
        Hostname::parse(&format!("*.{suffix}")).ok().map(Some)
    });
    wildcards.chain([None])
}
