//! Resolves the targets of policies (GEP-713): objects by name or by labels, whole or one section.
//!
//! In: an entry of `targetRefs` or `targetSelectors`. Out: the objects of the folder that it targets. Whether they are
//! served doesn't matter: targets are resolved before anything is attached.

use crate::gateway::controller_in;
use crate::reference::{NamedObjects, Reference, Referrer};
use crate::{Build, name_pointer, suggest};
use gatefold_diagnostic::{Place, Pointer};
use gatefold_manifest::api::{
    GRPCRouteSpec, GatewaySpec, HTTPRouteSpec, LabelSelector, ListenerSetSpec, NamespacedName,
    Object, ObjectMeta, PolicyTarget, PolicyTargetChoice, PolicyTargetKind, PolicyTargetNamespaces,
    SectionName, ServiceSpec,
};
use gatefold_manifest::{Resources, Spec};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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

impl TargetedObject {
    /// What requests for it are answered while it is closed.
    pub fn refusal(&self) -> &'static str {
        match self.kind {
            PolicyTargetKind::GrpcRoute => "UNAVAILABLE",
            PolicyTargetKind::Gateway
            | PolicyTargetKind::ListenerSet
            | PolicyTargetKind::HttpRoute
            | PolicyTargetKind::Service => "500",
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
        /// The objects of that kind.
        objects: &'a dyn NamedObjects,
    },
    /// The object is in another namespace, and no ReferenceGrant there permits the reference.
    NotPermitted { key: NamespacedName },
    /// No object has the labels.
    NoneSelected,
}

/// The fields of a kind that policies target.
trait TargetFields: Spec<Key = NamespacedName> {
    /// The field of `spec` that lists its sections.
    const LIST: &'static str;

    /// The names of its sections, in order. A section without a name is an empty string.
    fn sections(&self) -> Vec<&str>;
}

impl TargetFields for GatewaySpec {
    const LIST: &'static str = "listeners";

    fn sections(&self) -> Vec<&str> {
        self.listeners.iter().map(|it| it.name.as_str()).collect()
    }
}

impl TargetFields for ListenerSetSpec {
    const LIST: &'static str = "listeners";

    fn sections(&self) -> Vec<&str> {
        self.listeners.iter().map(|it| it.name.as_str()).collect()
    }
}

impl TargetFields for HTTPRouteSpec {
    const LIST: &'static str = "rules";

    fn sections(&self) -> Vec<&str> {
        let names = self.rules.iter().map(|rule| rule.name.as_ref());
        names.map(|it| it.map_or("", SectionName::as_str)).collect()
    }
}

impl TargetFields for GRPCRouteSpec {
    const LIST: &'static str = "rules";

    fn sections(&self) -> Vec<&str> {
        let names = self.rules.iter().map(|rule| rule.name.as_ref());
        names.map(|it| it.map_or("", SectionName::as_str)).collect()
    }
}

impl TargetFields for ServiceSpec {
    const LIST: &'static str = "ports";

    fn sections(&self) -> Vec<&str> {
        self.ports.iter().map(|it| it.name.as_str()).collect()
    }
}

/// The objects of a kind that policies target.
trait Targets: NamedObjects {
    /// The names of an object's sections, in order.
    fn sections(&self, key: &NamespacedName) -> Vec<&str>;

    /// The place of an object's name, or of the name of its section at `index`.
    fn place(&self, key: &NamespacedName, index: Option<usize>) -> Option<Place>;

    /// The objects for which `selects` returns true.
    fn select(&self, selects: &dyn Fn(&NamespacedName, &ObjectMeta) -> bool)
    -> Vec<NamespacedName>;
}

impl<S: TargetFields> Targets for BTreeMap<NamespacedName, Arc<Object<S>>> {
    fn sections(&self, key: &NamespacedName) -> Vec<&str> {
        let object = self.get(key);
        object.map_or_else(Vec::new, |it| it.spec.sections())
    }

    fn place(&self, key: &NamespacedName, index: Option<usize>) -> Option<Place> {
        let pointer = match index {
            Some(index) => Pointer::spec().key(S::LIST).index(index).key("name"),
            None => name_pointer(),
        };
        Some(self.get(key)?.place(pointer))
    }

    fn select(
        &self,
        selects: &dyn Fn(&NamespacedName, &ObjectMeta) -> bool,
    ) -> Vec<NamespacedName> {
        let selected = self
            .iter()
            .filter(|(key, object)| selects(key, &object.meta));
        selected.map(|(key, _)| key.clone()).collect()
    }
}

/// The objects of a kind.
fn targets(kind: PolicyTargetKind, resources: &Resources) -> &dyn Targets {
    match kind {
        PolicyTargetKind::Gateway => &*resources.gateways,
        PolicyTargetKind::ListenerSet => &*resources.listener_sets,
        PolicyTargetKind::HttpRoute => &*resources.http_routes,
        PolicyTargetKind::GrpcRoute => &*resources.grpc_routes,
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
    let target = TargetedObject { kind, key, part };
    if exists {
        Ok(target)
    } else {
        Err(NoTarget::NotFound { target, objects })
    }
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
