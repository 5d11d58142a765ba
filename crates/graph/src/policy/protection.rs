//! Objects that answer 500 because a policy that gatefold can't enforce protects them.
//!
//! In: the targets of such policies. Out: for a listener, rule or Service port, the reason to refuse its requests.

use super::attachment::Attachments;
use super::target::{TargetedObject, TargetedPart};
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind, PolicyTargetSection};
use std::sync::Arc;

/// The protected objects and sections, each with the policies that protect it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Protections(Attachments<Vec<String>>);

impl Protections {
    /// Whether no object is protected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a policy. If the object doesn't have the section, its name may be a typing error, so the whole object is
    /// protected.
    pub(super) fn add(&mut self, target: &TargetedObject, policy: &str) {
        let protected = self.0.entry(target);
        let policies = match &target.part {
            TargetedPart::Whole | TargetedPart::Unknown { .. } => &mut protected.whole,
            TargetedPart::Section { name, .. } => {
                protected.sections.entry(name.clone()).or_default()
            }
        };
        if !policies.iter().any(|known| known == policy) {
            policies.push(policy.to_owned());
        }
    }

    /// Returns why requests for an object, or for one of its sections, are answered 500.
    pub fn refusal(
        &self,
        kind: PolicyTargetKind,
        key: &NamespacedName,
        section: Option<&str>,
    ) -> Option<Arc<str>> {
        let protected = self.0.get(kind, key)?;
        let section = section.and_then(|section| protected.sections.get(section));
        let policies = protected.whole.iter().chain(section.into_iter().flatten());
        let policies: Vec<&str> = policies.map(String::as_str).collect();
        (!policies.is_empty()).then(|| message(&policies))
    }

    /// Whether an object is protected by the same policies as before.
    pub fn is_unchanged(
        &self,
        before: &Protections,
        kind: PolicyTargetKind,
        key: &NamespacedName,
    ) -> bool {
        self.0.get(kind, key) == before.0.get(kind, key)
    }

    /// Whether all listeners are protected by the same policies as before.
    pub fn same_listeners(&self, before: &Protections) -> bool {
        fn listeners(kind: PolicyTargetKind) -> bool {
            kind.sections() == PolicyTargetSection::Listener
        }
        let now = self.0.iter().filter(|((kind, _), _)| listeners(*kind));
        now.eq(before.0.iter().filter(|((kind, _), _)| listeners(*kind)))
    }
}

fn message(policies: &[&str]) -> Arc<str> {
    let (verb, which) = if policies.len() == 1 {
        ("protects", "that kind of policy")
    } else {
        ("protect", "these kinds of policies")
    };
    let policies = policies.join(" and ");
    format!("{policies} {verb} this, but gatefold can't enforce {which}").into()
}
