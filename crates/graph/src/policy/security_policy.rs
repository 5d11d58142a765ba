//! SecurityPolicies: which requests are authenticated and authorized, and how.
//!
//! In: the policies of the folder. Out: for each rule of a route at each of its listeners, what is enforced there. A policy that
//! can't be enforced as written refuses the requests that it protects; it never lets them pass. Settings are evaluated when
//! they are first needed, and reported after the routes are built, because the nodes of unchanged routes are reused.

use super::client_traffic_policy::ClientTrafficPolicies;
use super::jwks::{JwksSource, KeySets, RemoteJwksNode};
use super::kept_credentials::{CredentialsInForce, KeptCredentials};
use super::layered::{LayeredPolicies, ListenerPolicy, describe};
use super::oidc_providers::{OidcProviderNode, OidcProviderSource, OidcProviders};
use super::security_merge;
use super::security_settings::{PolicyOwners, SettingsReader};
use crate::Build;
use crate::backend::endpoints::{ServicePortKey, ServicePorts};
use crate::condition::{Problem, Reason};
use crate::listener::ListenerNode;
use crate::reported_object::ReportedObject;
use crate::route::ExternalAuthNode;
use gatefold_dataplane::filter::security::SecurityFilters;
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
    /// They must pass these filters. A policy without settings has none.
    Filters(Arc<PolicyFilters>),
    /// The policy can't be enforced: requests are answered 500. Contains the reason.
    Refused(Arc<str>),
}

/// The filters of a SecurityPolicy.
#[derive(Debug, Default)]
pub struct PolicyFilters {
    /// Those that decide on their own.
    pub own: SecurityFilters,
    /// `extAuth`, with the servers that it asks.
    pub ext_auth: Option<Arc<ExternalAuthNode>>,
}

/// Nodes are equal if they do the same with requests. Filters are compared by address, since those of a policy are read once.
impl PartialEq for SecurityNode {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (SecurityNode::Filters(one), SecurityNode::Filters(other)) => Arc::ptr_eq(one, other),
            (SecurityNode::Refused(one), SecurityNode::Refused(other)) => one == other,
            (SecurityNode::Filters(_), SecurityNode::Refused(_))
            | (SecurityNode::Refused(_), SecurityNode::Filters(_)) => false,
        }
    }
}

impl SecurityNode {
    /// Returns why requests are refused. `None` if they aren't.
    pub(crate) fn refusal(&self) -> Option<&Arc<str>> {
        match self {
            SecurityNode::Filters(_) => None,
            SecurityNode::Refused(why) => Some(why),
        }
    }
}

/// All SecurityPolicies.
#[derive(Default)]
pub(crate) struct SecurityPolicies<'a> {
    pub(super) attached: LayeredPolicies<'a, SecurityPolicySpec>,
    pub client_traffic: ClientTrafficPolicies<'a>,
    evaluated: RefCell<BTreeMap<EffectivePolicy, Arc<EvaluatedPolicy>>>,
    /// The keys that the evaluated policies need and that have to be fetched.
    pub(super) key_sets: KeySets<'a>,
    /// The providers of the evaluated policies.
    pub(super) oidc_providers: OidcProviders<'a>,
    /// The Secrets and ConfigMaps of the evaluated policies.
    pub(super) credentials: KeptCredentials<'a>,
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
    /// Why it can't be enforced.
    pub problems: Vec<Problem>,
    /// What is enforced in another way than written, as messages for its status.
    pub warnings: Vec<String>,
    /// The problems and the warnings as diagnostics.
    pub findings: Vec<Diagnostic>,
    /// The ports of Services that it depends on.
    service_ports: Box<[ServicePortKey]>,
}

impl<'a> SecurityPolicies<'a> {
    pub fn new(
        attached: LayeredPolicies<'a, SecurityPolicySpec>,
        client_traffic: ClientTrafficPolicies<'a>,
        (key_sets_before, providers_before): (
            &'a BTreeMap<JwksSource, RemoteJwksNode>,
            &'a BTreeMap<OidcProviderSource, OidcProviderNode>,
        ),
        credentials_before: &'a CredentialsInForce,
    ) -> Self {
        SecurityPolicies {
            attached,
            client_traffic,
            evaluated: RefCell::default(),
            key_sets: KeySets::after(key_sets_before),
            oidc_providers: OidcProviders::after(providers_before),
            credentials: KeptCredentials::after(credentials_before),
        }
    }

    /// Returns the keys that the evaluated policies need and that have to be fetched. Their endpoints aren't resolved yet.
    pub fn take_key_sets(&self) -> BTreeMap<JwksSource, RemoteJwksNode> {
        self.key_sets.take()
    }

    /// Returns the providers of the evaluated policies. Their endpoints aren't resolved yet.
    pub fn take_oidc_providers(&self) -> BTreeMap<OidcProviderSource, OidcProviderNode> {
        self.oidc_providers.take()
    }

    /// Returns the Secrets and ConfigMaps that the evaluated policies use.
    pub fn take_credentials(&self) -> CredentialsInForce {
        self.credentials.take()
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
        context: (&Build<'a>, &mut ServicePorts<'a>),
    ) -> Option<Arc<str>> {
        let policy = self.attached.of_route(kind, key, rule)?;
        if self.merges(policy) {
            return None;
        }
        let parent = None;
        let evaluated = self.evaluate(EffectivePolicy { policy, parent }, context);
        evaluated.node.refusal().cloned()
    }

    /// Returns what applies to each of a route's rules at a listener, and the ports of Services that this depends on. Empty if
    /// nothing applies to any of them.
    pub fn of_route(
        &self,
        (kind, key): (PolicyTargetKind, &NamespacedName),
        rules: &[&str],
        (gateway, listener): (&NamespacedName, &ListenerNode),
        (build, ports): (&Build<'a>, &mut ServicePorts<'a>),
    ) -> (Box<[Option<SecurityNode>]>, Vec<ServicePortKey>) {
        let mut services = Vec::new();
        let rules = rules.iter().map(|rule| {
            let route = self.attached.of_route(kind, key, rule);
            let (effective, _) = self.effective(route, gateway, listener)?;
            let evaluated = self.evaluate(effective, (build, ports));
            services.extend_from_slice(&evaluated.service_ports);
            Some(evaluated.node.clone())
        });
        let rules: Vec<Option<SecurityNode>> = rules.collect();
        if rules.iter().all(Option::is_none) {
            return Default::default();
        }
        (rules.into(), services)
    }

    /// Returns the ports of Services that the evaluated policies depend on.
    pub fn service_ports(&self) -> Vec<ServicePortKey> {
        let evaluated = self.evaluated.borrow();
        let ports = evaluated.values().flat_map(|it| it.service_ports.iter());
        ports.cloned().collect()
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

    /// Evaluates a policy, once.
    pub(super) fn evaluate(
        &self,
        effective: EffectivePolicy,
        context: (&Build<'a>, &mut ServicePorts<'a>),
    ) -> Arc<EvaluatedPolicy> {
        if let Some(known) = self.evaluated.borrow().get(&effective) {
            return known.clone();
        }
        let evaluated = Arc::new(self.read(effective, context));
        let mut all = self.evaluated.borrow_mut();
        all.entry(effective).or_insert(evaluated).clone()
    }

    fn read(
        &self,
        effective: EffectivePolicy,
        context: (&Build<'a>, &mut ServicePorts<'a>),
    ) -> EvaluatedPolicy {
        // The index comes from the same list.
        let Some(policy) = self.policy(effective.policy) else {
            return EvaluatedPolicy::default();
        };
        let parent = effective.parent.and_then(|parent| self.policy(parent));
        EvaluatedPolicy::of(policy, parent.map(|it| &**it), context)
    }
}

impl EvaluatedPolicy {
    /// Evaluates a policy, merged into `parent` if there is one.
    pub fn of<'a>(
        policy: &SecurityPolicy,
        parent: Option<&SecurityPolicy>,
        (build, ports): (&Build<'a>, &mut ServicePorts<'a>),
    ) -> EvaluatedPolicy {
        let spec = match parent {
            Some(parent) => Cow::Owned(security_merge::merge(&policy.spec, &parent.spec)),
            None => Cow::Borrowed(&policy.spec),
        };
        let mut reader = SettingsReader {
            build,
            ports,
            problems: Vec::new(),
            warnings: Vec::new(),
            findings: Vec::new(),
            service_ports: Vec::new(),
        };
        let owners = PolicyOwners { policy, parent };
        let filters = reader.read(&spec, owners);
        let SettingsReader {
            mut problems,
            warnings,
            mut findings,
            service_ports,
            ..
        } = reader;
        for pointer in spec.unserved() {
            let message = format!("gatefold doesn't serve `{pointer}`");
            problems.push(Problem::new(Reason::Invalid, message));
        }
        // The policies themselves report what they don't serve.
        if parent.is_none() {
            findings.extend(report_unserved(policy));
        }
        if let Some(unknown) = unknown_merge_type(&policy.spec) {
            let message =
                format!("`{unknown}` isn't a merge type; use `StrategicMerge` or `JSONMerge`");
            let pointer = Pointer::spec().key("mergeType");
            let code = Code::InvalidSecurityPolicy;
            findings.push(policy.finding(code, pointer, message.clone()));
            problems.push(Problem::new(Reason::Invalid, message));
        }
        EvaluatedPolicy {
            node: if problems.is_empty() {
                SecurityNode::Filters(Arc::new(filters))
            } else {
                let name = describe(policy);
                let why = format!("{name} protects this, but gatefold can't enforce it");
                SecurityNode::Refused(why.into())
            },
            problems,
            warnings,
            findings,
            service_ports: service_ports.into(),
        }
    }
}

impl Default for EvaluatedPolicy {
    /// Refuses everything.
    fn default() -> Self {
        EvaluatedPolicy {
            node: SecurityNode::Refused("there is no such policy".into()),
            problems: Vec::new(),
            warnings: Vec::new(),
            findings: Vec::new(),
            service_ports: Box::default(),
        }
    }
}

fn unknown_merge_type(spec: &SecurityPolicySpec) -> Option<&str> {
    let merge_type = spec.merge_type.as_deref();
    merge_type.filter(|it| !security_merge::is_merge_type(it))
}

/// Reports the fields of a policy that can't be enforced. `None` if there are none.
fn report_unserved(policy: &SecurityPolicy) -> Option<Diagnostic> {
    let fields = policy.spec.unserved();
    let first = fields.first()?.clone();
    let names: Vec<String> = fields.iter().map(|it| format!("`{it}`")).collect();
    let message = format!(
        "gatefold can't enforce {}, because it doesn't serve {}: requests that the policy protects are refused",
        describe(policy),
        names.join(", ")
    );
    let found = policy.finding(Code::UnreadProtection, first, message);
    Some(found.help(
        "remove the policy, or serve its targets without it: `--ignore-policy SecurityPolicy.gateway.envoyproxy.io`",
    ))
}
