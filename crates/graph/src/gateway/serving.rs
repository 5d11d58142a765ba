//! Decides which listeners of a Gateway are served, and sums up its conditions.

use super::node::GatewayNode;
use crate::condition::{self, Condition, ConditionType, Problem, Reason};
use crate::environment::Environment;
use crate::listener::ListenerOwner;
use crate::policy::client_traffic_policy::ClientTrafficPolicies;
use crate::policy::protection::Protections;
use crate::policy::security_policy::SecurityPolicies;
use crate::quoted;
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind};

impl GatewayNode {
    /// Closes the listeners that a policy protects which gatefold can't enforce. A policy for the Gateway also protects the
    /// listeners of its ListenerSets.
    pub(super) fn close_protected(&mut self, key: &NamespacedName, protections: &Protections) {
        if protections.is_empty() {
            return;
        }
        for listener in &mut self.listeners {
            let name = Some(listener.name.as_str());
            listener.refusal = match &listener.owner {
                ListenerOwner::Gateway(_) => {
                    protections.refusal(PolicyTargetKind::Gateway, key, name)
                }
                ListenerOwner::ListenerSet(set) => {
                    let own = PolicyTargetKind::ListenerSet;
                    let refusal = protections.refusal(own, &set.key(), name);
                    refusal.or_else(|| protections.refusal(PolicyTargetKind::Gateway, key, None))
                }
            };
        }
    }

    /// Marks the listeners with a SecurityPolicy: no listener with a wider hostname may serve their requests.
    pub(super) fn find_protected(&mut self, key: &NamespacedName, security: &SecurityPolicies<'_>) {
        for listener in &mut self.listeners {
            listener.may_reject_requests |= security.protects_listener(key, listener);
        }
    }

    /// Applies the ClientTrafficPolicies to the listeners.
    pub(super) fn set_client_traffic(
        &mut self,
        key: &NamespacedName,
        policies: &ClientTrafficPolicies<'_>,
    ) {
        for listener in &mut self.listeners {
            let settings = policies.of_listener(key, listener);
            listener.client_traffic = settings.and_then(|it| it.requests.clone());
            listener.tls_settings = settings.and_then(|it| it.tls.clone());
            if let Some(clients) = settings.and_then(|it| it.clients.as_ref()) {
                listener.validate_clients(clients);
            }
        }
    }

    /// Decides which listeners are served. Their conflicts must be known.
    pub(super) fn decide_serving(&mut self, key: &NamespacedName, environment: &Environment) {
        for listener in &mut self.listeners {
            listener.decide_serving((key, &self.addresses), self.refused, environment);
        }
        if !self.refused {
            let accepted = accepted(self.own_listeners().map(|listener| {
                let accepted = condition::is_true(&listener.conditions, ConditionType::Accepted);
                (listener.name.as_str(), accepted)
            }));
            self.conditions.push(accepted);
        }
        let is_served = self.own_listeners().any(|listener| listener.serving);
        if !is_served && condition::find(&self.conditions, ConditionType::Programmed).is_none() {
            let message = "nothing is served; see the conditions of the Gateway and its listeners";
            let programmed = Condition::fails(ConditionType::Programmed, Reason::Invalid, message);
            self.conditions.push(programmed);
        }
        let resolved = self.resolved_refs();
        self.conditions.push(resolved);
    }

    fn resolved_refs(&self) -> Condition {
        let unresolved = self.own_listeners().filter(|listener| {
            !condition::is_true(&listener.conditions, ConditionType::ResolvedRefs)
        });
        let names: Vec<&str> = unresolved.map(|listener| listener.name.as_str()).collect();
        let mut problems = self.unresolved.clone();
        if !names.is_empty() {
            let names = quoted(names.iter().copied());
            let message = format!("listeners with unresolved references: {names}");
            problems.push(Problem::new(Reason::ListenersNotResolved, message));
        }
        Condition::resolved_refs(&problems)
    }
}

/// Returns `Accepted` of a Gateway, as far as its listeners decide. Each listener is given by its name and whether it is
/// accepted. One accepted listener is enough (API: `GatewayReasonListenersNotValid`).
pub fn accepted<'l>(listeners: impl Iterator<Item = (&'l str, bool)>) -> Condition {
    const ACCEPTED: ConditionType = ConditionType::Accepted;
    let (accepted, others): (Vec<_>, Vec<_>) = listeners.partition(|(_, accepted)| *accepted);
    let names = |listeners: &[(&'l str, bool)]| quoted(listeners.iter().map(|(name, _)| *name));
    if others.is_empty() {
        return Condition::holds(ACCEPTED, Reason::Accepted, "the Gateway is accepted");
    }
    let message = format!("listeners that aren't accepted: {}", names(&others));
    if accepted.is_empty() {
        return Condition::fails(ACCEPTED, Reason::ListenersNotValid, message);
    }
    let message = format!("{message}; accepted: {}", names(&accepted));
    Condition::holds(ACCEPTED, Reason::ListenersNotValid, message)
}
