//! Policies that attach to Gateways, listeners, routes and rules, of which the most specific prevails (Envoy Gateway).
//!
//! In: the policies of a kind. Out: for each object and section, the policy in force, and for each policy what became of its
//! targets. Of policies with the same target the older one is in force, as everywhere (GEP-713). The levels are those of Envoy
//! Gateway 1.9 (`internal/gatewayapi/securitypolicy.go`, `ProcessSecurityPolicies`): rule, route, listener of a ListenerSet,
//! ListenerSet, listener of a Gateway, Gateway. A Gateway's listeners aren't above the listeners of its ListenerSets.

use super::attachment::{Prevailing, by_precedence};
use super::client_traffic_policy::PolicySettings;
use super::protection::Protections;
use super::security_policy::EvaluatedPolicy;
use super::target::{self, NoTarget, TargetedObject, TargetedPart};
use crate::backend::endpoints::{ServicePortNodes, ServicePorts};
use crate::environment::IgnoredPolicy;
use crate::listener::{ListenerNode, ListenerOwner};
use crate::reported_object::ReportedObject;
use crate::{Build, name_pointer};
use gatefold_diagnostic::{Code, Pointer, Severity};
use gatefold_manifest::api::{
    ClientTrafficPolicySpec, NamespacedName, Object, PolicyTarget, PolicyTargetChoice,
    PolicyTargetFields, PolicyTargetKind, SecurityPolicySpec,
};
use gatefold_manifest::{PolicyKey, Spec};
use std::sync::Arc;

/// A kind of policy with levels.
pub(crate) trait LayeredPolicy: Spec<Key = NamespacedName> {
    /// Returns the fields that name the targets.
    fn targets(&self) -> PolicyTargetFields<'_>;

    /// Whether requests to the targets must be refused if it is unknown which part of them is meant.
    fn protects(&self) -> bool;

    /// Whether gatefold can do what a policy says, apart from what it ignores in any case.
    fn is_enforceable(policy: &Object<Self>, build: &mut Build<'_>) -> bool;
}

impl LayeredPolicy for SecurityPolicySpec {
    fn targets(&self) -> PolicyTargetFields<'_> {
        SecurityPolicySpec::targets(self)
    }

    fn protects(&self) -> bool {
        true
    }

    fn is_enforceable(policy: &Object<Self>, build: &mut Build<'_>) -> bool {
        let none = ServicePortNodes::new();
        let mut ports = ServicePorts::new(build.resources, build.environment, &none, false);
        let evaluated = EvaluatedPolicy::of(policy, None, (build, &mut ports));
        evaluated.problems.is_empty()
    }
}

impl LayeredPolicy for ClientTrafficPolicySpec {
    fn targets(&self) -> PolicyTargetFields<'_> {
        ClientTrafficPolicySpec::targets(self)
    }

    fn protects(&self) -> bool {
        self.guards()
    }

    fn is_enforceable(policy: &Object<Self>, build: &mut Build<'_>) -> bool {
        // What is read here is reported if the policy isn't ignored.
        let reported = build.diagnostics.len();
        let settings = PolicySettings::of(policy, build);
        build.diagnostics.truncate(reported);
        settings.is_enforceable()
    }
}

/// The policies of a kind, with the policy in force for each object and section.
pub(crate) struct LayeredPolicies<'a, S: Spec> {
    /// The policies in the order of precedence. Policies that the command line ignores aren't among them.
    pub(super) policies: Vec<PolicyWithTargets<'a, S>>,
    /// The indexes of the policies in force.
    in_force: Prevailing<usize>,
}

/// A policy with its targets.
pub(super) struct PolicyWithTargets<'a, S: Spec> {
    pub policy: &'a Arc<Object<S>>,
    pub targets: Vec<LayeredTarget>,
    /// Whether a target of it has been reported as missing.
    pub is_reported: bool,
}

/// A target of a policy.
pub(super) struct LayeredTarget {
    pub object: TargetedObject,
    /// The position in the policy.
    pub pointer: Pointer,
    pub outcome: TargetOutcome,
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetOutcome {
    /// The policy is in force there.
    InForce,
    /// The older policy with this index has the same target.
    Conflicted(usize),
    /// The object doesn't have the section.
    NoSection,
}

/// A policy in force at a listener or above it, and where it is attached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListenerPolicy {
    /// The index of the policy.
    pub policy: usize,
    /// The kind of the object that it is attached to.
    pub kind: PolicyTargetKind,
    /// The object.
    pub key: NamespacedName,
    /// The listener, if it is attached to a single one.
    pub section: Option<String>,
}

impl<S: Spec> Default for LayeredPolicies<'_, S> {
    fn default() -> Self {
        LayeredPolicies {
            policies: Vec::new(),
            in_force: Prevailing::default(),
        }
    }
}

/// Attaches the policies of a kind. A section that the target doesn't have may be a typing error, so a policy that protects
/// closes the whole object.
pub(crate) fn attach<'a, S: LayeredPolicy>(
    protections: &mut Protections,
    build: &mut Build<'a>,
) -> LayeredPolicies<'a, S> {
    let mut all = LayeredPolicies::default();
    for policy in by_precedence(S::objects(build.resources).values()) {
        if let Some(flag) = ignored_by(policy, build) {
            report_ignored(policy, flag, build);
            continue;
        }
        let mut attached = PolicyWithTargets {
            policy,
            targets: Vec::new(),
            is_reported: false,
        };
        let index = all.policies.len();
        for entry in policy.spec.targets().served() {
            match target::resolve(policy.referrer(), &entry, build) {
                Ok(objects) => {
                    for object in objects {
                        all.attach(index, object, &entry, &mut attached, protections);
                    }
                }
                Err(problem) => {
                    report_missing(policy, &entry, &problem, build);
                    attached.is_reported = true;
                }
            }
        }
        all.policies.push(attached);
    }
    all
}

impl<S: LayeredPolicy> LayeredPolicies<'_, S> {
    fn attach(
        &mut self,
        index: usize,
        object: TargetedObject,
        entry: &PolicyTarget,
        attached: &mut PolicyWithTargets<'_, S>,
        protections: &mut Protections,
    ) {
        if attached.targets.iter().any(|it| it.object == object) {
            return;
        }
        let outcome = if let TargetedPart::Unknown { .. } = object.part {
            if attached.policy.spec.protects() {
                protections.add(&object, &describe(attached.policy));
            }
            TargetOutcome::NoSection
        } else {
            match self.in_force.attach(&object, index) {
                Ok(()) => TargetOutcome::InForce,
                Err(older) => TargetOutcome::Conflicted(*older),
            }
        };
        attached.targets.push(LayeredTarget {
            object,
            pointer: entry.pointer.clone(),
            outcome,
        });
    }
}

impl<S: Spec> LayeredPolicies<'_, S> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Returns the index of the policy in force for a rule of a route, at the level of the rule or of the route.
    pub(super) fn of_route(
        &self,
        kind: PolicyTargetKind,
        key: &NamespacedName,
        rule: &str,
    ) -> Option<usize> {
        self.in_force.in_force(kind, key, rule).copied()
    }

    /// Returns the policy in force for a listener, at its own level or above.
    pub(super) fn of_listener(
        &self,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> Option<ListenerPolicy> {
        let name = listener.name.as_str();
        let found = match &listener.owner {
            ListenerOwner::Gateway(_) => self.at(PolicyTargetKind::Gateway, gateway, Some(name)),
            ListenerOwner::ListenerSet(set) => {
                let (kind, key) = (PolicyTargetKind::ListenerSet, set.key());
                let own = self.at(kind, &key, Some(name));
                own.or_else(|| self.at(kind, &key, None))
            }
        };
        found.or_else(|| self.at(PolicyTargetKind::Gateway, gateway, None))
    }

    fn at(
        &self,
        kind: PolicyTargetKind,
        key: &NamespacedName,
        section: Option<&str>,
    ) -> Option<ListenerPolicy> {
        let object = self.in_force.get(kind, key)?;
        let policy = match section {
            None => object.whole.as_ref(),
            Some(section) => object.sections.get(section).and_then(Option::as_ref),
        };
        Some(ListenerPolicy {
            policy: *policy?,
            kind,
            key: key.clone(),
            section: section.map(ToOwned::to_owned),
        })
    }
}

/// Returns the kind, namespace and name of a policy for a message.
pub(super) fn describe<S: Spec>(policy: &Object<S>) -> String {
    format!("{} {}", S::KIND.name(), policy.key())
}

/// Returns the flag that ignores a policy. `None` if the policy isn't ignored.
fn ignored_by<S: LayeredPolicy>(policy: &Object<S>, build: &mut Build<'_>) -> Option<&'static str> {
    let environment = build.environment;
    let key = PolicyKey {
        group: S::KIND.group().into(),
        kind: S::KIND.name().into(),
        namespace: policy.meta.namespace.clone(),
        name: policy.meta.name.clone(),
        copy: 0,
    };
    let mut ignored = environment.ignored_policies.iter();
    let ignored = ignored.find(|it| it.matches(&key, || S::is_enforceable(policy, build)));
    ignored.map(IgnoredPolicy::flag)
}

fn report_ignored<S: LayeredPolicy>(policy: &Object<S>, flag: &str, build: &mut Build<'_>) {
    let message = format!(
        "{} is ignored (`{flag}`): its targets are served without it",
        describe(policy)
    );
    let found = policy.finding(Code::IgnoredPolicy, name_pointer(), message);
    build.diagnostics.push(found);
}

/// Reports an entry that targets nothing.
fn report_missing<S: LayeredPolicy>(
    policy: &Object<S>,
    entry: &PolicyTarget,
    problem: &NoTarget<'_>,
    build: &mut Build<'_>,
) {
    let (message, help) = problem.message(entry.kind);
    let message = format!("{} attaches to nothing: {message}", describe(policy));
    let mut pointer = entry.pointer.clone();
    if let PolicyTargetChoice::Name { .. } = entry.choice {
        pointer = pointer.key("name");
    }
    let mut found = policy.finding(Code::PolicyAttachesToNothing, pointer, message);
    // If the name is a typing error, the object that should be protected is open.
    if policy.spec.protects() && help.is_some() {
        found.severity = Severity::Error;
    }
    found.help = help;
    build.diagnostics.push(found);
}
