//! The statuses of routes of any kind.

use super::foreign;
use super::types::{RouteParentStatus, RouteStatus, Stamp};
use gatefold_graph::ordered::Follow;
use gatefold_graph::route::{ParentNode, RouteKind, RouteNode, RouteNodes};
use gatefold_manifest::api::NamespacedName;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;
use time::OffsetDateTime;

/// The API's limit for `status.parents`.
const MOST_PARENTS: usize = 32;

/// The statuses of the routes of a kind, by name. An unchanged status is shared with the previous report.
#[derive(Clone, Debug, Default)]
pub struct RouteStatuses<K: RouteKind> {
    statuses: BTreeMap<NamespacedName, Arc<RouteStatus>>,
    /// The nodes that the statuses were made from. They don't take part in comparisons.
    nodes: Arc<RouteNodes<K>>,
}

impl<K: RouteKind> PartialEq for RouteStatuses<K> {
    fn eq(&self, other: &Self) -> bool {
        self.statuses == other.statuses
    }
}

impl<K: RouteKind> Deref for RouteStatuses<K> {
    type Target = BTreeMap<NamespacedName, Arc<RouteStatus>>;

    fn deref(&self) -> &Self::Target {
        &self.statuses
    }
}

impl<K: RouteKind> RouteStatuses<K> {
    /// Makes the statuses of these routes. `ours` are the names of gatefold's own controllers.
    pub(super) fn report(
        nodes: &Arc<RouteNodes<K>>,
        previous: &Self,
        ours: &BTreeSet<String>,
        now: OffsetDateTime,
    ) -> Self {
        let mut before = Follow::new(&previous.statuses);
        let mut nodes_before = Follow::new(&previous.nodes);
        let statuses = nodes.iter().map(|(key, node)| {
            let before = before.at(key);
            let node_before = nodes_before.at(key);
            let is_same = node_before.is_some_and(|old| Arc::ptr_eq(old, node));
            let status = match before.filter(|_| is_same) {
                Some(same) => same.clone(),
                None => Arc::new(status(node, before.map(|it| &**it), ours, now)),
            };
            (key.clone(), status)
        });
        RouteStatuses {
            statuses: statuses.collect(),
            nodes: nodes.clone(),
        }
    }
}

fn status<K: RouteKind>(
    node: &RouteNode<K>,
    previous: Option<&RouteStatus>,
    ours: &BTreeSet<String>,
    now: OffsetDateTime,
) -> RouteStatus {
    let recorded = &node.resource.recorded().parents;
    let home = &node.resource.meta.namespace;
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let parent = |parent: &ParentNode| {
        let before = previous.and_then(|status| {
            let same = |it: &&RouteParentStatus| {
                it.parent_ref == parent.reference && it.controller_name == parent.controller_name
            };
            status.parents.iter().find(same)
        });
        let before = before.map_or(&[][..], |parent| &parent.conditions);
        let (name, reference) = (&parent.controller_name, &parent.reference);
        let recorded = foreign::recorded_at(recorded, name, reference, home);
        RouteParentStatus {
            parent_ref: reference.clone(),
            controller_name: name.clone(),
            conditions: stamp.conditions(&parent.conditions, before, recorded),
        }
    };
    let parents: Vec<RouteParentStatus> = node.parents.iter().map(parent).collect();
    let room = MOST_PARENTS.saturating_sub(parents.len());
    RouteStatus {
        foreign: foreign::entries("parentRef", recorded, ours, room),
        parents,
    }
}
