//! Which policies replace a less specific one, and which are merged into it.
//!
//! In: the attached policies and the routes. Out: for a policy at some level, the more specific objects that have a policy of
//! their own. Source: Envoy Gateway 1.9, `policyScopeGraph` in `internal/gatewayapi/helpers.go`.

use super::layered::{LayeredPolicies, ListenerPolicy, TargetOutcome};
use super::target::TargetedObject;
use crate::gateway::ListenerSetNodes;
use crate::route::Routes;
use gatefold_manifest::Spec;
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind};
use std::collections::{BTreeMap, BTreeSet};

/// The place of a policy: an object or one of its sections.
pub(super) type PolicyPlace = (PolicyTargetKind, NamespacedName, Option<String>);

/// The routes whose policies are merged into that of a listener or Gateway.
pub(super) type MergedRoutes = BTreeMap<PolicyPlace, BTreeSet<PolicyPlace>>;

/// Returns the place of a target.
pub(super) fn place(object: &TargetedObject) -> PolicyPlace {
    let section = object.part.section().map(ToOwned::to_owned);
    (object.kind, object.key.clone(), section)
}

/// Returns the place of a policy at a listener or above it.
pub(super) fn place_of_listener(found: &ListenerPolicy) -> PolicyPlace {
    (found.kind, found.key.clone(), found.section.clone())
}

/// Returns the places with policies that replace the policy at `parent`.
pub(super) fn overriding<S: Spec>(
    parent: &PolicyPlace,
    policies: &LayeredPolicies<'_, S>,
    listener_sets: &ListenerSetNodes,
    routes: &Routes,
) -> BTreeSet<PolicyPlace> {
    let (kind, key, section) = parent;
    let all = policies.policies.iter().flat_map(|it| &it.targets);
    let attached = all.filter(|it| it.outcome != TargetOutcome::NoSection);
    let below = attached.filter_map(|target| {
        let own = place(&target.object);
        match (kind, target.object.kind) {
            (PolicyTargetKind::Gateway, PolicyTargetKind::Gateway)
            | (PolicyTargetKind::ListenerSet, PolicyTargetKind::ListenerSet)
            | (PolicyTargetKind::Route(_), PolicyTargetKind::Route(_)) => {
                let within = target.object.kind == *kind && target.object.key == *key;
                (within && section.is_none() && own.2.is_some()).then_some(own)
            }
            (PolicyTargetKind::Gateway, PolicyTargetKind::ListenerSet) => {
                let set = listener_sets.get(&target.object.key);
                let within = set.is_some_and(|set| set.gateway == *key);
                (within && section.is_none()).then_some(own)
            }
            (
                PolicyTargetKind::Gateway | PolicyTargetKind::ListenerSet,
                PolicyTargetKind::Route(route),
            ) => {
                let found = routes.find(route, &target.object.key)?;
                let attaches = found.parents().iter().any(|it| {
                    let (parent_kind, parent_key) = it.object(&target.object.key.namespace);
                    let is_parent = parent_kind == *kind && parent_key == *key;
                    let of_set = *kind == PolicyTargetKind::Gateway
                        && parent_kind == PolicyTargetKind::ListenerSet
                        && it.gateway == *key
                        && section.is_none();
                    let named = it.reference.section_name.as_ref().map(|it| it.as_str());
                    let fits = match (section.as_deref(), named) {
                        (None, _) | (_, None) => true,
                        (Some(section), Some(named)) => section == named,
                    };
                    of_set || (is_parent && fits)
                });
                attaches.then_some((target.object.kind, target.object.key.clone(), None))
            }
            (PolicyTargetKind::Route(_) | PolicyTargetKind::Service, _)
            | (_, PolicyTargetKind::Gateway | PolicyTargetKind::Service) => None,
        }
    });
    below.collect()
}

/// Describes places for a message: `HTTPRoute default/shop`, `listener http of Gateway default/edge`. `None` if there are none.
pub(super) fn describe(places: &BTreeSet<PolicyPlace>) -> Option<String> {
    let names: Vec<String> = places
        .iter()
        .map(|(kind, key, section)| {
            let object = format!("{} {key}", kind.as_str());
            match section {
                Some(section) => format!("{} {section} of {object}", kind.sections().as_str()),
                None => object,
            }
        })
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}
