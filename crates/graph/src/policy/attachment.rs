//! Values attached to objects and to their sections, such as the policy in force there.

use super::target::TargetedObject;
use gatefold_manifest::Spec;
use gatefold_manifest::api::{NamespacedName, Object, PolicyTargetKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The values attached to objects and to their sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attachments<T>(
    BTreeMap<(PolicyTargetKind, NamespacedName), ObjectAttachments<T>>,
);

/// The values attached to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectAttachments<T> {
    /// The value for the whole object.
    pub whole: T,
    /// The values for its sections, by name.
    pub sections: BTreeMap<String, T>,
}

impl<T> Default for Attachments<T> {
    fn default() -> Self {
        Attachments(BTreeMap::new())
    }
}

impl<T: Default> Attachments<T> {
    /// Whether no object has attachments.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attachments of an object.
    pub fn get(
        &self,
        kind: PolicyTargetKind,
        key: &NamespacedName,
    ) -> Option<&ObjectAttachments<T>> {
        if self.is_empty() {
            return None;
        }
        self.0.get(&(kind, key.clone()))
    }

    /// The attachments of all objects.
    pub fn iter(
        &self,
    ) -> impl Iterator<Item = (&(PolicyTargetKind, NamespacedName), &ObjectAttachments<T>)> {
        self.0.iter()
    }

    /// The attachments of a targeted object, to add to.
    pub fn entry(&mut self, target: &TargetedObject) -> &mut ObjectAttachments<T> {
        self.0.entry((target.kind, target.key.clone())).or_default()
    }
}

/// The policies of one kind that prevail, by target.
pub(super) type Prevailing<P> = Attachments<Option<P>>;

impl<P> Prevailing<P> {
    /// Attaches a policy to a target. Fails with the policy that is already attached to the same target: attach the policies
    /// in the order of [`by_precedence`]. A section that the object doesn't have is a target as well.
    pub fn attach(&mut self, target: &TargetedObject, policy: P) -> Result<(), &P> {
        let object = self.entry(target);
        let place = match target.part.section() {
            None => &mut object.whole,
            Some(section) => object.sections.entry(section.to_owned()).or_default(),
        };
        match place {
            Some(prevailing) => Err(prevailing),
            None => {
                *place = Some(policy);
                Ok(())
            }
        }
    }

    /// Returns the policy in force for a section of an object. A policy for the section takes precedence over one for the
    /// whole object (GEP-713: the more specific policy).
    pub fn in_force(
        &self,
        kind: PolicyTargetKind,
        key: &NamespacedName,
        section: &str,
    ) -> Option<&P> {
        let object = self.get(kind, key)?;
        let own = object.sections.get(section).and_then(Option::as_ref);
        own.or(object.whole.as_ref())
    }
}

/// Sorts policies so that of those for the same target the first prevails: "the oldest policy based on creation timestamp",
/// then "first in alphabetical order by `{namespace}/{name}`" (GEP-713, conflict resolution).
pub(super) fn by_precedence<'a, S: Spec>(
    policies: impl Iterator<Item = &'a Arc<Object<S>>>,
) -> Vec<&'a Arc<Object<S>>> {
    let mut policies: Vec<_> = policies.collect();
    policies.sort_by(|one, other| one.by_age(other));
    policies
}

#[cfg(test)]
mod tests {
    use super::super::target::TargetedPart;
    use super::*;

    const SERVICE: PolicyTargetKind = PolicyTargetKind::Service;

    fn target(name: &str, part: TargetedPart) -> TargetedObject {
        TargetedObject {
            kind: SERVICE,
            key: NamespacedName::new("default", name),
            part,
        }
    }

    fn section(name: &str) -> TargetedPart {
        TargetedPart::Section {
            name: name.to_owned(),
            index: 0,
        }
    }

    #[test]
    fn policy_for_a_section_takes_precedence_over_one_for_the_object() {
        let mut policies = Prevailing::default();
        let whole = target("shop", TargetedPart::Whole);
        assert_eq!(policies.attach(&whole, "whole"), Ok(()));
        let web = target("shop", section("web"));
        assert_eq!(policies.attach(&web, "web"), Ok(()));
        let in_force = |section| policies.in_force(SERVICE, &whole.key, section).copied();
        assert_eq!(in_force("web"), Some("web"));
        assert_eq!(in_force("admin"), Some("whole"));
        let other = NamespacedName::new("default", "blog");
        assert_eq!(policies.in_force(SERVICE, &other, "web"), None);
    }

    #[test]
    fn policy_that_is_attached_first_prevails() {
        let mut policies = Prevailing::default();
        for part in [
            TargetedPart::Whole,
            section("web"),
            TargetedPart::Unknown {
                name: "later".to_owned(),
                help: None,
            },
        ] {
            let target = target("shop", part);
            assert_eq!(policies.attach(&target, "first"), Ok(()), "{target:?}");
            let attached = policies.attach(&target, "second");
            assert_eq!(attached, Err(&"first"), "{target:?}");
        }
    }
}
