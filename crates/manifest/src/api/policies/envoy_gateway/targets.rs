//! The targets of Envoy Gateway's policies (`PolicyTargetReferences`).

use super::super::{
    LocalPolicyTargetReferenceWithSectionName, PolicyTarget, PolicyTargetChoice, PolicyTargetKind,
    PolicyTargetNamespaces, PolicyTargetNamespacesFrom, PolicyTargetSelectorNamespaces,
};
use crate::Decoder;
use crate::api::{
    GATEWAY_GROUP, LabelSelector, LabelSelectorRequirement, SectionName, object, refuse, rule,
};
use gatefold_diagnostic::yaml::{Node, Value};
use gatefold_diagnostic::{Pointer, did_you_mean};
use std::collections::BTreeMap;

object! {
    /// An entry of `targetSelectors`: all objects of a kind with these labels.
    pub closed TargetSelector checked by TargetSelector::check {
        /// The API group of the targets.
        "group" => group: String where rule::group = GATEWAY_GROUP.to_owned(),
        /// The kind of the targets.
        "kind" => kind: String where rule::kind,
        /// The namespaces of the targets; absent for the policy's own namespace.
        "namespaces" => namespaces: Option<PolicyTargetSelectorNamespaces>,
        /// Labels with their values.
        "matchLabels" => match_labels: BTreeMap<String, String>,
        /// Conditions on labels.
        "matchExpressions" => match_expressions: Vec<LabelSelectorRequirement>,
    }
}

impl TargetSelector {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.group != GATEWAY_GROUP {
            let why = format!("must be `{GATEWAY_GROUP}`");
            refuse(node, "group", &why, decoder);
        }
    }

    fn choice(&self) -> PolicyTargetChoice {
        let namespaces = match &self.namespaces {
            None => PolicyTargetNamespaces::Same,
            Some(namespaces) => match namespaces.from {
                PolicyTargetNamespacesFrom::Same => PolicyTargetNamespaces::Same,
                PolicyTargetNamespacesFrom::All => PolicyTargetNamespaces::All,
                PolicyTargetNamespacesFrom::Selector => PolicyTargetNamespaces::Selector(
                    namespaces.selector.clone().unwrap_or_default(),
                ),
            },
        };
        PolicyTargetChoice::Labels {
            selector: LabelSelector {
                match_labels: self.match_labels.clone(),
                match_expressions: self.match_expressions.clone(),
            },
            namespaces,
        }
    }
}

/// The three fields that name the targets of a policy. A policy's `spec` borrows them from its own fields.
#[derive(Clone, Copy, Debug)]
pub struct PolicyTargetFields<'s> {
    /// `targetRef`, the older field.
    pub reference: Option<&'s LocalPolicyTargetReferenceWithSectionName>,
    /// `targetRefs`.
    pub references: &'s [LocalPolicyTargetReferenceWithSectionName],
    /// `targetSelectors`.
    pub selectors: &'s [TargetSelector],
}

impl PolicyTargetFields<'_> {
    /// Applies the rules of the CRD: a target is required, and its kind must be one of `kinds`.
    pub(super) fn check(self, kinds: &[&str], node: &Node, decoder: &mut Decoder) {
        let has = |field: &str| node.field(field).is_some_and(|it| it.value != Value::Null);
        if has("targetRef") == has("targetRefs") && self.selectors.is_empty() {
            let (field, why) = if has("targetRef") {
                ("targetRef", "isn't allowed together with `targetRefs`")
            } else {
                ("targetRefs", "is required, or `targetSelectors`")
            };
            refuse(node, field, why, decoder);
        }
        let single = self
            .reference
            .map(|it| (Pointer::root().key("targetRef"), it));
        let list = self.references.iter().enumerate();
        let list = list.map(|(index, it)| (Pointer::root().key("targetRefs").index(index), it));
        for (pointer, reference) in single.into_iter().chain(list) {
            let at = find(node, &pointer).unwrap_or(node);
            let (group, kind) = (reference.group.as_str(), reference.kind.as_str());
            within(&pointer, decoder, |decoder| {
                if group != GATEWAY_GROUP {
                    let why = format!("must be `{GATEWAY_GROUP}`");
                    refuse(at, "group", &why, decoder);
                }
                if !kinds.contains(&kind) {
                    let why = format!("`{kind}` isn't one of {}", kinds.join(", "));
                    refuse(at, "kind", &why, decoder);
                    if let Some(help) = did_you_mean(kind, kinds) {
                        decoder.suggest(help);
                    }
                }
            });
        }
    }

    /// Whether no target is named.
    pub fn is_empty(self) -> bool {
        self.reference.is_none() && self.references.is_empty() && self.selectors.is_empty()
    }

    /// Whether all targets are of one of these kinds.
    pub(super) fn are_all_of(self, kinds: &[&str]) -> bool {
        let references = self.reference.into_iter().chain(self.references);
        let named = references.map(|it| it.kind.as_str());
        let selected = self.selectors.iter().map(|it| it.kind.as_str());
        named.chain(selected).all(|kind| kinds.contains(&kind))
    }

    /// Returns the targets of the kinds that gatefold serves, with the positions of their entries.
    pub fn served(self) -> Vec<PolicyTarget> {
        let spec = Pointer::spec();
        let single = self.reference.map(|it| (spec.key("targetRef"), it));
        let list = self.references.iter().enumerate();
        let list = list.map(|(index, it)| (spec.key("targetRefs").index(index), it));
        let named = single.into_iter().chain(list).filter_map(|(pointer, it)| {
            Some(PolicyTarget {
                kind: served_kind(&it.kind)?,
                choice: PolicyTargetChoice::Name {
                    namespace: None,
                    name: it.name.clone(),
                },
                section: it.section_name.as_ref().map(SectionName::to_string),
                pointer,
            })
        });
        let selectors = self.selectors.iter().enumerate();
        let selected = selectors.filter_map(|(index, it)| {
            Some(PolicyTarget {
                kind: served_kind(&it.kind)?,
                choice: it.choice(),
                section: None,
                pointer: spec.key("targetSelectors").index(index),
            })
        });
        named.chain(selected).collect()
    }
}

fn served_kind(name: &str) -> Option<PolicyTargetKind> {
    let mut kinds = PolicyTargetKind::ALL.into_iter();
    kinds.find(|kind| kind.as_str() == name)
}

fn find<'n>(node: &'n Node, pointer: &Pointer) -> Option<&'n Node> {
    use gatefold_diagnostic::PathStep;
    pointer.0.iter().try_fold(node, |node, step| match step {
        PathStep::Key(key) => node.field(key),
        PathStep::Index(index) => match &node.value {
            Value::Sequence(items) => items.get(*index),
            _ => None,
        },
    })
}

fn within(pointer: &Pointer, decoder: &mut Decoder, check: impl FnOnce(&mut Decoder)) {
    let mut steps = pointer.0.iter().cloned();
    let (first, second) = (steps.next(), steps.next());
    let then = |decoder: &mut Decoder| {
        check(decoder);
        Some(())
    };
    match (first, second) {
        (Some(first), Some(second)) => {
            decoder.within(first, |decoder| decoder.within(second, then));
        }
        (Some(first), None) => {
            decoder.within(first, then);
        }
        (None, _) => {}
    }
}
