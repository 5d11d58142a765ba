//! Policies of kinds that gatefold doesn't read. A policy that protects its targets closes them; others are reported.
//!
//! In: unread policies. Out: the protected objects, and a diagnostic for each policy. An open route is worse than a closed
//! one if its owner believes that it is protected (docs/decisions/unread-policies.md).

use super::Ancestors;
use super::protection::Protections;
use super::target::{self, NoTarget, TargetedObject, TargetedPart};
use crate::reported_object::ReportedObject;
use crate::route::answer_of_refused;
use crate::{Build, name_pointer};
use gatefold_diagnostic::{Code, Diagnostic, Severity};
use gatefold_manifest::api::{PolicyTarget, PolicyTargetChoice};
use gatefold_manifest::{Resources, UnreadPolicy};
use std::sync::Arc;

/// The number of targets of an entry that a diagnostic shows.
const SHOWN: usize = 5;

/// How a policy affects its targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Treatment {
    /// They are served without it, as this flag of the command line requests.
    Ignored(&'static str),
    /// They are served without it.
    Unread,
    /// Their requests are refused.
    Closes,
}

/// All unread policies, with their targets.
#[derive(Default)]
pub(crate) struct UnreadPolicies<'a>(Vec<ResolvedPolicy<'a>>);

struct ResolvedPolicy<'a> {
    policy: &'a UnreadPolicy,
    treatment: Treatment,
    targets: Vec<(&'a PolicyTarget, Result<Vec<TargetedObject>, NoTarget<'a>>)>,
}

/// Resolves the targets of all policies.
pub(crate) fn read<'a>(build: &Build<'a>) -> (UnreadPolicies<'a>, Protections) {
    let mut policies = Vec::new();
    let mut protections = Protections::default();
    let ignored = &build.environment.ignored_policies;
    for policy in build.resources.unread_policies.values() {
        let policy: &'a Arc<UnreadPolicy> = policy;
        // What isn't read can't be enforced.
        let ignored = ignored.iter().find(|it| it.matches(&policy.key, || false));
        let treatment = match (ignored, &policy.protection) {
            (Some(ignored), _) => Treatment::Ignored(ignored.flag()),
            (None, Some(_)) => Treatment::Closes,
            (None, None) => Treatment::Unread,
        };
        let targets = policy.targets.iter().map(|target| {
            let objects = target::resolve(policy.referrer(), target, build);
            (target, objects)
        });
        let targets: Vec<_> = targets.collect();
        if treatment == Treatment::Closes {
            let objects = targets.iter().filter_map(|(_, found)| found.as_ref().ok());
            for object in objects.flatten() {
                protections.add(object, &policy.key.to_string());
            }
        }
        policies.push(ResolvedPolicy {
            policy,
            treatment,
            targets,
        });
    }
    (UnreadPolicies(policies), protections)
}

impl UnreadPolicies<'_> {
    /// Reports every policy. Only targets with an ancestor are served.
    pub fn report(&self, ancestors: &Ancestors<'_>, build: &mut Build<'_>) {
        for resolved in &self.0 {
            let mut reported = false;
            for (target, found) in &resolved.targets {
                let found = match found {
                    Ok(objects) => {
                        let objects = objects.iter();
                        let served = objects.filter(|it| !ancestors.of(it).is_empty());
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

impl ResolvedPolicy<'_> {
    fn finding(&self, code: Code, target: &PolicyTarget, message: String) -> Diagnostic {
        let mut pointer = target.pointer.clone();
        if let PolicyTargetChoice::Name { .. } = target.choice {
            pointer = pointer.key("name");
        }
        self.policy.finding(code, pointer, message)
    }

    /// Reports the effect of the policy on objects that are served.
    fn attached(
        &self,
        target: &PolicyTarget,
        objects: &[&TargetedObject],
        resources: &Resources,
    ) -> Option<Diagnostic> {
        let key = &self.policy.key;
        let (what, is, answers) = subject(objects)?;
        let mut found = match self.treatment {
            Treatment::Ignored(flag) => {
                let message = format!("{key} is ignored (`{flag}`): {what} {is} served without it");
                self.finding(Code::IgnoredPolicy, target, message)
            }
            Treatment::Unread => {
                let message = format!("gatefold doesn't read {key}: {what} {is} served without it");
                self.finding(Code::UnreadPolicy, target, message)
            }
            Treatment::Closes => {
                let refusal = answer_of_refused(target.kind);
                let message = format!("gatefold can't enforce {key}: {what} {answers} {refusal}");
                let by = self.policy.protection.as_deref().unwrap_or_default();
                self.finding(Code::UnreadProtection, target, message)
                    .note(format!("it counts as a protection because of {by}"))
                    .help(format!(
                        "remove the policy, or serve its targets without it: `--ignore-policy {}.{}`",
                        key.kind, key.group
                    ))
            }
        };
        for object in objects.iter().take(SHOWN) {
            if let Some(place) = object.place(resources) {
                found = found.label(place, format!("{object} is defined here"));
            }
        }
        Some(unknown_sections(objects, found))
    }

    /// Reports an entry that targets nothing.
    fn unattached(&self, target: &PolicyTarget, problem: &NoTarget<'_>) -> Option<Diagnostic> {
        if let Treatment::Ignored(_) = self.treatment {
            return None;
        }
        let key = &self.policy.key;
        let (message, help) = problem.message(target.kind);
        let message = format!("{key} attaches to nothing: {message}");
        let mut found = self.finding(Code::PolicyAttachesToNothing, target, message);
        // If the name is a typing error, the object that should be protected is open.
        if self.treatment == Treatment::Closes && help.is_some() {
            found.severity = Severity::Error;
        }
        found.help = help;
        Some(found)
    }

    /// Reports a policy without a target that gatefold serves.
    fn unused(&self) -> Diagnostic {
        let key = &self.policy.key;
        let message = format!("{} ({}) isn't used here", key.kind, key.group);
        self.policy
            .finding(Code::IgnoredKind, name_pointer(), message)
    }
}

/// Returns the objects as the subject of a sentence, with the forms of `to be` and `to answer` that agree with it.
fn subject(objects: &[&TargetedObject]) -> Option<(String, &'static str, &'static str)> {
    let first = objects.first()?;
    Some(match objects.len() {
        1 => (first.to_string(), "is", "answers"),
        2 => (format!("{first} and 1 other object"), "are", "answer"),
        all => (
            format!("{first} and {} other objects", all - 1),
            "are",
            "answer",
        ),
    })
}

/// Adds a note for each section that an object doesn't have.
fn unknown_sections(objects: &[&TargetedObject], mut found: Diagnostic) -> Diagnostic {
    for object in objects {
        let TargetedPart::Unknown { name, help } = &object.part else {
            continue;
        };
        let section = object.kind.sections().as_str();
        found = found.note(format!(
            "{object} has no {section} `{name}`, so the policy applies to the whole object"
        ));
        if let Some(help) = help {
            found = found.help(help.clone());
        }
    }
    found
}
