//! Objects that answer 500 because a policy that gatefold can't enforce protects them.
//!
//! In: the targets of such policies. Out: for a listener, rule or Service port, the reason to refuse its requests.

use crate::policy::target::{TargetedObject, TargetedPart};
use gatefold_manifest::api::{NamespacedName, PolicyTargetKind};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The protected objects, each with the policies that protect it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Protections(BTreeMap<(PolicyTargetKind, NamespacedName), Protected>);

/// The policies that protect an object.
#[derive(Debug, Default, PartialEq, Eq)]
struct Protected {
    /// Policies for the whole object.
    whole: Vec<String>,
    /// Policies for a listener or a rule by its name, or for a port by its number.
    sections: BTreeMap<String, Vec<String>>,
}

impl Protections {
    /// Whether no object is protected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a policy. If the object doesn't have the section, its name may be a typing error, so the whole object is
    /// protected.
    pub fn add(&mut self, object: &TargetedObject, policy: &str) {
        let protected = self.0.entry((object.kind, object.key.clone())).or_default();
        let policies = match &object.part {
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
        if self.is_empty() {
            return None;
        }
        let protected = self.0.get(&(kind, key.clone()))?;
        let section = section.and_then(|section| protected.sections.get(section));
        let policies: Vec<&str> = protected
            .whole
            .iter()
            .chain(section.into_iter().flatten())
            .map(String::as_str)
            .collect();
        (!policies.is_empty()).then(|| message(&policies))
    }

    /// Whether an object is protected by the same policies as before.
    pub fn is_unchanged(
        &self,
        before: &Protections,
        kind: PolicyTargetKind,
        key: &NamespacedName,
    ) -> bool {
        if self.is_empty() && before.is_empty() {
            return true;
        }
        let key = (kind, key.clone());
        self.0.get(&key) == before.0.get(&key)
    }

    fn listeners(&self) -> impl Iterator<Item = (&(PolicyTargetKind, NamespacedName), &Protected)> {
        self.0.iter().filter(|((kind, _), _)| match kind {
            PolicyTargetKind::Gateway | PolicyTargetKind::ListenerSet => true,
            PolicyTargetKind::HttpRoute | PolicyTargetKind::Service => false,
        })
    }

    /// Whether all listeners are protected by the same policies as before.
    pub fn same_listeners(&self, before: &Protections) -> bool {
        self.listeners().eq(before.listeners())
    }
}

fn message(policies: &[&str]) -> Arc<str> {
    let (verb, which) = match policies.len() {
        1 => ("protects", "that kind of policy"),
        _ => ("protect", "these kinds of policies"),
    };
    let policies = policies.join(" and ");
    format!("{policies} {verb} this, but gatefold can't enforce {which}").into()
}
