//! The statuses of policies.

use super::foreign;
use super::types::{AncestorReference, PolicyAncestorStatus, PolicyStatus, Stamp};
use gatefold_graph::condition::Condition;
use gatefold_graph::policy::backend_tls_policy::BackendTlsPolicyNode;
use gatefold_graph::policy::layered_status::LayeredPolicyNodes;
use gatefold_manifest::Spec;
use gatefold_manifest::api::{GATEWAY_GROUP, NamespacedName, Object};
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;

/// The API's limit for `status.ancestors`.
const MOST_ANCESTORS: usize = 16;

/// An ancestor, its controller, and the conditions of the policy there.
type Ancestor<'n> = (AncestorReference, &'n str, &'n [Condition]);

/// Makes the status of a BackendTLSPolicy. `ours` are the names of gatefold's own controllers.
pub(super) fn backend_tls_policy(
    node: &BackendTlsPolicyNode,
    previous: Option<&PolicyStatus>,
    ours: &BTreeSet<String>,
    now: OffsetDateTime,
) -> PolicyStatus {
    let ancestors = node.gateways.iter().map(|(gateway, controller_name)| {
        let ancestor_ref = AncestorReference {
            group: GATEWAY_GROUP,
            kind: "Gateway",
            namespace: gateway.namespace.to_string(),
            name: gateway.name.to_string(),
            section_name: None,
        };
        (ancestor_ref, controller_name.as_str(), &*node.conditions)
    });
    status(&node.resource, ancestors, previous, ours, now)
}

/// Makes the statuses of policies with levels. `ours` are the names of gatefold's own controllers.
pub(super) fn layered<S: Spec>(
    nodes: &LayeredPolicyNodes<S>,
    previous: &BTreeMap<NamespacedName, PolicyStatus>,
    ours: &BTreeSet<String>,
    now: OffsetDateTime,
) -> BTreeMap<NamespacedName, PolicyStatus> {
    let statuses = nodes.iter().map(|(key, node)| {
        let ancestors = node.ancestors.iter().map(|ancestor| {
            let ancestor_ref = AncestorReference {
                group: GATEWAY_GROUP,
                kind: ancestor.kind.as_str(),
                namespace: ancestor.key.namespace.to_string(),
                name: ancestor.key.name.to_string(),
                section_name: ancestor.section.clone(),
            };
            let controller_name = ancestor.controller_name.as_str();
            (ancestor_ref, controller_name, &*ancestor.conditions)
        });
        let status = status(&node.resource, ancestors, previous.get(key), ours, now);
        (key.clone(), status)
    });
    statuses.collect()
}

fn status<'n, S: Spec>(
    policy: &Object<S>,
    ancestors: impl Iterator<Item = Ancestor<'n>>,
    previous: Option<&PolicyStatus>,
    ours: &BTreeSet<String>,
    now: OffsetDateTime,
) -> PolicyStatus {
    let recorded = &policy.recorded().ancestors;
    let home = &policy.meta.namespace;
    let stamp = Stamp {
        generation: policy.meta.generation,
        now,
    };
    let ancestor = |(ancestor_ref, controller_name, conditions): Ancestor<'n>| {
        let before = previous.and_then(|status| {
            let same = |it: &&PolicyAncestorStatus| it.ancestor_ref == ancestor_ref;
            status.ancestors.iter().find(same)
        });
        let before = before.map_or(&[][..], |ancestor| &ancestor.conditions);
        let reference = ancestor_ref.as_parent();
        let recorded = foreign::recorded_at(recorded, controller_name, &reference, home);
        PolicyAncestorStatus {
            conditions: stamp.conditions(conditions, before, recorded),
            ancestor_ref,
            controller_name: controller_name.to_owned(),
        }
    };
    let ancestors: Vec<PolicyAncestorStatus> =
        ancestors.take(MOST_ANCESTORS).map(ancestor).collect();
    let room = MOST_ANCESTORS.saturating_sub(ancestors.len());
    PolicyStatus {
        foreign: foreign::entries("ancestorRef", recorded, ours, room),
        ancestors,
    }
}
