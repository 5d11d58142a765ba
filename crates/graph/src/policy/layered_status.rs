//! The statuses of policies with levels: their ancestors, and the conditions there.
//!
//! In: the attached policies, and the Gateways and routes of the graph. Out: a node for each policy. Types and reasons of the
//! conditions are those of Envoy Gateway 1.9 (`internal/gatewayapi/securitypolicy.go`, `status/policy.go`). A policy for a
//! Gateway or a ListenerSet has this object as its ancestor, a policy for a route the parents of the route.

mod findings;

use super::client_traffic_policy::{ClientTrafficPolicies, SocketConflict};
use super::layered::{
    LayeredPolicies, LayeredPolicy, LayeredTarget, PolicyWithTargets, TargetOutcome, describe,
};
use super::login_transport;
use super::overriding::{self, MergedRoutes, PolicyPlace};
use super::security_merges::{MergedPolicy, Merges};
use super::security_policy::{EffectivePolicy, SecurityPolicies};
use crate::Build;
use crate::backend::endpoints::ServicePorts;
use crate::condition::{self, Condition, ConditionStatus, ConditionType, Problem, Reason};
use crate::gateway::{GatewayNodes, ListenerSetNodes};
use crate::route::Routes;
use gatefold_diagnostic::Diagnostic;
use gatefold_manifest::api::{
    ClientTrafficPolicySpec, NamespacedName, Object, PolicyTargetKind, SecurityPolicySpec,
};
use gatefold_manifest::{Resources, Spec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A policy with its status.
#[derive(Debug)]
pub struct LayeredPolicyNode<S: Spec> {
    /// The object.
    pub resource: Arc<Object<S>>,
    /// What it affects, each object once.
    pub ancestors: Vec<PolicyAncestorNode>,
}

/// An object that a policy affects.
#[derive(Debug)]
pub struct PolicyAncestorNode {
    /// The kind: a Gateway or a ListenerSet.
    pub kind: PolicyTargetKind,
    /// The object.
    pub key: NamespacedName,
    /// The listener, if only one is affected.
    pub section: Option<String>,
    /// The controller of the Gateway.
    pub controller_name: String,
    /// The conditions of the policy there.
    pub conditions: Vec<Condition>,
}

/// Policies of a kind with their statuses.
pub type LayeredPolicyNodes<S> = BTreeMap<NamespacedName, LayeredPolicyNode<S>>;

/// The parts of a graph that statuses of policies depend on.
#[derive(Clone, Copy)]
pub(crate) struct StatusInputs<'g> {
    pub resources: &'g Resources,
    pub gateways: &'g GatewayNodes,
    pub listener_sets: &'g ListenerSetNodes,
    pub routes: &'g Routes,
}

/// Returns the nodes of all SecurityPolicies, and reports their problems.
pub(crate) fn security_policies<'a>(
    inputs: StatusInputs<'_>,
    ports: &mut ServicePorts<'a>,
    build: &mut Build<'a>,
) -> LayeredPolicyNodes<SecurityPolicySpec> {
    let all = &build.security;
    let merges = Merges::of(all, inputs, (build, ports));
    let mut findings = Vec::new();
    let nodes = all.attached.policies.iter().enumerate();
    let nodes = nodes.map(|(index, it)| {
        let parent = None;
        let evaluated = all.evaluate(
            EffectivePolicy {
                policy: index,
                parent,
            },
            (build, ports),
        );
        let mut status = PolicyStatusBuilder::new(&all.attached, it, inputs);
        for target in &it.targets {
            status.target(target, &evaluated.problems, &merges.of_parents);
        }
        for merged in merges.of_policies.get(&index).into_iter().flatten() {
            status.merged(merged, &describe_parent(all, merged.effective));
        }
        status.warn_of_deprecated_field(it.policy.spec.target_ref.is_some());
        for warning in &evaluated.warnings {
            status.warn(Reason::UnsupportedField, warning);
        }
        let mut own = evaluated.findings.clone();
        if let Some((warning, found)) = login_transport::warning(it.policy, &it.targets, inputs) {
            status.warn(Reason::UnsupportedField, &warning);
            own.push(found);
        }
        findings.extend(status.findings(&own));
        (it.policy.key(), status.node())
    });
    let nodes = nodes.collect();
    let merged = merges.of_policies.values().flatten();
    for found in merged.flat_map(|it| &it.evaluated.findings) {
        // The policies themselves have reported most of them.
        let is_same =
            |known: &Diagnostic| known.place == found.place && known.message == found.message;
        if !findings.iter().any(is_same) {
            findings.push(found.clone());
        }
    }
    build.diagnostics.extend(findings);
    nodes
}

/// Returns the nodes of all ClientTrafficPolicies, and reports their problems.
pub(crate) fn client_traffic_policies(
    inputs: StatusInputs<'_>,
    build: &mut Build<'_>,
) -> LayeredPolicyNodes<ClientTrafficPolicySpec> {
    let all = &build.security.client_traffic;
    let ClientTrafficPolicies {
        attached, sockets, ..
    } = all;
    let none = MergedRoutes::default();
    let mut findings = Vec::new();
    let nodes = attached.policies.iter().enumerate();
    let nodes = nodes.map(|(index, it)| {
        let problems = all.problems(index);
        let mut status = PolicyStatusBuilder::new(attached, it, inputs);
        for target in &it.targets {
            status.target(target, &problems, &none);
        }
        let mut own = all.findings(index, it.policy);
        for conflict in sockets.conflicts_of(index) {
            status.socket_conflict(conflict);
            own.push(conflict.finding(it.policy));
        }
        let spec = &it.policy.spec;
        status.warn_of_deprecated_field(spec.target_ref.is_some());
        if spec.enable_proxy_protocol.is_some() {
            let message = "`spec.enableProxyProtocol` is deprecated: use `spec.proxyProtocol`";
            status.warn(Reason::DeprecatedField, message);
        }
        if let Some(warning) = all.warning(index) {
            status.warn(Reason::UnsupportedField, &warning);
        }
        findings.extend(status.findings(&own));
        (it.policy.key(), status.node())
    });
    let nodes = nodes.collect();
    build.diagnostics.extend(findings);
    nodes
}

fn describe_parent(all: &SecurityPolicies<'_>, effective: EffectivePolicy) -> String {
    let parent = effective
        .parent
        .and_then(|it| all.attached.policies.get(it));
    parent.map_or_else(String::new, |it| describe(it.policy))
}

/// Collects the ancestors of a policy.
struct PolicyStatusBuilder<'b, 'a, S: Spec> {
    all: &'b LayeredPolicies<'a, S>,
    policy: &'b PolicyWithTargets<'a, S>,
    inputs: StatusInputs<'b>,
    /// By place, with the name of the controller.
    ancestors: BTreeMap<PolicyPlace, (String, Vec<Condition>)>,
}

impl<'b, 'a, S: LayeredPolicy> PolicyStatusBuilder<'b, 'a, S> {
    /// Begins with a policy without ancestors.
    fn new(
        all: &'b LayeredPolicies<'a, S>,
        policy: &'b PolicyWithTargets<'a, S>,
        inputs: StatusInputs<'b>,
    ) -> Self {
        PolicyStatusBuilder {
            all,
            policy,
            inputs,
            ancestors: BTreeMap::new(),
        }
    }

    /// Adds the ancestors of a target. `problems` are the reasons why the policy isn't accepted.
    fn target(&mut self, target: &LayeredTarget, problems: &[Problem], merged: &MergedRoutes) {
        let place = overriding::place(&target.object);
        let mut conditions = vec![self.accepted(target, problems)];
        if target.outcome == TargetOutcome::InForce {
            let merged = merged.get(&place).cloned().unwrap_or_default();
            let StatusInputs {
                listener_sets,
                routes,
                ..
            } = self.inputs;
            let others = overriding::overriding(&place, self.all, listener_sets, routes);
            let others: BTreeSet<PolicyPlace> = others.difference(&merged).cloned().collect();
            let kind = S::KIND.name();
            if let Some(places) = overriding::describe(&merged) {
                let message = format!("merged with the {kind} of each of these: {places}");
                let (kind, reason) = (ConditionType::Merged, Reason::Merged);
                conditions.push(Condition::holds(kind, reason, message));
            }
            if let Some(places) = overriding::describe(&others) {
                let message = format!("overridden by the {kind} of each of these: {places}");
                let (kind, reason) = (ConditionType::Overridden, Reason::Overridden);
                conditions.push(Condition::holds(kind, reason, message));
            }
        }
        for (place, controller_name) in self.ancestors_of(place) {
            self.add(place, controller_name, &conditions);
        }
    }

    fn accepted(&self, target: &LayeredTarget, problems: &[Problem]) -> Condition {
        let (reason, message) = match target.outcome {
            TargetOutcome::InForce => {
                return Condition::accepted(problems, "the policy is accepted");
            }
            TargetOutcome::Conflicted(older) => {
                let older = self.all.policies.get(older);
                let older = older.map_or_else(String::new, |it| describe(it.policy));
                (Reason::Conflicted, format!("{older} has the same target"))
            }
            TargetOutcome::NoSection => {
                let section = target.object.kind.sections().as_str();
                let name = target.object.part.section().unwrap_or_default();
                let message = format!("{} has no {section} `{name}`", target.object);
                (Reason::TargetNotFound, message)
            }
        };
        Condition::fails(ConditionType::Accepted, reason, message)
    }

    /// Returns the ancestors of a policy at a place, with their controllers. A place that gatefold doesn't serve has none.
    fn ancestors_of(&self, place: PolicyPlace) -> Vec<(PolicyPlace, String)> {
        let StatusInputs {
            gateways,
            listener_sets,
            routes,
            ..
        } = self.inputs;
        let controller = |key: &NamespacedName| Some(gateways.get(key)?.controller_name.clone());
        match place.0 {
            PolicyTargetKind::Gateway => {
                let found = controller(&place.1);
                found.map(|name| (place, name)).into_iter().collect()
            }
            PolicyTargetKind::ListenerSet => {
                let set = listener_sets.get(&place.1).filter(|set| set.allowed);
                let found = set.and_then(|set| controller(&set.gateway));
                found.map(|name| (place, name)).into_iter().collect()
            }
            PolicyTargetKind::Route(kind) => {
                let route = routes.find(kind, &place.1);
                let parents = route.into_iter().flat_map(|route| route.parents());
                let parents = parents.map(|parent| {
                    let (kind, key) = parent.object(&place.1.namespace);
                    let section = parent.reference.section_name.as_ref();
                    let section = section.map(ToString::to_string);
                    ((kind, key, section), parent.controller_name.clone())
                });
                parents.collect()
            }
            PolicyTargetKind::Service => Vec::new(),
        }
    }

    /// Adds conditions at an ancestor. `Accepted` stays false once it is.
    fn add(&mut self, place: PolicyPlace, controller_name: String, conditions: &[Condition]) {
        let ancestor = self.ancestors.entry(place);
        let (_, present) = ancestor.or_insert_with(|| (controller_name, Vec::new()));
        for it in conditions {
            let failed = condition::find(present, it.kind)
                .is_some_and(|known| known.status == ConditionStatus::False);
            if !failed {
                condition::set(present, it.clone());
            }
        }
    }

    /// Adds the ancestor at which the policy of a route is merged.
    fn merged(&mut self, merged: &MergedPolicy, parent: &str) {
        let (kind, key, listener) = merged.listener.clone();
        let problems = &merged.evaluated.problems;
        let mut conditions = vec![Condition::accepted(problems, "the policy is accepted")];
        if problems.is_empty() {
            let message = format!("merged with {parent}");
            let (kind, reason) = (ConditionType::Merged, Reason::Merged);
            conditions.push(Condition::holds(kind, reason, message));
        }
        let place = (kind, key, Some(listener));
        self.add(place, merged.controller_name.clone(), &conditions);
    }

    /// Adds the condition of a policy that isn't in force on a socket.
    fn socket_conflict(&mut self, conflict: &SocketConflict) {
        let message = conflict.message.clone();
        if !conflict.closes {
            return self.warn(Reason::Conflicted, &message);
        }
        let accepted = Condition::fails(ConditionType::Accepted, Reason::Conflicted, message);
        let place = overriding::place_of_listener(&conflict.policy);
        for (place, controller_name) in self.ancestors_of(place) {
            self.add(place, controller_name, std::slice::from_ref(&accepted));
        }
    }

    fn warn_of_deprecated_field(&mut self, is_used: bool) {
        if is_used {
            let message = "`spec.targetRef` is deprecated: use `spec.targetRefs`";
            self.warn(Reason::DeprecatedField, message);
        }
    }

    /// Adds a warning at every ancestor. If there is one already, the new one is appended.
    fn warn(&mut self, reason: Reason, message: &str) {
        for (_, conditions) in self.ancestors.values_mut() {
            let known = condition::find(conditions, ConditionType::Warning);
            let (reason, message) = match known {
                Some(known) => (Reason::Warnings, format!("{}; {message}", known.message)),
                None => (reason, message.to_owned()),
            };
            let warning = Condition::holds(ConditionType::Warning, reason, message);
            condition::set(conditions, warning);
        }
    }

    fn node(self) -> LayeredPolicyNode<S> {
        let ancestors = self.ancestors.into_iter();
        let ancestors = ancestors.map(
            |((kind, key, section), (controller_name, mut conditions))| {
                conditions.sort_by_key(|it| it.kind);
                PolicyAncestorNode {
                    kind,
                    key,
                    section,
                    controller_name,
                    conditions,
                }
            },
        );
        LayeredPolicyNode {
            resource: self.policy.policy.clone(),
            ancestors: ancestors.collect(),
        }
    }
}
