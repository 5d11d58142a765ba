//! Listeners without TLS at which users would log in.
//!
//! In: the targets of a SecurityPolicy with `oidc`. Out: the listeners from which browsers don't get the cookies back: they have the
//! attribute `Secure`. A proxy in front of gatefold may still make it work, so nothing is refused.

use super::layered::{LayeredTarget, TargetOutcome, describe};
use super::layered_status::StatusInputs;
use crate::gateway;
use crate::listener::{ListenerId, ListenerNode, Protocol};
use crate::reported_object::ReportedObject;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{PolicyTargetKind, SecurityPolicy};
use std::collections::BTreeSet;

/// The number of listeners that a message names.
const SHOWN: usize = 5;

/// Returns the warning for the status of a policy, and the diagnostic. `None` if all of its listeners have TLS, or it has no logins.
pub(super) fn warning(
    policy: &SecurityPolicy,
    targets: &[LayeredTarget],
    inputs: StatusInputs<'_>,
) -> Option<(String, Diagnostic)> {
    policy.spec.oidc.as_ref()?;
    let in_force = targets.iter();
    let in_force = in_force.filter(|target| target.outcome == TargetOutcome::InForce);
    let plain: BTreeSet<String> = in_force
        .flat_map(|target| listeners(target, inputs))
        .filter(|(_, listener)| listener.protocol == Some(Protocol::Http))
        .map(|(id, listener)| format!("`{}`", id.name(listener)))
        .collect();
    if plain.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = plain.iter().map(String::as_str).take(SHOWN).collect();
    if plain.len() > SHOWN {
        names.push("others");
    }
    let (names, oidc) = (names.join(", "), Pointer::spec().key("oidc"));
    let why = "browsers send the cookies of logins only over TLS, or to `localhost`";
    let message = format!(
        "{} is in force at listeners without TLS ({names}): {why}",
        describe(policy)
    );
    let found = policy.finding(Code::LoginWithoutTls, oidc.clone(), message);
    let found = found.help(
        "use HTTPS listeners, or a proxy that terminates TLS, and name it in a ClientTrafficPolicy (`clientIPDetection`)",
    );
    Some((
        format!("`{oidc}`: the listeners {names} have no TLS: {why}"),
        found,
    ))
}

/// Returns the listeners whose requests a policy for a target may protect.
fn listeners<'g>(
    target: &LayeredTarget,
    inputs: StatusInputs<'g>,
) -> Vec<(ListenerId, &'g ListenerNode)> {
    let key = &target.object.key;
    let section = target.object.part.section();
    let is_meant = |name: &str| section.is_none_or(|section| section == name);
    match target.object.kind {
        PolicyTargetKind::Gateway => {
            let all = gateway::listeners(inputs.gateways);
            let own = all.filter(|(id, it)| id.gateway == *key && is_meant(it.name.as_str()));
            own.collect()
        }
        PolicyTargetKind::ListenerSet => {
            let all = gateway::listeners(inputs.gateways);
            let own = all.filter(|(_, it)| {
                it.owner.kind() == "ListenerSet"
                    && it.owner.key() == *key
                    && is_meant(it.name.as_str())
            });
            own.collect()
        }
        PolicyTargetKind::Route(kind) => {
            let route = inputs.routes.find(kind, key);
            let parents = route.into_iter().flat_map(|route| route.parents());
            let attached = parents.flat_map(|parent| &parent.attachments);
            let attached = attached.filter_map(|attachment| {
                let id = attachment.listener.clone();
                let listener = gateway::listener(inputs.gateways, &id)?;
                Some((id, listener))
            });
            attached.collect()
        }
        PolicyTargetKind::Service => Vec::new(),
    }
}
