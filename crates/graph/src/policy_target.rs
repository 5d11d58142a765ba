//! From what a policy names to the objects of the folder (GEP-713): by name or by labels, whole or one section.
//!
//! Only the folder decides, not what is served: a policy is resolved before anything is attached.

use super::gateway::controller_in;
use super::reference_grant::{Referent, Referrer};
use super::{Build, names_in, suggest};
use gatefold_diagnostic::{Place, Pointer};
use gatefold_manifest::Resources;
use gatefold_manifest::api::{
    GATEWAY_GROUP, LabelSelector, NamespacedName, ObjectMeta, PolicyTarget, PolicyTargetChoice,
    PolicyTargetKind, PolicyTargetNamespaces,
};
use std::fmt;

/// An object of the folder that a policy targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetedObject {
    pub kind: PolicyTargetKind,
    pub key: NamespacedName,
    pub part: TargetedPart,
}

/// How much of an object a policy targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TargetedPart {
    /// All of it.
    Whole,
    /// A listener or a rule by its name, a port by its number, and its place in the object's list.
    Section { name: String, index: usize },
    /// A section that the object doesn't have.
    Unknown { name: String, help: Option<String> },
}

impl fmt::Display for TargetedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = self.kind.section();
        if let TargetedPart::Section { name, .. } = &self.part {
            write!(f, "{section} {name} of ")?;
        }
        write!(f, "{} {}", self.kind.as_str(), self.key)
    }
}

/// Why an entry targets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// No object has the name.
    NotFound {
        key: NamespacedName,
        help: Option<String>,
    },
    /// The object is in another namespace, and no ReferenceGrant there permits the reference.
    NotPermitted { key: NamespacedName },
    /// No object has the labels.
    NoneSelected,
}

/// The objects that an entry of a policy targets.
pub(super) fn resolve(
    policy: Referrer<'_>,
    target: &PolicyTarget,
    build: &Build<'_>,
) -> Result<Vec<TargetedObject>, Unresolved> {
    let found = match &target.choice {
        PolicyTargetChoice::Name { namespace, name } => {
            let namespace = namespace.as_deref().unwrap_or(policy.namespace);
            let key = NamespacedName::new(namespace, name.as_str());
            vec![by_name(policy, target.kind, key, build)?]
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
        part: part(target, &key, build.resources),
        key,
    });
    Ok(objects.collect())
}

fn by_name(
    policy: Referrer<'_>,
    kind: PolicyTargetKind,
    key: NamespacedName,
    build: &Build<'_>,
) -> Result<NamespacedName, Unresolved> {
    if !permitted(policy, kind, &key, build) {
        return Err(Unresolved::NotPermitted { key });
    }
    let names = names(kind, &key.namespace, build.resources);
    let is_there = names.contains(&&*key.name)
        || (kind == PolicyTargetKind::Service && build.environment.has_endpoints(&key));
    match is_there {
        true => Ok(key),
        false => Err(Unresolved::NotFound {
            help: suggest(&key.name, names.into_iter()),
            key,
        }),
    }
}

/// Objects of other namespaces only where a ReferenceGrant permits it; the others are ignored (Envoy Gateway:
/// `TargetSelector.namespaces`).
fn by_labels(
    policy: Referrer<'_>,
    kind: PolicyTargetKind,
    (selector, namespaces): (&LabelSelector, &PolicyTargetNamespaces),
    build: &Build<'_>,
) -> Result<Vec<NamespacedName>, Unresolved> {
    let mut found = Vec::new();
    each(kind, build.resources, |key, meta| {
        if covers(
            namespaces,
            policy.namespace,
            &key.namespace,
            build.resources,
        ) && selector.matches(&meta.labels)
            && permitted(policy, kind, key, build)
        {
            found.push(key.clone());
        }
    });
    match found.is_empty() {
        true => Err(Unresolved::NoneSelected),
        false => Ok(found),
    }
}

/// The Gateways that another implementation would serve. There may be none.
fn of_controller(
    policy: Referrer<'_>,
    (controller, class): (&str, &str),
    namespaces: &PolicyTargetNamespaces,
    resources: &Resources,
) -> Vec<NamespacedName> {
    let gateways = resources.gateways.iter().filter(|(key, gateway)| {
        let named = controller_in(gateway, resources);
        covers(namespaces, policy.namespace, &key.namespace, resources)
            && named.map_or(gateway.spec.gateway_class_name == class, |it| {
                it == controller
            })
    });
    gateways.map(|(key, _)| key.clone()).collect()
}

fn covers(
    namespaces: &PolicyTargetNamespaces,
    own: &str,
    namespace: &str,
    resources: &Resources,
) -> bool {
    match namespaces {
        PolicyTargetNamespaces::Same => namespace == own,
        PolicyTargetNamespaces::All => true,
        PolicyTargetNamespaces::Selector(selector) => {
            selector.matches(&resources.namespace_labels(namespace))
        }
    }
}

fn permitted(
    policy: Referrer<'_>,
    kind: PolicyTargetKind,
    key: &NamespacedName,
    build: &Build<'_>,
) -> bool {
    let to = Referent {
        group: match kind {
            PolicyTargetKind::Service => "",
            _ => GATEWAY_GROUP,
        },
        kind: kind.as_str(),
        namespace: &key.namespace,
        name: &key.name,
    };
    build.grants.permit(policy, to)
}

fn each(
    kind: PolicyTargetKind,
    resources: &Resources,
    mut visit: impl FnMut(&NamespacedName, &ObjectMeta),
) {
    match kind {
        PolicyTargetKind::Gateway => resources
            .gateways
            .iter()
            .for_each(|(k, o)| visit(k, &o.meta)),
        PolicyTargetKind::ListenerSet => {
            let sets = resources.listener_sets.iter();
            sets.for_each(|(key, set)| visit(key, &set.meta));
        }
        PolicyTargetKind::HttpRoute => {
            let routes = resources.http_routes.iter();
            routes.for_each(|(key, route)| visit(key, &route.meta));
        }
        PolicyTargetKind::Service => resources
            .services
            .iter()
            .for_each(|(k, o)| visit(k, &o.meta)),
    }
}

fn names<'r>(kind: PolicyTargetKind, namespace: &'r str, resources: &'r Resources) -> Vec<&'r str> {
    match kind {
        PolicyTargetKind::Gateway => names_in(&resources.gateways, namespace).collect(),
        PolicyTargetKind::ListenerSet => names_in(&resources.listener_sets, namespace).collect(),
        PolicyTargetKind::HttpRoute => names_in(&resources.http_routes, namespace).collect(),
        PolicyTargetKind::Service => names_in(&resources.services, namespace).collect(),
    }
}

fn part(target: &PolicyTarget, key: &NamespacedName, resources: &Resources) -> TargetedPart {
    let Some(section) = &target.section else {
        return TargetedPart::Whole;
    };
    let sections = sections(target.kind, key, resources);
    let found = sections.iter().position(|(name, _)| name == section);
    match found.and_then(|index| Some((index, sections.get(index)?))) {
        Some((index, (_, name))) => TargetedPart::Section {
            name: name.clone(),
            index,
        },
        None => TargetedPart::Unknown {
            name: section.clone(),
            help: suggest(section, sections.iter().map(|(name, _)| name.as_str())),
        },
    }
}

/// The sections of an object in order: the name by which a policy targets each, and what identifies it here.
fn sections(
    kind: PolicyTargetKind,
    key: &NamespacedName,
    resources: &Resources,
) -> Vec<(String, String)> {
    let same = |name: &str| (name.to_owned(), name.to_owned());
    let listeners = match kind {
        PolicyTargetKind::Gateway => resources.gateways.get(key).map(|it| &it.spec.listeners),
        PolicyTargetKind::ListenerSet => resources
            .listener_sets
            .get(key)
            .map(|it| &it.spec.listeners),
        PolicyTargetKind::HttpRoute => {
            let rules = resources.http_routes.get(key).map(|it| &it.spec.rules);
            let rules = rules.into_iter().flatten();
            // A rule without a name can't be targeted, but counts.
            return rules
                .map(|rule| same(rule.name.as_ref().map_or("", |name| name.as_str())))
                .collect();
        }
        PolicyTargetKind::Service => {
            let ports = resources.services.get(key).map(|it| &it.spec.ports);
            let ports = ports.into_iter().flatten();
            return ports
                .map(|port| (port.name.clone(), port.port.to_string()))
                .collect();
        }
    };
    let listeners = listeners.into_iter().flatten();
    listeners.map(|it| same(it.name.as_str())).collect()
}

/// The place of a targeted object, or of its section, in the manifests.
pub(super) fn place(object: &TargetedObject, resources: &Resources) -> Option<Place> {
    let key = &object.key;
    let pointer = match &object.part {
        TargetedPart::Whole | TargetedPart::Unknown { .. } => super::name_pointer(),
        TargetedPart::Section { index, .. } => {
            let list = match object.kind {
                PolicyTargetKind::Gateway | PolicyTargetKind::ListenerSet => "listeners",
                PolicyTargetKind::HttpRoute => "rules",
                PolicyTargetKind::Service => "ports",
            };
            Pointer::spec().key(list).index(*index).key("name")
        }
    };
    match object.kind {
        PolicyTargetKind::Gateway => Some(resources.gateways.get(key)?.place(pointer)),
        PolicyTargetKind::ListenerSet => Some(resources.listener_sets.get(key)?.place(pointer)),
        PolicyTargetKind::HttpRoute => Some(resources.http_routes.get(key)?.place(pointer)),
        PolicyTargetKind::Service => Some(resources.services.get(key)?.place(pointer)),
    }
}
