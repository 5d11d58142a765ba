//! The settings of sockets, on which the policies of all listeners of a socket must agree.
//!
//! In: the listeners with their sockets, and the policies in force there. Out: the settings of each socket, and the conflicts. The
//! oldest policy decides about most settings, and the others have a warning. A PROXY header changes which addresses count as
//! clients, so a listener whose policy doesn't prevail is closed, and no policy makes another listener believe the headers: a
//! listener without such a policy prevails (as in Envoy Gateway, which refuses a policy that affects additional listeners).

use super::ClientTrafficPolicies;
use crate::Build;
use crate::condition::{self, ConditionType};
use crate::gateway::{self, GatewayNodes};
use crate::listener::conflict::claimed_sockets;
use crate::listener::{ListenerId, ListenerNode, ListenerOwner};
use crate::policy::layered::{ListenerPolicy, describe};
use crate::policy::protection::Protections;
use crate::policy::target::{TargetedObject, TargetedPart};
use crate::reported_object::ReportedObject;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::client_traffic::socket_settings::{
    ClientLimits, ProxyProtocol, SocketSettings,
};
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer, Severity};
use gatefold_manifest::api::{ClientTrafficPolicy, PolicyTargetKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The settings of all sockets.
#[derive(Default)]
pub(crate) struct SharedSockets {
    /// A socket without settings isn't here.
    pub settings: BTreeMap<SocketKey, Arc<SocketSettings>>,
    conflicts: Vec<SocketConflict>,
}

/// A policy that isn't in force for a listener, because another listener of the socket wants something else.
#[derive(PartialEq)]
pub(crate) struct SocketConflict {
    /// The policy, and where it is attached.
    pub(in crate::policy) policy: ListenerPolicy,
    /// The listener.
    listener: TargetedObject,
    /// The setting, in the policy.
    setting: &'static str,
    pub message: String,
    /// Whether the listener answers 500.
    pub closes: bool,
    /// The listener that prevails.
    other: Place,
}

/// A listener of a socket, with the policy in force for it.
struct Claim<'n> {
    id: ListenerId,
    listener: &'n ListenerNode,
    policy: Option<ListenerPolicy>,
}

impl Claim<'_> {
    /// Returns what the policy says of sockets. `None` without a policy.
    fn settings<'p>(&self, policies: &'p ClientTrafficPolicies<'_>) -> Option<&'p SocketSettings> {
        let policy = self.policy.as_ref()?;
        policies.settings.get(policy.policy).map(|it| &it.socket)
    }
}

impl SharedSockets {
    /// Settles the settings of all sockets. Which listeners conflict must be known.
    pub fn settle(nodes: &GatewayNodes, build: &Build<'_>) -> Self {
        let policies = &build.security.client_traffic;
        let mut settled = SharedSockets::default();
        if policies.attached.is_empty() {
            return settled;
        }
        let mut sockets: BTreeMap<_, Vec<Claim<'_>>> = BTreeMap::new();
        for (id, listener) in gateway::listeners(nodes) {
            if !condition::is_true(&listener.conditions, ConditionType::Accepted) {
                continue;
            }
            for socket in claimed_sockets(&id, listener, nodes, build) {
                let claim = Claim {
                    policy: policies.attached.of_listener(&id.gateway, listener),
                    id: id.clone(),
                    listener,
                };
                sockets.entry(socket).or_default().push(claim);
            }
        }
        for ((_, socket), claims) in &sockets {
            settled.settle_socket(*socket, claims, policies);
        }
        settled
    }

    fn settle_socket(
        &mut self,
        socket: SocketKey,
        claims: &[Claim<'_>],
        policies: &ClientTrafficPolicies<'_>,
    ) {
        let proxy_protocol = self.settle_proxy_protocol(claims, policies);
        let mut oldest = Oldest {
            claims,
            policies,
            conflicts: &mut self.conflicts,
        };
        let settings = SocketSettings {
            proxy_protocol,
            keep_alive: oldest.setting("tcpKeepalive", |it| it.keep_alive),
            connection_limit: oldest.setting("connection", |it| it.connection_limit),
            lifetime: oldest.setting("connection", |it| it.lifetime),
            limits: ClientLimits {
                handshake: oldest.setting("timeout", |it| it.limits.handshake),
                header: oldest.setting("timeout", |it| it.limits.header),
                idle: oldest.setting("timeout", |it| it.limits.idle),
            },
            http2: oldest.setting("http2", |it| it.http2),
        };
        if settings != SocketSettings::default() {
            self.settings.insert(socket, Arc::new(settings));
        }
    }

    /// Without headers if any listener wants none. Otherwise the oldest policy decides whether they are required.
    fn settle_proxy_protocol(
        &mut self,
        claims: &[Claim<'_>],
        policies: &ClientTrafficPolicies<'_>,
    ) -> ProxyProtocol {
        let wanted = |claim: &Claim<'_>| {
            let settings = claim.settings(policies);
            settings.map_or(ProxyProtocol::Off, |it| it.proxy_protocol)
        };
        let precedence = |claim: &&Claim<'_>| {
            let headers = wanted(claim) != ProxyProtocol::Off;
            (headers, claim.policy.as_ref().map(|it| it.policy))
        };
        let Some(first) = claims.iter().min_by_key(precedence) else {
            return ProxyProtocol::Off;
        };
        let prevailing = wanted(first);
        for claim in claims.iter().filter(|claim| wanted(claim) != prevailing) {
            let (name, other) = (claim.id.name(claim.listener), first.id.name(first.listener));
            let what = match prevailing {
                ProxyProtocol::Off => "takes no PROXY headers",
                ProxyProtocol::Optional => "takes connections without PROXY headers",
                ProxyProtocol::Required => "takes no connections without PROXY headers",
            };
            let message = format!("listener {name} shares a socket with {other}, which {what}");
            let Some(policy) = claim.policy.clone() else {
                continue;
            };
            let conflict = SocketConflict {
                setting: policies.proxy_protocol_field(&policy),
                policy,
                listener: target(claim.listener),
                closes: true,
                message,
                other: place(first.listener),
            };
            conflict.add_to(&mut self.conflicts);
        }
        prevailing
    }

    /// Returns the conflicts of a policy.
    pub(crate) fn conflicts_of(&self, policy: usize) -> impl Iterator<Item = &SocketConflict> {
        let conflicts = self.conflicts.iter();
        conflicts.filter(move |it| it.policy.policy == policy)
    }

    /// Closes the listeners whose policy isn't in force.
    pub fn close(&self, policies: &ClientTrafficPolicies<'_>, protections: &mut Protections) {
        for conflict in self.conflicts.iter().filter(|it| it.closes) {
            if let Some(policy) = policies.attached.policies.get(conflict.policy.policy) {
                let name = format!("{} (`spec.{}`)", describe(policy.policy), conflict.setting);
                protections.add(&conflict.listener, &name);
            }
        }
    }
}

/// Finds for each setting that protects nobody the oldest policy that has it. Listeners without such a policy share the setting.
struct Oldest<'c, 'n, 'p> {
    claims: &'c [Claim<'n>],
    policies: &'c ClientTrafficPolicies<'p>,
    conflicts: &'c mut Vec<SocketConflict>,
}

impl Oldest<'_, '_, '_> {
    /// Returns the setting of the oldest policy that has it. `field` is its place in policies.
    fn setting<T: PartialEq + Copy>(
        &mut self,
        field: &'static str,
        get: impl Fn(&SocketSettings) -> Option<T>,
    ) -> Option<T> {
        let claims = self.claims.iter().filter_map(|claim| {
            let value = get(claim.settings(self.policies)?)?;
            Some((claim.policy.clone()?, value, claim))
        });
        let claims: Vec<_> = claims.collect();
        let (policy, prevailing, first) = claims.iter().min_by_key(|(policy, ..)| policy.policy)?;
        let older = self.policies.attached.policies.get(policy.policy)?.policy;
        for (policy, value, claim) in &claims {
            if value == prevailing {
                continue;
            }
            let name = claim.id.name(claim.listener);
            let older = describe(older);
            let conflict = SocketConflict {
                policy: policy.clone(),
                listener: target(claim.listener),
                setting: field,
                message: format!(
                    "listener {name} shares a socket, for which {older} decides about `{field}`"
                ),
                closes: false,
                other: place(first.listener),
            };
            conflict.add_to(self.conflicts);
        }
        Some(*prevailing)
    }
}

impl SocketConflict {
    /// The same listeners may share several sockets.
    fn add_to(self, conflicts: &mut Vec<SocketConflict>) {
        if !conflicts.contains(&self) {
            conflicts.push(self);
        }
    }

    /// The conflict as a diagnostic of the policy.
    pub fn finding(&self, policy: &ClientTrafficPolicy) -> Diagnostic {
        let pointer = Pointer::spec().key(self.setting);
        let message = format!("{} isn't in force: {}", describe(policy), self.message);
        let mut found = policy.finding(Code::SocketConflict, pointer, message);
        if self.closes {
            found = found.caption(format!("{} answers 500", self.listener));
        } else {
            found.severity = Severity::Warning;
        }
        found
            .label(self.other.clone(), "the other listener")
            .help("give the listeners different ports or addresses, or target all of them with the policy")
    }
}

/// A listener as the target of a policy.
fn target(listener: &ListenerNode) -> TargetedObject {
    let kind = match &listener.owner {
        ListenerOwner::Gateway(_) => PolicyTargetKind::Gateway,
        ListenerOwner::ListenerSet(_) => PolicyTargetKind::ListenerSet,
    };
    TargetedObject {
        kind,
        key: listener.owner.key(),
        part: TargetedPart::Section {
            name: listener.name.to_string(),
            index: listener.index,
        },
    }
}

fn place(listener: &ListenerNode) -> Place {
    let pointer = Pointer::spec().key("listeners").index(listener.index);
    listener.owner.place(pointer)
}
