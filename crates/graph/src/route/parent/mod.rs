//! The objects that routes attach to (API: `ParentReference`): Gateways and ListenerSets.

pub(super) mod attachment;
pub(super) mod parent_references;

use crate::gateway::{GatewayNode, GatewayNodes, ListenerSetNode, ListenerSetNodes};
use crate::listener::{ListenerId, ListenerNode};
use crate::reference::Reference;
use gatefold_diagnostic::{Place, Pointer};
use gatefold_manifest::api::{NamespacedName, ParentReference};
use gatefold_manifest::{Kind, Resources};
use std::fmt;

/// The kinds of objects that routes attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::route) enum ParentKind {
    Gateway,
    ListenerSet,
}

impl ParentKind {
    /// Returns the kind as the loader knows it.
    pub fn kind(self) -> Kind {
        match self {
            ParentKind::Gateway => Kind::Gateway,
            ParentKind::ListenerSet => Kind::ListenerSet,
        }
    }

    /// Returns the names of all objects of the kind in the folder, whether gatefold serves them or not.
    pub fn keys(self, resources: &Resources) -> Vec<&NamespacedName> {
        match self {
            ParentKind::Gateway => resources.gateways.keys().collect(),
            ParentKind::ListenerSet => resources.listener_sets.keys().collect(),
        }
    }

    /// Whether an object of the kind is in the folder, whether gatefold serves it or not.
    pub fn is_in_folder(self, key: &NamespacedName, resources: &Resources) -> bool {
        match self {
            ParentKind::Gateway => resources.gateways.contains_key(key),
            ParentKind::ListenerSet => resources.listener_sets.contains_key(key),
        }
    }
}

/// Returns the Gateway or ListenerSet that a reference of a route names, or `None` if it names an object of another kind.
pub(in crate::route) fn parent_key(
    reference: &ParentReference,
    route_namespace: &str,
) -> Option<(ParentKind, NamespacedName)> {
    let kinds = [ParentKind::Gateway, ParentKind::ListenerSet];
    let mut kinds = kinds.into_iter();
    let kind = kinds.find(|it| Reference::from(reference).names(it.kind()))?;
    let namespace = reference.namespace.as_deref().unwrap_or(route_namespace);
    let key = NamespacedName::new(namespace, reference.name.as_str());
    Some((kind, key))
}

/// The Gateways that gatefold serves, and their ListenerSets.
#[derive(Clone, Copy)]
pub(in crate::route) struct Parents<'g> {
    pub gateways: &'g GatewayNodes,
    pub listener_sets: &'g ListenerSetNodes,
}

impl<'g> Parents<'g> {
    /// Resolves a reference. Returns `None` if gatefold doesn't serve the object.
    pub fn find(self, reference: &ParentReference, route_namespace: &str) -> Option<Parent<'g>> {
        let (kind, key) = parent_key(reference, route_namespace)?;
        match kind {
            ParentKind::Gateway => Some(Parent {
                gateway: self.gateways.get(&key)?,
                gateway_key: key,
                listener_set: None,
            }),
            ParentKind::ListenerSet => {
                let set = self.listener_sets.get(&key)?;
                Some(Parent {
                    gateway_key: set.gateway.clone(),
                    gateway: self.gateways.get(&set.gateway)?,
                    listener_set: Some((key, set)),
                })
            }
        }
    }
}

/// The object that a parent reference resolves to: a Gateway, or one of its ListenerSets.
pub(in crate::route) struct Parent<'g> {
    pub gateway_key: NamespacedName,
    pub gateway: &'g GatewayNode,
    /// `None` if the reference is to the Gateway.
    pub listener_set: Option<(NamespacedName, &'g ListenerSetNode)>,
}

impl Parent<'_> {
    /// Returns the place of its listeners.
    pub fn place(&self) -> Place {
        let pointer = Pointer::spec().key("listeners");
        match &self.listener_set {
            Some((_, set)) => set.resource.place(pointer),
            None => self.gateway.resource.place(pointer),
        }
    }

    /// Whether the Gateway allows its ListenerSet. True for the Gateway itself.
    pub fn is_allowed(&self) -> bool {
        let set = self.listener_set.as_ref();
        set.is_none_or(|(_, set)| set.allowed)
    }

    /// Returns its listeners. A Gateway's listeners don't include those of its ListenerSets (GEP-1713, "Routes").
    pub fn listeners(&self) -> impl Iterator<Item = (ListenerId, &ListenerNode)> {
        let set = self.listener_set.as_ref().map(|(_, set)| *set);
        let listeners = self.gateway.listeners_of(set);
        listeners.map(|(index, listener)| {
            let gateway = self.gateway_key.clone();
            (ListenerId { gateway, index }, listener)
        })
    }
}

impl fmt::Display for Parent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listener_set {
            Some((key, _)) => write!(f, "ListenerSet {key}"),
            None => write!(f, "Gateway {}", self.gateway_key),
        }
    }
}
