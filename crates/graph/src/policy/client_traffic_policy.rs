//! ClientTrafficPolicies: how connections and requests of clients are treated.
//!
//! In: the policies of the folder. Out: for each listener the settings in force; which listeners the policies close; and a report
//! of the fields that gatefold doesn't serve. Such a field closes the policy's targets if it protects them; any other is named in
//! the policy's status.

mod client_validation;
mod header_changes;
mod request_settings;
mod settings;
mod shared_sockets;
mod shortfall;
mod socket_settings;
mod text_pattern;
mod time_limits;
mod tls_settings;

pub(crate) use settings::PolicySettings;
pub(crate) use shared_sockets::SharedSockets;
pub(super) use shared_sockets::SocketConflict;

use super::layered::{LayeredPolicies, ListenerPolicy, TargetOutcome, describe};
use super::protection::Protections;
use crate::Build;
use crate::condition::{Problem, Reason};
use crate::listener::ListenerNode;
use crate::reported_object::ReportedObject;
use crate::route::literal_value;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{ClientTrafficPolicy, ClientTrafficPolicySpec, NamespacedName};
use shortfall::{Shortfall, ShortfallEffect};

/// All ClientTrafficPolicies.
#[derive(Default)]
pub(crate) struct ClientTrafficPolicies<'a> {
    pub(super) attached: LayeredPolicies<'a, ClientTrafficPolicySpec>,
    /// The settings of each policy.
    settings: Vec<PolicySettings>,
    pub sockets: SharedSockets,
}

impl<'a> ClientTrafficPolicies<'a> {
    /// Reads the settings, and closes the targets of policies in force that protect them in a way that gatefold can't follow.
    pub fn new(
        attached: LayeredPolicies<'a, ClientTrafficPolicySpec>,
        protections: &mut Protections,
        build: &mut Build<'_>,
    ) -> Self {
        let all = attached.policies.iter();
        let settings: Vec<_> = all.map(|it| PolicySettings::of(it.policy, build)).collect();
        for (it, settings) in std::iter::zip(&attached.policies, &settings) {
            let Some(first) = settings.closing().next() else {
                continue;
            };
            let name = format!("{} (`{}`)", describe(it.policy), first.pointer);
            let in_force = it.targets.iter();
            let in_force = in_force.filter(|target| target.outcome == TargetOutcome::InForce);
            in_force.for_each(|target| protections.add(&target.object, &name));
        }
        ClientTrafficPolicies {
            settings,
            attached,
            sockets: SharedSockets::default(),
        }
    }

    /// Returns the settings in force for the clients of a listener. `None` if no policy is.
    pub fn of_listener(
        &self,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> Option<&PolicySettings> {
        let found = self.attached.of_listener(gateway, listener)?;
        self.settings.get(found.policy)
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

    /// Returns why a policy isn't accepted.
    pub(super) fn problems(&self, policy: usize) -> Vec<Problem> {
        let closing = self.with_effect(policy, ShortfallEffect::Closes);
        let problems = closing.map(|it| {
            let message = format!("gatefold doesn't serve `{}`", it.pointer);
            let message = match it.message.as_str() {
                "" => message,
                why => format!("{message}: {why}"),
            };
            Problem::new(Reason::Invalid, message)
        });
        let invalid = self.with_effect(policy, ShortfallEffect::Invalid);
        let invalid = invalid.map(|it| Problem::new(Reason::Invalid, it.message.clone()));
        let unresolved = self.with_effect(policy, ShortfallEffect::Unresolved);
        let unresolved = unresolved.map(|it| {
            let message = format!("`{}`: {}", it.pointer, it.message);
            Problem::new(Reason::Invalid, message)
        });
        problems.chain(invalid).chain(unresolved).collect()
    }

    /// Returns the message of the condition that names what isn't served and closes nothing. `None` if there is nothing.
    pub(super) fn warning(&self, policy: usize) -> Option<String> {
        let ignored = self.with_effect(policy, ShortfallEffect::Ignored);
        let ignored = ignored.map(|it| format!("`{}` isn't served: {}", it.pointer, it.message));
        let unlimited = self.with_effect(policy, ShortfallEffect::Unlimited);
        let last_good = self.with_effect(policy, ShortfallEffect::LastGood);
        let others = unlimited.chain(last_good);
        let others = others.map(|it| format!("`{}`: {}", it.pointer, it.message));
        let parts: Vec<String> = ignored.chain(others).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn with_effect(
        &self,
        policy: usize,
        effect: ShortfallEffect,
    ) -> impl Iterator<Item = &Shortfall> {
        let settings = self.settings.get(policy).into_iter();
        let all = settings.flat_map(|it| &it.shortfalls);
        all.filter(move |it| it.effect == effect)
    }

    /// Reports what gatefold doesn't serve of a policy.
    pub(super) fn findings(&self, index: usize, policy: &ClientTrafficPolicy) -> Vec<Diagnostic> {
        let name = describe(policy);
        let closing = self.with_effect(index, ShortfallEffect::Closes).map(|it| {
            let message = format!(
                "gatefold can't enforce {name}, because it doesn't serve `{}`: the policy's targets answer 500",
                it.pointer
            );
            let mut found = policy.finding(Code::UnreadProtection, it.pointer.clone(), message);
            if !it.message.is_empty() {
                found = found.caption(it.message.clone());
            }
            found.help(
                "remove the field, or serve the targets without the policy: `--ignore-policy ClientTrafficPolicy.gateway.envoyproxy.io`",
            )
        });
        let ignored: Vec<_> = self.with_effect(index, ShortfallEffect::Ignored).collect();
        let reported = ignored.first().map(|first| {
            let names = ignored.iter().map(|it| format!("`{}`", it.pointer));
            let names: Vec<String> = names.collect();
            let message = format!("gatefold doesn't serve {} of {name}", names.join(", "));
            let found = policy.finding(Code::UnreadPolicy, first.pointer.clone(), message);
            ignored.iter().fold(found, |found, it| {
                found.note(format!("`{}`: {}", it.pointer, it.message))
            })
        });
        let unlimited = self.with_effect(index, ShortfallEffect::Unlimited);
        let unlimited = unlimited.map(|it| {
            let message = format!("{name}: {}", it.message);
            let found = policy.finding(Code::NoTimeLimit, it.pointer.clone(), message);
            found.help(
                "write a long time, such as `1h`, or remove the field for gatefold's own limit",
            )
        });
        let invalid = self.with_effect(index, ShortfallEffect::Invalid).map(|it| {
            let message = format!(
                "gatefold can't enforce {name}: {}; the policy's targets answer 500",
                it.message
            );
            let code = Code::InvalidClientTrafficPolicy;
            policy.finding(code, it.pointer.clone(), message)
        });
        let all = closing.chain(invalid).chain(reported).chain(unlimited);
        all.chain(literal_values(policy)).collect()
    }
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
