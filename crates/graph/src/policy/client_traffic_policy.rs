//! ClientTrafficPolicies: how connections and requests of clients are treated.
//!
//! In: the policies of the folder. Out: for each listener the settings in force; which listeners the policies close; and a report
//! of the fields that gatefold doesn't serve. Such a field closes the policy's targets if it protects them; any other is named in
//! the policy's status.

mod header_changes;
mod settings;

use super::layered::{LayeredPolicies, TargetOutcome, describe};
use super::protection::Protections;
use crate::condition::{Problem, Reason};
use crate::listener::ListenerNode;
use crate::reported_object::ReportedObject;
use crate::route::literal_value;
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    ClientTrafficPolicy, ClientTrafficPolicySpec, FieldEffect, NamespacedName, SetField,
};
use settings::SettingProblem;
use std::sync::Arc;

/// All ClientTrafficPolicies.
#[derive(Default)]
pub(crate) struct ClientTrafficPolicies<'a> {
    pub(super) attached: LayeredPolicies<'a, ClientTrafficPolicySpec>,
    /// The settings of each policy. `None` for a policy that keeps every default.
    settings: Vec<Option<Arc<ClientTraffic>>>,
}

impl<'a> ClientTrafficPolicies<'a> {
    /// Closes the targets of policies in force that can't be enforced: a field protects and isn't served, or a setting can't be
    /// applied.
    pub fn new(
        attached: LayeredPolicies<'a, ClientTrafficPolicySpec>,
        protections: &mut Protections,
    ) -> Self {
        for it in &attached.policies {
            let Some(first) = why_closed(it.policy).into_iter().next() else {
                continue;
            };
            let name = format!("{} (`{}`)", describe(it.policy), first.pointer);
            let in_force = it.targets.iter();
            let in_force = in_force.filter(|target| target.outcome == TargetOutcome::InForce);
            in_force.for_each(|target| protections.add(&target.object, &name));
        }
        let all = attached.policies.iter();
        let settings = all.map(|it| {
            let (settings, _) = settings::read(&it.policy.spec);
            (settings != ClientTraffic::default()).then(|| Arc::new(settings))
        });
        ClientTrafficPolicies {
            settings: settings.collect(),
            attached,
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

    /// Returns the policy because of which the clients of a listener have other addresses than gatefold sees, as a text for
    /// messages. `None` if there is none.
    pub fn changes_client_address(
        &self,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> Option<String> {
        let found = self.attached.of_listener(gateway, listener)?;
        let policy = self.attached.policies.get(found.policy)?.policy;
        let changes = policy.spec.changes_client_address();
        changes.then(|| describe(policy))
    }
}

/// Whether a policy has a setting that can't be applied as written, and closes its targets because of it.
pub(super) fn is_invalid(spec: &ClientTrafficPolicySpec) -> bool {
    !settings::read(spec).1.is_empty()
}

/// Returns why the targets of a policy are closed: the fields that protect and that gatefold doesn't serve, then the settings that
/// can't be applied.
fn why_closed(policy: &ClientTrafficPolicy) -> Vec<SettingProblem> {
    let unserved = closing(policy).map(|it| SettingProblem {
        pointer: it.pointer.clone(),
        message: format!("gatefold doesn't serve `{}`", it.pointer),
    });
    unserved.chain(settings::read(&policy.spec).1).collect()
}

/// Returns the fields that close the targets of a policy.
fn closing(policy: &ClientTrafficPolicy) -> impl Iterator<Item = &SetField> {
    let set = policy.spec.set_fields.iter();
    set.filter(|it| it.field.effect == FieldEffect::Closes)
}

/// Returns the fields of a policy without which its targets are served, and what gatefold does instead.
fn ignored(policy: &ClientTrafficPolicy) -> Vec<(&SetField, &'static str)> {
    let set = policy.spec.set_fields.iter();
    let ignored = set.filter_map(|it| match it.field.effect {
        FieldEffect::Ignored(instead) => Some((it, instead)),
        FieldEffect::Closes | FieldEffect::Served(_) | FieldEffect::Guards(_) => None,
    });
    ignored.collect()
}

/// Returns why a policy isn't accepted.
pub(super) fn problems(policy: &ClientTrafficPolicy) -> Vec<Problem> {
    let problems = why_closed(policy).into_iter();
    let problems = problems.map(|it| Problem::new(Reason::Invalid, it.message));
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

/// Reports the fields that gatefold doesn't serve, and the settings that can't be applied.
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
    let (_, invalid) = settings::read(&policy.spec);
    let invalid = invalid.into_iter().map(|it| {
        let message = format!(
            "gatefold can't enforce {name}: {}; the policy's targets answer 500",
            it.message
        );
        policy.finding(Code::InvalidClientTrafficPolicy, it.pointer, message)
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
    let literal = literal_values(policy);
    closing
        .chain(invalid)
        .chain(reported)
        .chain(literal)
        .collect()
}

/// Reports values of headers that Envoy would replace.
fn literal_values(policy: &ClientTrafficPolicy) -> Vec<Diagnostic> {
    let headers = policy.spec.headers.iter();
    let changes = headers.flat_map(|it| {
        let early = ("earlyRequestHeaders", it.early_request_headers.as_ref());
        let late = ("lateResponseHeaders", it.late_response_headers.as_ref());
        [early, late]
    });
    let lists = changes.flat_map(|(name, filter)| {
        let at = Pointer::spec().key("headers").key(name);
        filter.into_iter().flat_map(move |filter| {
            [
                (at.key("set"), &filter.set),
                (at.key("add"), &filter.add),
                (at.key("addIfAbsent"), &filter.add_if_absent),
            ]
        })
    });
    let literal = lists.flat_map(|(at, headers)| {
        let headers = headers.iter().flatten().enumerate();
        headers.filter_map(move |(index, header)| {
            let pointer = at.index(index).key("value");
            let message = literal_value(header)?;
            Some(policy.finding(Code::LiteralHeaderValue, pointer, message))
        })
    });
    literal.collect()
}
