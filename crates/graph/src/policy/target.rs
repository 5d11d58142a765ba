//! Resolves the targets of policies (GEP-713): objects by name or by labels, whole or one section.
//!
//! In: an entry of `targetRefs` or `targetSelectors`. Out: the objects of the folder that it targets. Whether they are
//! served doesn't matter: targets are resolved before anything is attached.

use super::target_objects::TargetObjects;
use crate::gateway::controller_in;
use crate::reference::{MissingObject, NamedObjects, Reference, Referrer};
use crate::{Build, route, suggest};
use gatefold_diagnostic::Place;
use gatefold_manifest::Resources;
use gatefold_manifest::api::{
    LabelSelector, NamespacedName, PolicyTarget, PolicyTargetChoice, PolicyTargetKind,
    PolicyTargetNamespaces,
};
use std::fmt;

/// An object that a policy targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetedObject {
    pub kind: PolicyTargetKind,
    pub key: NamespacedName,
    pub part: TargetedPart,
}

/// The part of an object that a policy targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TargetedPart {
    /// All of it.
    Whole,
    /// A listener, a rule or a port, by its name, and its position in the object's list.
    Section { name: String, index: usize },
    /// A section that the object doesn't have.
    Unknown { name: String, help: Option<String> },
}

impl TargetedPart {
    /// The name of the targeted section.
    pub fn section(&self) -> Option<&str> {
        match self {
            TargetedPart::Whole => None,
            TargetedPart::Section { name, .. } | TargetedPart::Unknown { name, .. } => Some(name),
        }
    }
}

impl fmt::Display for TargetedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = self.kind.sections().as_str();
        if let TargetedPart::Section { name, .. } = &self.part {
            write!(f, "{section} {name} of ")?;
        }
        write!(f, "{} {}", self.kind.as_str(), self.key)
    }
}

/// Why an entry targets nothing.
pub(super) enum NoTarget<'a> {
    /// No object has the name.
    NotFound {
        /// What would be targeted.
        target: TargetedObject,
        /// Why it can't be used.
        missing: MissingObject<'a>,
        /// The objects of that kind.
        objects: &'a dyn NamedObjects,
    },
    /// The object is in another namespace, and no ReferenceGrant there permits the reference.
    NotPermitted { key: NamespacedName },
    /// No object has the labels.
    NoneSelected,
}

impl NoTarget<'_> {
    /// Returns the message for people, and a suggestion if there is one.
    pub fn message(&self, kind: PolicyTargetKind) -> (String, Option<String>) {
        let word = kind.as_str();
        match self {
            NoTarget::NotFound {
                target,
                missing,
                objects,
            } => missing.or_suggest((target.kind.kind(), &target.key), || {
                objects.suggest(&target.key)
            }),
            NoTarget::NotPermitted { key } => (
                format!("no ReferenceGrant permits it to target {word} {key}"),
                None,
            ),
            NoTarget::NoneSelected => (format!("the selector matches no {word}"), None),
        }
    }
}

/// The objects of a kind.
fn targets(kind: PolicyTargetKind, resources: &Resources) -> &dyn TargetObjects {
    match kind {
        PolicyTargetKind::Gateway => &*resources.gateways,
        PolicyTargetKind::ListenerSet => &*resources.listener_sets,
        PolicyTargetKind::Route(kind) => route::policy_targets(kind, resources),
        PolicyTargetKind::Service => &*resources.services,
    }
}

/// Resolves an entry of a policy.
pub(super) fn resolve<'a>(
    policy: Referrer<'_>,
    target: &PolicyTarget,
    build: &Build<'a>,
) -> Result<Vec<TargetedObject>, NoTarget<'a>> {
    let section = target.section.as_deref();
    let found = match &target.choice {
        PolicyTargetChoice::Name { namespace, name } => {
            let reference = Reference {
                group: target.kind.kind().group(),
                kind: target.kind.kind().name(),
                namespace: namespace.as_deref(),
                name,
            };
            let object = by_name(policy, target.kind, reference, section, build)?;
            return Ok(vec![object]);
        }
        PolicyTargetChoice::Labels {
            selector,
            namespaces,
        } => by_labels(policy, target.kind, (selector, namespaces), build)?,
        PolicyTargetChoice::Controller {
            controller,
            class,
            namespaces,
        } => of_controller(policy, (controller, class), namespaces, build.resources),
    };
    let objects = found.into_iter().map(|key| TargetedObject {
        kind: target.kind,
        part: part(target.kind, &key, section, build.resources),
        key,
    });
    Ok(objects.collect())
}

/// Resolves a reference of a policy to an object or to one of its sections.
pub(super) fn by_name<'a>(
    policy: Referrer<'_>,
    kind: PolicyTargetKind,
    reference: Reference<'_>,
    section: Option<&str>,
    build: &Build<'a>,
) -> Result<TargetedObject, NoTarget<'a>> {
    let key = reference.key(policy);
    if !build.permits(policy, reference) {
        return Err(NoTarget::NotPermitted { key });
    }
    let objects = targets(kind, build.resources);
    let is_service = kind == PolicyTargetKind::Service;
    let exists = objects.has(&key) || (is_service && build.environment.has_endpoints(&key));
    let part = part(kind, &key, section, build.resources);
    if exists {
        return Ok(TargetedObject { kind, key, part });
    }
    Err(NoTarget::NotFound {
        missing: build.missing(kind.kind(), &key),
        target: TargetedObject { kind, key, part },
        objects,
    })
}

/// Selects objects by their labels. Those of other namespaces are ignored unless a ReferenceGrant permits them (Envoy
/// Gateway: `TargetSelector.namespaces`).
fn by_labels<'a>(
    policy: Referrer<'_>,
    kind: PolicyTargetKind,
    (selector, namespaces): (&LabelSelector, &PolicyTargetNamespaces),
    build: &Build<'a>,
) -> Result<Vec<NamespacedName>, NoTarget<'a>> {
    let found = targets(kind, build.resources).select(&|key, meta| {
        let reference = || Reference {
            group: kind.kind().group(),
            kind: kind.kind().name(),
            namespace: Some(&key.namespace),
            name: &key.name,
        };
        covers(namespaces, policy, &key.namespace, build.resources)
            && selector.matches(&meta.labels)
            && build.permits(policy, reference())
    });
    if found.is_empty() {
        return Err(NoTarget::NoneSelected);
    }
    Ok(found)
}

/// Returns the Gateways that another implementation would serve. There may be none.
fn of_controller(
    policy: Referrer<'_>,
    (controller, class): (&str, &str),
    namespaces: &PolicyTargetNamespaces,
    resources: &Resources,
) -> Vec<NamespacedName> {
    let gateways = resources.gateways.iter().filter(|(key, gateway)| {
        let named = controller_in(gateway, resources);
        covers(namespaces, policy, &key.namespace, resources)
            && named.map_or(gateway.spec.gateway_class_name == class, |it| {
                it == controller
            })
    });
    gateways.map(|(key, _)| key.clone()).collect()
}

fn covers(
    namespaces: &PolicyTargetNamespaces,
    policy: Referrer<'_>,
    namespace: &str,
    resources: &Resources,
) -> bool {
    match namespaces {
        PolicyTargetNamespaces::Same => namespace == policy.namespace,
        PolicyTargetNamespaces::All => true,
        PolicyTargetNamespaces::Selector(selector) => {
            selector.matches(&resources.namespace_labels(namespace))
        }
    }
}

fn part(
    kind: PolicyTargetKind,
    key: &NamespacedName,
    section: Option<&str>,
    resources: &Resources,
) -> TargetedPart {
    let Some(name) = section else {
        return TargetedPart::Whole;
    };
    let sections = targets(kind, resources).sections(key);
    match sections.iter().position(|it| *it == name) {
        Some(index) => TargetedPart::Section {
            name: name.to_owned(),
            index,
        },
        None => TargetedPart::Unknown {
            name: name.to_owned(),
            help: suggest(name, sections.into_iter()),
        },
    }
}

impl TargetedObject {
    /// The place of the object, or of its section, in the manifests.
    pub fn place(&self, resources: &Resources) -> Option<Place> {
        let index = match &self.part {
            TargetedPart::Whole | TargetedPart::Unknown { .. } => None,
            TargetedPart::Section { index, .. } => Some(*index),
        };
        targets(self.kind, resources).place(&self.key, index)
    }
}
