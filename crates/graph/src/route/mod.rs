//! How a route of any kind attaches to the listeners of a Gateway or ListenerSet (API: `ParentReference`,
//! `AllowedRoutes`).

use crate::condition::Reason;
mod filter;
mod filter_advice;
pub mod http_route;
pub(crate) mod http_rule;
mod served_elsewhere;
mod shadowed;

use crate::gateway::listener_set::ListenerSetNode;
use crate::gateway::{GatewayNode, ListenerNode};
use crate::hostname;
use crate::route::http_route::Attachment;
use gatefold_diagnostic::{Code, Place, Pointer};
use gatefold_manifest::Resources;
use gatefold_manifest::api::{
    AllowedRoutes, FromNamespaces, GATEWAY_GROUP, Hostname, NamespacedName, ParentReference,
};
use std::collections::BTreeMap;
use std::fmt;

/// What attachment looks at in a route.
#[derive(Clone, Copy)]
pub(crate) struct RouteShape<'a> {
    pub kind: &'static str,
    pub namespace: &'a str,
    pub hostnames: &'a [Hostname],
}

/// Why a route isn't attached to a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejection {
    NoMatchingParent,
    ParentNotAttached,
    NotAllowedByListeners,
    NoMatchingListenerHostname,
}

impl Rejection {
    /// The API's reason.
    pub fn reason(self) -> Reason {
        match self {
            Rejection::NoMatchingParent | Rejection::ParentNotAttached => Reason::NoMatchingParent,
            Rejection::NotAllowedByListeners => Reason::NotAllowedByListeners,
            Rejection::NoMatchingListenerHostname => Reason::NoMatchingListenerHostname,
        }
    }

    /// The diagnostic's code.
    pub fn code(self) -> Code {
        match self {
            Rejection::NoMatchingParent | Rejection::ParentNotAttached => Code::NoMatchingParent,
            Rejection::NotAllowedByListeners => Code::NotAllowedByListeners,
            Rejection::NoMatchingListenerHostname => Code::NoMatchingHostname,
        }
    }

    /// What is wrong.
    pub fn message(self, reference: &ParentReference, parent: &Parent<'_>) -> String {
        match self {
            Rejection::NoMatchingParent => {
                let section = reference.section_name.as_ref();
                let section = section.map(|name| format!(" named `{name}`"));
                let port = reference.port.map(|port| format!(" on port {port}"));
                format!(
                    "{parent} has no listener{}{}",
                    section.unwrap_or_default(),
                    port.unwrap_or_default()
                )
            }
            Rejection::ParentNotAttached => {
                let gateway = &parent.gateway_key;
                format!("{parent} isn't let in by its Gateway {gateway} (`allowedListeners`)")
            }
            Rejection::NotAllowedByListeners => {
                format!("no listener of {parent} lets the route in (`allowedRoutes`)")
            }
            Rejection::NoMatchingListenerHostname => {
                format!("no hostname of the route meets a listener of {parent}")
            }
        }
    }

    /// What to do.
    pub fn help(self, route: RouteShape<'_>, parent: &Parent<'_>) -> String {
        let listeners = parent.listeners().map(|(_, listener)| listener);
        match self {
            Rejection::NoMatchingParent => {
                let all = listeners.map(|l| format!("`{}` (port {})", l.name, l.port));
                format!("its listeners: {}", all.collect::<Vec<_>>().join(", "))
            }
            Rejection::ParentNotAttached => {
                "let the ListenerSet's namespace in with the Gateway's `allowedListeners`"
                    .to_owned()
            }
            Rejection::NotAllowedByListeners => format!(
                "a listener takes routes of its own namespace unless `allowedRoutes.namespaces` says otherwise; \
                 this is a route of kind {} in namespace `{}`",
                route.kind, route.namespace
            ),
            Rejection::NoMatchingListenerHostname => {
                let all = listeners.filter_map(|l| l.hostname.as_ref());
                format!(
                    "its listeners' hostnames: {}",
                    crate::quoted(all.map(Hostname::as_str))
                )
            }
        }
    }
}

/// The kinds of objects that routes attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParentKind {
    Gateway,
    ListenerSet,
}

/// What a parent reference leads to: a Gateway, or one of its ListenerSets.
pub(crate) struct Parent<'g> {
    pub gateway_key: NamespacedName,
    pub gateway: &'g GatewayNode,
    pub listener_set: Option<&'g ListenerSetNode>,
    listener_set_key: Option<NamespacedName>,
}

/// Gateways and ListenerSets that are ours.
#[derive(Clone, Copy)]
pub(crate) struct Parents<'g> {
    pub gateways: &'g BTreeMap<NamespacedName, GatewayNode>,
    pub listener_sets: &'g BTreeMap<NamespacedName, ListenerSetNode>,
}

impl<'g> Parents<'g> {
    /// What a reference leads to, if it is ours.
    pub fn find(self, reference: &ParentReference, route_namespace: &str) -> Option<Parent<'g>> {
        let (kind, key) = parent_key(reference, route_namespace)?;
        match kind {
            ParentKind::Gateway => Some(Parent {
                gateway: self.gateways.get(&key)?,
                gateway_key: key,
                listener_set: None,
                listener_set_key: None,
            }),
            ParentKind::ListenerSet => {
                let set = self.listener_sets.get(&key)?;
                Some(Parent {
                    gateway_key: set.gateway.clone(),
                    gateway: self.gateways.get(&set.gateway)?,
                    listener_set: Some(set),
                    listener_set_key: Some(key),
                })
            }
        }
    }
}

impl Parent<'_> {
    /// Where its listeners stand in the manifests.
    pub fn place(&self) -> Place {
        let pointer = Pointer::spec().key("listeners");
        match self.listener_set {
            Some(set) => set.resource.place(pointer),
            None => self.gateway.resource.place(pointer),
        }
    }

    /// Its listeners, with their places among all of the Gateway. A Gateway's own only (GEP-1713, "Routes").
    fn listeners(&self) -> impl Iterator<Item = (usize, &ListenerNode)> {
        self.gateway.listeners_of(self.listener_set_key.as_ref())
    }
}

impl fmt::Display for Parent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.listener_set_key {
            Some(key) => write!(f, "ListenerSet {key}"),
            None => write!(f, "Gateway {}", self.gateway_key),
        }
    }
}

/// The Gateway or ListenerSet that a reference names, if it names one.
pub(crate) fn parent_key(
    reference: &ParentReference,
    route_namespace: &str,
) -> Option<(ParentKind, NamespacedName)> {
    let kind = match (&*reference.group, &*reference.kind) {
        (GATEWAY_GROUP, "Gateway") => ParentKind::Gateway,
        (GATEWAY_GROUP, "ListenerSet") => ParentKind::ListenerSet,
        _ => return None,
    };
    let namespace = reference.namespace.as_deref().unwrap_or(route_namespace);
    let key = NamespacedName::new(namespace, reference.name.as_str());
    Some((kind, key))
}

/// The listeners that a route attaches to. A listener's own conditions don't matter.
pub(crate) fn attach(
    route: RouteShape<'_>,
    reference: &ParentReference,
    parent: &Parent<'_>,
    resources: &Resources,
) -> Result<Vec<Attachment>, Rejection> {
    if parent.listener_set.is_some_and(|set| !set.allowed) {
        return Err(Rejection::ParentNotAttached);
    }
    let mut rejection = Rejection::NoMatchingParent;
    let mut attachments = Vec::new();
    for (position, listener) in parent.listeners() {
        if !selects(reference, listener) {
            continue;
        }
        if !allows(listener, route, resources) {
            rejection = rejection.max(Rejection::NotAllowedByListeners);
            continue;
        }
        match hostname::applying(listener.hostname.as_ref(), route.hostnames) {
            Some(hostnames) => attachments.push(Attachment {
                listener: position,
                hostnames,
            }),
            None => rejection = rejection.max(Rejection::NoMatchingListenerHostname),
        }
    }
    match attachments.is_empty() {
        true => Err(rejection),
        false => Ok(attachments),
    }
}

impl Rejection {
    /// The one that came nearer to attaching.
    fn max(self, other: Self) -> Self {
        match (self as u8) < (other as u8) {
            true => other,
            false => self,
        }
    }
}

fn selects(reference: &ParentReference, listener: &ListenerNode) -> bool {
    let name = reference.section_name.as_ref();
    name.is_none_or(|name| *name == listener.name)
        && reference
            .port
            .is_none_or(|port| port.get() == listener.port)
}

fn allows(listener: &ListenerNode, route: RouteShape<'_>, resources: &Resources) -> bool {
    let mut kinds = listener.supported_kinds.iter();
    if !kinds.any(|(group, kind)| group == GATEWAY_GROUP && kind == route.kind) {
        return false;
    }
    let allowed = listener
        .spec()
        .and_then(|listener| listener.allowed_routes.as_ref());
    let from = allowed.map_or(FromNamespaces::Same, |allowed| allowed.namespaces.from);
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => listener.owner.namespace() == route.namespace,
        FromNamespaces::None => false,
        FromNamespaces::Selector => allowed.is_some_and(|a| selected(a, route, resources)),
    }
}

fn selected(allowed: &AllowedRoutes, route: RouteShape<'_>, resources: &Resources) -> bool {
    let selector = allowed.namespaces.selector.as_ref();
    selector.is_some_and(|s| s.matches(&resources.namespace_labels(route.namespace)))
}
