//! The diagnostics of policies with levels.
//!
//! In: a policy with its ancestors, and the findings about its settings. Out: these findings with the targets of the policy, and
//! those about its targets. A policy without ancestors has no effect, so nothing is said of its settings.

use super::PolicyStatusBuilder;
use crate::name_pointer;
use crate::policy::layered::{
    LayeredPolicy, LayeredTarget, PolicyWithTargets, TargetOutcome, describe,
};
use crate::policy::target::TargetedPart;
use crate::reported_object::ReportedObject;
use gatefold_diagnostic::{Code, Diagnostic, Severity};

/// The number of targets that a diagnostic shows.
const SHOWN: usize = 5;

impl<S: LayeredPolicy> PolicyStatusBuilder<'_, '_, S> {
    /// Returns the diagnostics of the policy: `own` if it has an effect, and those of its targets.
    pub(super) fn findings(&self, own: &[Diagnostic]) -> Vec<Diagnostic> {
        let PolicyWithTargets {
            policy,
            targets,
            is_reported,
        } = self.policy;
        let mut found = Vec::new();
        if self.ancestors.is_empty() {
            if policy.spec.targets().is_empty() {
                let message = format!("{} attaches to nothing: it has no target", describe(policy));
                let code = Code::PolicyAttachesToNothing;
                found.push(policy.finding(code, name_pointer(), message));
            } else if !is_reported {
                let kind = S::KIND;
                let message = format!("{} ({}) isn't used here", kind.name(), kind.group());
                found.push(policy.finding(Code::IgnoredKind, name_pointer(), message));
            }
            return found;
        }
        let in_force = targets.iter();
        let in_force = in_force.filter(|it| it.outcome == TargetOutcome::InForce);
        let places: Vec<_> = in_force.map(|it| &it.object).collect();
        for own in own {
            let mut own = own.clone();
            for object in places.iter().take(SHOWN) {
                if let Some(place) = object.place(self.inputs.resources) {
                    own = own.label(place, format!("{object} is defined here"));
                }
            }
            found.push(own);
        }
        found.extend(targets.iter().filter_map(|it| self.target_finding(it)));
        found
    }

    fn target_finding(&self, target: &LayeredTarget) -> Option<Diagnostic> {
        let PolicyWithTargets { policy, .. } = self.policy;
        let pointer = target.pointer.clone();
        match target.outcome {
            TargetOutcome::InForce => None,
            TargetOutcome::Conflicted(older) => {
                let older = self.all.policies.get(older)?.policy;
                let message = format!("{} has the same target: {}", describe(older), target.object);
                let found = policy.finding(Code::PolicyConflict, pointer, message);
                let text = "this one is in force: it is older, or the first by name";
                Some(found.label(older.place(name_pointer()), text))
            }
            TargetOutcome::NoSection => {
                let TargetedPart::Unknown { name, help } = &target.object.part else {
                    return None;
                };
                let (object, section) = (&target.object, target.object.kind.sections().as_str());
                let policy_name = describe(policy);
                let protects = policy.spec.protects();
                let effect = if protects {
                    "the whole object answers 500"
                } else {
                    "it has no effect there"
                };
                let message = format!(
                    "{policy_name} attaches to nothing: {object} has no {section} `{name}`"
                );
                let pointer = pointer.key("sectionName");
                let found = policy.finding(Code::PolicyAttachesToNothing, pointer, message);
                let mut found = found.caption(effect);
                if protects {
                    found.severity = Severity::Error;
                }
                found.help = help.clone();
                Some(found)
            }
        }
    }
}
