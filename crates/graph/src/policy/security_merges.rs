//! Where SecurityPolicies of routes are merged into those of listeners and Gateways.
//!
//! In: the attached policies, and the routes with their listeners. Out: the merges, for the statuses of both policies.

use super::layered::{LayeredTarget, TargetOutcome};
use super::layered_status::StatusInputs;
use super::overriding::{self, MergedRoutes};
use super::security_policy::{EffectivePolicy, EvaluatedPolicy, SecurityPolicies};
use crate::backend::endpoints::ServicePorts;
use crate::listener::ListenerOwner;
use crate::route::AnyRoute;
use crate::{Build, gateway};
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A policy of a route that is merged into that of a listener or Gateway.
pub(super) struct MergedPolicy {
    /// The merged policies.
    pub effective: EffectivePolicy,
    /// What they mean together.
    pub evaluated: Arc<EvaluatedPolicy>,
    /// The listener at which it is merged: its owner and its name.
    pub listener: (PolicyTargetKind, NamespacedName, String),
    /// The name of the controller of the route's parent.
    pub controller_name: String,
}

/// All merges.
#[derive(Default)]
pub(super) struct Merges {
    /// By the policy of the route.
    pub of_policies: BTreeMap<usize, Vec<MergedPolicy>>,
    /// The routes that were merged, by the place of the parent's policy.
    pub of_parents: MergedRoutes,
}

impl Merges {
    /// Finds the merges at all listeners.
    pub fn of<'a>(
        all: &SecurityPolicies<'a>,
        inputs: StatusInputs<'_>,
        (build, ports): (&Build<'a>, &mut ServicePorts<'a>),
    ) -> Self {
        let mut merges = Merges::default();
        for (index, it) in all.attached.policies.iter().enumerate() {
            if !all.merges(index) {
                continue;
            }
            let in_force = it.targets.iter();
            let in_force = in_force.filter(|target| target.outcome == TargetOutcome::InForce);
            for target in in_force {
                let PolicyTargetKind::Route(kind) = target.object.kind else {
                    continue;
                };
                if let Some(route) = inputs.routes.find(kind, &target.object.key) {
                    merges.add(index, target, route, (all, inputs), (build, ports));
                }
            }
        }
        merges
    }

    fn add<'a>(
        &mut self,
        index: usize,
        target: &LayeredTarget,
        route: &dyn AnyRoute,
        (all, inputs): (&SecurityPolicies<'a>, StatusInputs<'_>),
        (build, ports): (&Build<'a>, &mut ServicePorts<'a>),
    ) {
        for parent in route.parents() {
            for attachment in &parent.attachments {
                let id = &attachment.listener;
                let Some(listener) = gateway::listener(inputs.gateways, id) else {
                    continue;
                };
                let found = all.effective(Some(index), &id.gateway, listener);
                let Some((effective, Some(above))) = found else {
                    continue;
                };
                let evaluated = all.evaluate(effective, (build, ports));
                if evaluated.problems.is_empty() {
                    let place = overriding::place_of_listener(&above);
                    let merged = (target.object.kind, target.object.key.clone(), None);
                    self.of_parents.entry(place).or_default().insert(merged);
                }
                let owner = match &listener.owner {
                    ListenerOwner::Gateway(_) => (PolicyTargetKind::Gateway, id.gateway.clone()),
                    ListenerOwner::ListenerSet(set) => (PolicyTargetKind::ListenerSet, set.key()),
                };
                self.of_policies
                    .entry(index)
                    .or_default()
                    .push(MergedPolicy {
                        effective,
                        evaluated,
                        listener: (owner.0, owner.1, listener.name.to_string()),
                        controller_name: parent.controller_name.clone(),
                    });
            }
        }
    }
}
