//! ClientTrafficPolicies: how connections and requests of clients are treated.
//!
//! In: the policies of the folder. Out: for each listener the settings in force; which listeners the policies close; and a report
//! of the fields that gatefold doesn't serve. Such a field closes the policy's targets if it protects them; any other is named in
//! the policy's status.

mod settings;
mod shared_sockets;
mod socket_settings;

pub(crate) use shared_sockets::SharedSockets;
pub(super) use shared_sockets::SocketConflict;

use super::layered::{LayeredPolicies, ListenerPolicy, TargetOutcome, describe};
use super::protection::Protections;
use crate::condition::{Problem, Reason};
use crate::listener::ListenerNode;
use crate::reported_object::ReportedObject;
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::client_traffic::socket_settings::SocketSettings;
use gatefold_diagnostic::{Code, Diagnostic};
use gatefold_manifest::api::{
    ClientTrafficPolicy, ClientTrafficPolicySpec, FieldEffect, NamespacedName, SetField,
};
use std::sync::Arc;

/// All ClientTrafficPolicies.
#[derive(Default)]
pub(crate) struct ClientTrafficPolicies<'a> {
    pub(super) attached: LayeredPolicies<'a, ClientTrafficPolicySpec>,
    /// The settings of each policy. `None` for a policy without settings that gatefold serves.
    settings: Vec<Option<Arc<ClientTraffic>>>,
    pub sockets: SharedSockets,
}

impl<'a> ClientTrafficPolicies<'a> {
    /// Closes the targets of policies in force with a field that protects and that gatefold doesn't serve.
    pub fn new(
        attached: LayeredPolicies<'a, ClientTrafficPolicySpec>,
        protections: &mut Protections,
    ) -> Self {
        for it in &attached.policies {
            let Some(first) = closing(it.policy).next() else {
                continue;
            };
            let name = format!("{} (`spec.{}`)", describe(it.policy), first.field.path);
            let in_force = it.targets.iter();
            let in_force = in_force.filter(|target| target.outcome == TargetOutcome::InForce);
            in_force.for_each(|target| protections.add(&target.object, &name));
        }
        let all = attached.policies.iter();
        let settings = all.map(|it| settings::of(&it.policy.spec).map(Arc::new));
        ClientTrafficPolicies {
            settings: settings.collect(),
            attached,
            sockets: SharedSockets::default(),
        }
    }

    /// Returns the settings in force for the clients of a listener. `None` if there are none.
    pub fn of_listener(
        &self,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> Option<Arc<ClientTraffic>> {
        let found = self.attached.of_listener(gateway, listener)?;
        self.settings.get(found.policy)?.clone()
    }

    /// Returns what a policy says of its sockets. Without a policy, nothing.
    fn socket_settings(&self, policy: Option<&ListenerPolicy>) -> SocketSettings {
        let policy = policy.and_then(|it| self.attached.policies.get(it.policy));
        policy.map_or_else(SocketSettings::default, |it| {
            socket_settings::of(&it.policy.spec)
        })
    }

    /// Returns the field by which a policy decides about PROXY headers.
    fn proxy_protocol_field(&self, policy: &ListenerPolicy) -> &'static str {
        let policy = self.attached.policies.get(policy.policy);
        let is_older_field = policy.is_some_and(|it| {
            let spec = &it.policy.spec;
            spec.proxy_protocol.is_none() && spec.enable_proxy_protocol.is_some()
        });
        if is_older_field {
            "enableProxyProtocol"
        } else {
            "proxyProtocol"
        }
    }
}

/// Returns the fields that close the targets of a policy.
fn closing(policy: &ClientTrafficPolicy) -> impl Iterator<Item = &SetField> {
    let set = policy.spec.unserved.iter();
    set.filter(|it| it.field.effect == FieldEffect::Closes)
}

/// Returns the fields of a policy without which its targets are served, and what gatefold does instead.
fn ignored(policy: &ClientTrafficPolicy) -> Vec<(&SetField, &'static str)> {
    let set = policy.spec.unserved.iter();
    let ignored = set.filter_map(|it| match it.field.effect {
        FieldEffect::Ignored(instead) => Some((it, instead)),
        FieldEffect::Closes | FieldEffect::Served(_) | FieldEffect::Guards(_) => None,
    });
    ignored.collect()
}

/// Returns why a policy isn't accepted.
pub(super) fn problems(policy: &ClientTrafficPolicy) -> Vec<Problem> {
    let problems = closing(policy).map(|it| {
        let message = format!("gatefold doesn't serve `{}`", it.pointer);
        Problem::new(Reason::Invalid, message)
    });
    problems.collect()
}

/// Returns the message of the condition that names the ignored fields. `None` if there are none.
pub(super) fn warning(policy: &ClientTrafficPolicy) -> Option<String> {
    let ignored = ignored(policy);
    let parts: Vec<String> = ignored
        .iter()
        .map(|(it, instead)| format!("`{}` isn't served: {instead}", it.pointer))
        .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Reports the fields that gatefold doesn't serve.
pub(super) fn findings(policy: &ClientTrafficPolicy) -> Vec<Diagnostic> {
    let name = describe(policy);
    let closing = closing(policy).map(|it| {
        let message = format!(
            "gatefold can't enforce {name}, because it doesn't serve `{}`: the policy's targets answer 500",
            it.pointer
        );
        let found = policy.finding(Code::UnreadProtection, it.pointer.clone(), message);
        found.help(
            "remove the field, or serve the targets without the policy: `--ignore-policy ClientTrafficPolicy.gateway.envoyproxy.io`",
        )
    });
    let ignored = ignored(policy);
    let reported = ignored.first().map(|(first, _)| {
        let names: Vec<String> = ignored
            .iter()
            .map(|(it, _)| format!("`{}`", it.pointer))
            .collect();
        let message = format!("gatefold doesn't serve {} of {name}", names.join(", "));
        let found = policy.finding(Code::UnreadPolicy, first.pointer.clone(), message);
        ignored.iter().fold(found, |found, (it, instead)| {
            found.note(format!("`{}`: {instead}", it.pointer))
        })
    });
    closing.chain(reported).collect()
}
