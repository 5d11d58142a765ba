//! SecurityPolicies: which requests are authenticated and authorized, and how.
//!
//! In: the policies of the folder. Out: for each rule of a route at each of its listeners, what is enforced there. A policy that
//! can't be enforced as written refuses the requests that it protects; it never lets them pass. Settings are evaluated when
//! they are first needed, and reported after the routes are built, because the nodes of unchanged routes are reused.

use super::client_traffic_policy::ClientTrafficPolicies;
use super::layered::{LayeredPolicies, ListenerPolicy, describe};
use super::security_merge;
use crate::Build;
use crate::condition::{Problem, Reason};
use crate::listener::ListenerNode;
use crate::reported_object::ReportedObject;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    NamespacedName, PolicyTargetKind, SecurityPolicy, SecurityPolicySpec,
};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a SecurityPolicy does with the requests of a rule.
#[derive(Clone, Debug)]
pub enum SecurityNode {
    /// The policy has no settings, so requests pass.
    Open,
    /// The policy can't be enforced: requests are answered 500. Contains the reason.
    Refused(Arc<str>),
}

/// Nodes are equal if they do the same with requests.
impl PartialEq for SecurityNode {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (SecurityNode::Open, SecurityNode::Open) => true,
            (SecurityNode::Refused(one), SecurityNode::Refused(other)) => one == other,
            (SecurityNode::Open, SecurityNode::Refused(_))
            | (SecurityNode::Refused(_), SecurityNode::Open) => false,
        }
    }
}

impl SecurityNode {
    /// Returns why requests are refused. `None` if they aren't.
    pub(crate) fn refusal(&self) -> Option<&Arc<str>> {
        match self {
            SecurityNode::Open => None,
            SecurityNode::Refused(why) => Some(why),
        }
    }
}

/// All SecurityPolicies.
#[derive(Default)]
pub(crate) struct SecurityPolicies<'a> {
    pub(super) attached: LayeredPolicies<'a, SecurityPolicySpec>,
    pub(super) client_traffic: ClientTrafficPolicies<'a>,
    evaluated: RefCell<BTreeMap<EffectivePolicy, Arc<EvaluatedPolicy>>>,
}

/// A policy in force for a rule, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EffectivePolicy {
    pub policy: usize,
    /// The policy of the listener or Gateway that it is merged into.
    pub parent: Option<usize>,
}

/// What a policy means.
pub(super) struct EvaluatedPolicy {
    node: SecurityNode,
    /// Whether a decision depends on the address of the client.
    uses_client_address: bool,
    /// Why it can't be enforced.
    pub problems: Vec<Problem>,
    /// The problems as diagnostics.
    pub findings: Vec<Diagnostic>,
}

impl<'a> SecurityPolicies<'a> {
    pub fn new(
        attached: LayeredPolicies<'a, SecurityPolicySpec>,
        client_traffic: ClientTrafficPolicies<'a>,
    ) -> Self {
        SecurityPolicies {
            attached,
            client_traffic,
            evaluated: RefCell::default(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// Whether a policy is in force at a listener or above it.
    pub fn protects_listener(&self, gateway: &NamespacedName, listener: &ListenerNode) -> bool {
        self.attached.of_listener(gateway, listener).is_some()
    }

    /// Whether a policy targets a rule, or its route.
    pub fn targets_rule(&self, kind: PolicyTargetKind, key: &NamespacedName, rule: &str) -> bool {
        self.attached.of_route(kind, key, rule).is_some()
    }

    /// Returns why a rule is refused at every listener. `None` if the listeners decide, or it isn't refused.
    pub fn refusal_of_rule(
        &self,
        (kind, key): (PolicyTargetKind, &NamespacedName),
        rule: &str,
        build: &Build<'_>,
    ) -> Option<Arc<str>> {
        let policy = self.attached.of_route(kind, key, rule)?;
        if self.merges(policy) {
            return None;
        }
        let parent = None;
        let evaluated = self.evaluate(EffectivePolicy { policy, parent }, build);
        evaluated.node.refusal().cloned()
    }

    /// Returns what applies to each of a route's rules at a listener. Empty if nothing applies to any of them.
    pub fn of_route(
        &self,
        (kind, key): (PolicyTargetKind, &NamespacedName),
        rules: &[&str],
        (gateway, listener): (&NamespacedName, &ListenerNode),
        build: &Build<'_>,
    ) -> Box<[Option<SecurityNode>]> {
        let rules = rules.iter().map(|rule| {
            let route = self.attached.of_route(kind, key, rule);
            let (effective, _) = self.effective(route, gateway, listener)?;
            Some(self.node(effective, (gateway, listener), build))
        });
        let rules: Vec<Option<SecurityNode>> = rules.collect();
        if rules.iter().all(Option::is_none) {
            return Box::default();
        }
        rules.into()
    }

    /// Returns the policy in force for a rule at a listener, and the policy of the listener that it is merged into. `route`
    /// is the policy in force at the level of the rule or the route.
    pub(super) fn effective(
        &self,
        route: Option<usize>,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> Option<(EffectivePolicy, Option<ListenerPolicy>)> {
        let parent = || self.attached.of_listener(gateway, listener);
        let (policy, parent) = match route {
            Some(policy) if self.merges(policy) => (policy, parent()),
            Some(policy) => (policy, None),
            None => (parent()?.policy, None),
        };
        let index = parent.as_ref().map(|it| it.policy);
        let effective = EffectivePolicy {
            policy,
            parent: index,
        };
        Some((effective, parent))
    }

    /// Whether a policy is merged into that of the listener.
    pub(super) fn merges(&self, policy: usize) -> bool {
        self.policy(policy)
            .is_some_and(|it| it.spec.merge_type.is_some())
    }

    fn policy(&self, index: usize) -> Option<&'a Arc<SecurityPolicy>> {
        self.attached.policies.get(index).map(|it| it.policy)
    }

    /// Returns what a policy means at a listener. If the listener's clients have other addresses than gatefold sees, a policy
    /// that depends on the address can't be enforced.
    fn node(
        &self,
        effective: EffectivePolicy,
        (gateway, listener): (&NamespacedName, &ListenerNode),
        build: &Build<'_>,
    ) -> SecurityNode {
        let evaluated = self.evaluate(effective, build);
        if evaluated.uses_client_address
            && evaluated.node.refusal().is_none()
            && let Some(policy) = self
                .client_traffic
                .changes_client_address(gateway, listener)
        {
            let why = format!(
                "the addresses of clients are unknown, because gatefold doesn't serve {policy} as written"
            );
            return SecurityNode::Refused(why.into());
        }
        evaluated.node.clone()
    }

    /// Evaluates a policy, once.
    pub(super) fn evaluate(
        &self,
        effective: EffectivePolicy,
        build: &Build<'_>,
    ) -> Arc<EvaluatedPolicy> {
        if let Some(known) = self.evaluated.borrow().get(&effective) {
            return known.clone();
        }
        let evaluated = Arc::new(self.read(effective, build));
        let mut all = self.evaluated.borrow_mut();
        all.entry(effective).or_insert(evaluated).clone()
    }

    fn read(&self, effective: EffectivePolicy, _: &Build<'_>) -> EvaluatedPolicy {
        let mut evaluated = EvaluatedPolicy {
            node: SecurityNode::Open,
            uses_client_address: false,
            problems: Vec::new(),
            findings: Vec::new(),
        };
        // The index comes from the same list.
        let Some(policy) = self.policy(effective.policy) else {
            return evaluated;
        };
        let parent = effective.parent.and_then(|parent| self.policy(parent));
        let spec = match parent {
            Some(parent) => Cow::Owned(security_merge::merge(&policy.spec, &parent.spec)),
            None => Cow::Borrowed(&policy.spec),
        };
        let of_parent = parent.map_or_else(Vec::new, |parent| unserved(&parent.spec));
        for pointer in unserved(&spec) {
            let message = format!("gatefold doesn't serve `{pointer}`");
            evaluated
                .problems
                .push(Problem::new(Reason::Invalid, message));
        }
        let own = unserved(&policy.spec);
        if parent.is_none() && !own.is_empty() {
            evaluated
                .findings
                .extend(own.first().map(|first| report(policy, &own, first)));
        }
        let merge_type = policy.spec.merge_type.as_deref();
        if let Some(unknown) = merge_type.filter(|it| !security_merge::is_merge_type(it)) {
            let message =
                format!("`{unknown}` isn't a merge type; use `StrategicMerge` or `JSONMerge`");
            let pointer = Pointer::spec().key("mergeType");
            if parent.is_none() {
                let found = policy.finding(Code::InvalidValue, pointer, message.clone());
                evaluated.findings.push(found);
            }
            evaluated
                .problems
                .push(Problem::new(Reason::Invalid, message));
        }
        if !evaluated.problems.is_empty() {
            let policies = match parent {
                Some(parent) if own.is_empty() && !of_parent.is_empty() => describe(parent),
                _ => describe(policy),
            };
            let why = format!("{policies} protects this, but gatefold can't enforce it");
            evaluated.node = SecurityNode::Refused(why.into());
        }
        evaluated.uses_client_address = spec
            .authorization
            .as_ref()
            .is_some_and(|it| it.uses_client_address());
        evaluated
    }
}

/// Returns the paths of the fields that can't be enforced.
fn unserved(spec: &SecurityPolicySpec) -> Vec<Pointer> {
    let features = [
        ("apiKeyAuth", spec.api_key_auth.is_some()),
        ("basicAuth", spec.basic_auth.is_some()),
        ("cors", spec.cors.is_some()),
        ("authorization", spec.authorization.is_some()),
    ];
    let set = features.into_iter().filter(|(_, is_set)| *is_set);
    let set = set.map(|(name, _)| Pointer::spec().key(name));
    set.chain(spec.unserved()).collect()
}

/// Reports a policy that can't be enforced. Labels of its targets are added where they are known.
fn report(policy: &SecurityPolicy, fields: &[Pointer], first: &Pointer) -> Diagnostic {
    let names: Vec<String> = fields.iter().map(|it| format!("`{it}`")).collect();
    let message = format!(
        "gatefold can't enforce {}, because it doesn't serve {}: requests that the policy protects answer 500",
        describe(policy),
        names.join(", ")
    );
    let found = policy.finding(Code::UnreadProtection, first.clone(), message);
    found.help(
        "remove the policy, or serve its targets without it: `--ignore-policy SecurityPolicy.gateway.envoyproxy.io`",
    )
}
