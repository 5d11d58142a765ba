//! Policies of kinds that gatefold doesn't read. One that protects closes what it targets; the others are reported.
//!
//! An open route that its owner believes to be protected is worse than a closed one: see
//! `docs/decisions/unread-policies.md`.

use super::gateway::GatewayNode;
use super::gateway::ListenerSetNode;
use super::policy_target::{self, TargetedObject, TargetedPart, Unresolved};
use super::protection::Protections;
use super::reference_grant::Referrer;
use super::route::Routes;
use super::{Build, name_pointer};
use gatefold_diagnostic::{Code, Diagnostic, Severity};
use gatefold_manifest::api::{NamespacedName, PolicyTarget, PolicyTargetChoice, PolicyTargetKind};
use gatefold_manifest::{Resources, UnreadPolicy};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// How many targets of an entry a diagnostic shows.
const SHOWN: usize = 5;

/// What is done about a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// Its targets are served without it, as the command line asks.
    Ignored,
    /// Its targets are served without it.
    Unread,
    /// Its targets answer 500.
    Closes,
}

/// The policies, with what they target.
#[derive(Default)]
pub(super) struct UnreadPolicies<'a>(Vec<Resolved<'a>>);

struct Resolved<'a> {
    policy: &'a UnreadPolicy,
    treatment: Treatment,
    targets: Vec<(&'a PolicyTarget, Result<Vec<TargetedObject>, Unresolved>)>,
}

/// Resolves the targets of all policies.
pub(super) fn read<'a>(build: &Build<'a>) -> (UnreadPolicies<'a>, Protections) {
    let mut policies = Vec::new();
    let mut protections = Protections::default();
    let ignored = &build.environment.ignored_policies;
    for policy in build.resources.unread_policies.values() {
        let policy: &'a Arc<UnreadPolicy> = policy;
        let treatment = match &policy.protection {
            _ if ignored.iter().any(|it| it.matches(&policy.key)) => Treatment::Ignored,
            Some(_) => Treatment::Closes,
            None => Treatment::Unread,
        };
        let referrer = Referrer {
            group: &policy.key.group,
            kind: &policy.key.kind,
            namespace: &policy.key.namespace,
        };
        let targets = policy.targets.iter();
        let targets: Vec<_> = targets
            .map(|target| (target, policy_target::resolve(referrer, target, build)))
            .collect();
        if treatment == Treatment::Closes {
            let objects = targets.iter().filter_map(|(_, found)| found.as_ref().ok());
            for object in objects.flatten() {
                protections.add(object, &policy.key.to_string());
            }
        }
        policies.push(Resolved {
            policy,
            treatment,
            targets,
        });
    }
    (UnreadPolicies(policies), protections)
}

/// The objects that are served, of the kinds that policies target.
pub(super) struct Served<'g> {
    pub gateways: &'g BTreeMap<NamespacedName, GatewayNode>,
    pub listener_sets: &'g BTreeMap<NamespacedName, ListenerSetNode>,
    pub routes: &'g Routes,
}

impl Served<'_> {
    fn contains(&self, object: &TargetedObject, services: &HashSet<&NamespacedName>) -> bool {
        let key = &object.key;
        match object.kind {
            PolicyTargetKind::Gateway => self.gateways.contains_key(key),
            PolicyTargetKind::ListenerSet => {
                self.listener_sets.get(key).is_some_and(|set| set.allowed)
            }
            PolicyTargetKind::HttpRoute => {
                let route = self.routes.find(object.kind, key);
                route.is_some_and(|it| it.is_attached())
            }
            PolicyTargetKind::Service => services.contains(key),
        }
    }

    /// The Services that attached routes refer to.
    fn services(&self) -> HashSet<&NamespacedName> {
        let routes = self.routes.iter().filter(|it| it.is_attached());
        let ports = routes.flat_map(|route| route.service_ports());
        ports.map(|(service, _)| service).collect()
    }
}

impl UnreadPolicies<'_> {
    /// Reports every policy.
    pub fn report(&self, served: &Served<'_>, build: &mut Build<'_>) {
        if self.0.is_empty() {
            return;
        }
        let services = served.services();
        for resolved in &self.0 {
            let mut reported = false;
            for (target, found) in &resolved.targets {
                let found = match found {
                    Ok(objects) => {
                        let objects = objects.iter();
                        let served = objects.filter(|it| served.contains(it, &services));
                        resolved.attached(target, &served.collect::<Vec<_>>(), build.resources)
                    }
                    Err(problem) => resolved.unattached(target, problem),
                };
                reported |= found.is_some();
                build.diagnostics.extend(found);
            }
            if !reported {
                build.diagnostics.push(resolved.unused());
            }
        }
    }
}

impl Resolved<'_> {
    fn finding(&self, code: Code, target: &PolicyTarget, message: String) -> Diagnostic {
        let mut pointer = target.pointer.clone();
        if let PolicyTargetChoice::Name { .. } = target.choice {
            pointer = pointer.key("name");
        }
        Diagnostic::new(code, self.policy.place(pointer), message).about(self.policy.id())
    }

    /// Says what is done about the policy at objects that are served.
    fn attached(
        &self,
        target: &PolicyTarget,
        objects: &[&TargetedObject],
        resources: &Resources,
    ) -> Option<Diagnostic> {
        let first = objects.first()?;
        let key = &self.policy.key;
        let (what, is, answers) = match objects.len() {
            1 => (first.to_string(), "is", "answers"),
            2 => (format!("{first} and another one"), "are", "answer"),
            all => (format!("{first} and {} others", all - 1), "are", "answer"),
        };
        let mut found = match self.treatment {
            Treatment::Ignored => {
                let message = format!(
                    "{key} is passed over (`--ignore-policy`): {what} {is} served without it"
                );
                self.finding(Code::IgnoredPolicy, target, message)
            }
            Treatment::Unread => {
                let message = format!("gatefold doesn't read {key}: {what} {is} served without it");
                self.finding(Code::UnreadPolicy, target, message)
            }
            Treatment::Closes => {
                let message = format!("gatefold can't enforce {key}: {what} {answers} 500");
                let by = self.policy.protection.as_deref().unwrap_or_default();
                self.finding(Code::UnreadProtection, target, message)
                    .note(format!("what makes it a protection: {by}"))
                    .help(format!(
                        "remove the policy, or serve its targets without it by `--ignore-policy {}.{}`",
                        key.kind, key.group
                    ))
            }
        };
        for object in objects.iter().take(SHOWN) {
            if let Some(place) = policy_target::place(object, resources) {
                found = found.label(place, format!("{object} is defined here"));
            }
        }
        Some(unknown_sections(objects, found))
    }

    /// Says that an entry targets nothing.
    fn unattached(&self, target: &PolicyTarget, problem: &Unresolved) -> Option<Diagnostic> {
        if self.treatment == Treatment::Ignored {
            return None;
        }
        let (key, kind) = (&self.policy.key, target.kind.as_str());
        let (message, help) = match problem {
            Unresolved::NotFound { key: named, help } => (
                format!("{key} attaches to nothing: {kind} {named} isn't in the folder"),
                help.clone(),
            ),
            Unresolved::NotPermitted { key: named } => (
                format!(
                    "{key} attaches to nothing: no ReferenceGrant lets it target {kind} {named}"
                ),
                None,
            ),
            Unresolved::NoneSelected => (
                format!("{key} attaches to nothing: the selector matches no {kind}"),
                None,
            ),
        };
        let mut found = self.finding(Code::PolicyAttachesToNothing, target, message);
        // If the name is a slip, the object that should be protected is open.
        if self.treatment == Treatment::Closes && help.is_some() {
            found.severity = Severity::Error;
        }
        found.help = help;
        Some(found)
    }

    /// Says that the policy targets nothing that gatefold serves.
    fn unused(&self) -> Diagnostic {
        let key = &self.policy.key;
        let message = format!("{} ({}) isn't used here", key.kind, key.group);
        let place = self.policy.place(name_pointer());
        Diagnostic::new(Code::IgnoredKind, place, message).about(self.policy.id())
    }
}

/// Adds the sections that an object doesn't have.
fn unknown_sections(objects: &[&TargetedObject], mut found: Diagnostic) -> Diagnostic {
    for object in objects {
        let TargetedPart::Unknown { name, help } = &object.part else {
            continue;
        };
        let section = object.kind.section();
        found = found.note(format!(
            "{object} has no {section} `{name}`, so the policy counts for all of it"
        ));
        if let Some(help) = help {
            found = found.help(help.clone());
        }
    }
    found
}
