//! The statuses of policies.

use super::foreign;
use super::types::{AncestorReference, PolicyAncestorStatus, PolicyStatus, Stamp};
use gatefold_graph::policy::backend_tls_policy::BackendTlsPolicyNode;
use gatefold_manifest::api::{GATEWAY_GROUP, NamespacedName};
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// The API's limit for `status.ancestors`.
const MOST_ANCESTORS: usize = 16;

/// Makes the status of a BackendTLSPolicy. `ours` are the names of gatefold's own controllers.
pub(super) fn backend_tls_policy(
    node: &BackendTlsPolicyNode,
    previous: Option<&PolicyStatus>,
    ours: &BTreeSet<String>,
    now: OffsetDateTime,
) -> PolicyStatus {
    let recorded = &node.resource.recorded().ancestors;
    let home = &node.resource.meta.namespace;
    let stamp = Stamp {
        generation: node.resource.meta.generation,
        now,
    };
    let ancestor = |(gateway, controller_name): (&NamespacedName, &String)| {
        let ancestor_ref = AncestorReference {
            group: GATEWAY_GROUP,
            kind: "Gateway",
            namespace: gateway.namespace.to_string(),
            name: gateway.name.to_string(),
        };
        let before = previous.and_then(|status| {
            let same = |it: &&PolicyAncestorStatus| it.ancestor_ref == ancestor_ref;
            status.ancestors.iter().find(same)
        });
        let before = before.map_or(&[][..], |ancestor| &ancestor.conditions);
        let reference = ancestor_ref.as_parent();
        let recorded = foreign::recorded_at(recorded, controller_name, &reference, home);
        PolicyAncestorStatus {
            conditions: stamp.conditions(&node.conditions, before, recorded),
            ancestor_ref,
            controller_name: controller_name.clone(),
        }
    };
    let gateways = node.gateways.iter().take(MOST_ANCESTORS);
    let ancestors: Vec<PolicyAncestorStatus> = gateways.map(ancestor).collect();
    let room = MOST_ANCESTORS.saturating_sub(ancestors.len());
    PolicyStatus {
        foreign: foreign::entries("ancestorRef", recorded, ours, room),
        ancestors,
    }
}
