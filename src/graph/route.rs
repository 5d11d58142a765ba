//! How a route of any kind attaches to the listeners of a Gateway (API: `ParentReference`,
//! `AllowedRoutes`).

use super::gateway::{GatewayNode, ListenerNode};
use super::hostname;
use super::http_route::Attachment;
use crate::diagnostic::Code;
use crate::manifest::Resources;
use crate::manifest::api::{
    AllowedRoutes, FromNamespaces, GATEWAY_GROUP, Hostname, NamespacedName, ParentReference,
};

/// What attachment looks at in a route.
#[derive(Clone, Copy)]
pub(super) struct RouteShape<'a> {
    pub kind: &'static str,
    pub namespace: &'a str,
    pub hostnames: &'a [Hostname],
}

/// Why a route isn't attached to a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    NoMatchingParent,
    NotAllowedByListeners,
    NoMatchingListenerHostname,
}

impl Rejection {
    /// The API's reason.
    pub fn reason(self) -> &'static str {
        match self {
            Rejection::NoMatchingParent => "NoMatchingParent",
            Rejection::NotAllowedByListeners => "NotAllowedByListeners",
            Rejection::NoMatchingListenerHostname => "NoMatchingListenerHostname",
        }
    }

    /// The diagnostic's code.
    pub fn code(self) -> Code {
        match self {
            Rejection::NoMatchingParent => Code::NoMatchingParent,
            Rejection::NotAllowedByListeners => Code::NotAllowedByListeners,
            Rejection::NoMatchingListenerHostname => Code::NoMatchingHostname,
        }
    }

    /// What is wrong.
    pub fn message(self, reference: &ParentReference, gateway: &NamespacedName) -> String {
        match self {
            Rejection::NoMatchingParent => {
                let section = reference.section_name.as_ref();
                let section = section.map(|name| format!(" named `{name}`"));
                let port = reference.port.map(|port| format!(" on port {port}"));
                format!(
                    "Gateway {gateway} has no listener{}{}",
                    section.unwrap_or_default(),
                    port.unwrap_or_default()
                )
            }
            Rejection::NotAllowedByListeners => {
                format!("no listener of Gateway {gateway} lets the route in (`allowedRoutes`)")
            }
            Rejection::NoMatchingListenerHostname => {
                format!("no hostname of the route meets a listener of Gateway {gateway}")
            }
        }
    }

    /// What to do.
    pub fn help(self, route: RouteShape<'_>, gateway: &GatewayNode) -> String {
        let listeners = gateway.listeners.iter();
        match self {
            Rejection::NoMatchingParent => {
                let all = listeners.map(|l| format!("`{}` (port {})", l.name, l.port));
                format!("its listeners: {}", all.collect::<Vec<_>>().join(", "))
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
                    super::quoted(all.map(Hostname::as_str))
                )
            }
        }
    }
}

/// The Gateway that a reference names, if it names one.
pub(super) fn gateway_key(
    reference: &ParentReference,
    route_namespace: &str,
) -> Option<NamespacedName> {
    let is_gateway = reference.group == GATEWAY_GROUP && reference.kind == "Gateway";
    let namespace = reference.namespace.as_deref().unwrap_or(route_namespace);
    is_gateway.then(|| NamespacedName::new(namespace, reference.name.as_str()))
}

/// The listeners that a route attaches to. A listener's own conditions don't matter.
pub(super) fn attach(
    route: RouteShape<'_>,
    reference: &ParentReference,
    gateway: &GatewayNode,
    resources: &Resources,
) -> Result<Vec<Attachment>, Rejection> {
    let mut rejection = Rejection::NoMatchingParent;
    let mut attachments = Vec::new();
    for listener in &gateway.listeners {
        if !selects(reference, listener) {
            continue;
        }
        if !allows(listener, gateway, route, resources) {
            rejection = rejection.max(Rejection::NotAllowedByListeners);
            continue;
        }
        match hostname::in_force(listener.hostname.as_ref(), route.hostnames) {
            Some(hostnames) => attachments.push(Attachment {
                listener: listener.index,
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

fn allows(
    listener: &ListenerNode,
    gateway: &GatewayNode,
    route: RouteShape<'_>,
    resources: &Resources,
) -> bool {
    let mut kinds = listener.supported_kinds.iter();
    if !kinds.any(|(group, kind)| group == GATEWAY_GROUP && kind == route.kind) {
        return false;
    }
    let spec = gateway.resource.spec.listeners.get(listener.index);
    let allowed = spec.and_then(|listener| listener.allowed_routes.as_ref());
    let from = allowed.map_or(FromNamespaces::Same, |allowed| allowed.namespaces.from);
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => gateway.resource.meta.namespace == route.namespace,
        FromNamespaces::None => false,
        FromNamespaces::Selector => allowed.is_some_and(|a| selected(a, route, resources)),
    }
}

fn selected(allowed: &AllowedRoutes, route: RouteShape<'_>, resources: &Resources) -> bool {
    let selector = allowed.namespaces.selector.as_ref();
    selector.is_some_and(|s| s.matches(&resources.namespace_labels(route.namespace)))
}
