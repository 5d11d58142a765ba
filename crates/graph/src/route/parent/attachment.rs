//! Attaches a route to the listeners of a Gateway or ListenerSet (API: `ParentReference`, `AllowedRoutes`).

use super::Parent;
use crate::condition::Reason;
use crate::hostname;
use crate::listener::ListenerNode;
use crate::route::node::Attachment;
use crate::route::object::RouteObject;
use gatefold_diagnostic::Code;
use gatefold_manifest::Resources;
use gatefold_manifest::api::{
    AllowedRoutes, FromNamespaces, Hostname, LabelSelector, ParentReference,
};

/// The reason why a route isn't attached to a parent. The variants are ordered by how close the route came to attaching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::route) enum Rejection {
    NoMatchingParent,
    ParentNotAttached,
    NotAllowedByListeners,
    NoMatchingListenerHostname,
}

/// Returns the listeners of `parent` that the route attaches to. The listeners' own conditions don't matter.
pub(in crate::route) fn attach(
    route: RouteObject<'_>,
    reference: &ParentReference,
    parent: &Parent<'_>,
    resources: &Resources,
) -> Result<Vec<Attachment>, Rejection> {
    if !parent.is_allowed() {
        return Err(Rejection::ParentNotAttached);
    }
    let mut rejection = Rejection::NoMatchingParent;
    let mut attachments = Vec::new();
    for (id, listener) in parent.listeners() {
        if !selects(reference, listener) {
            continue;
        }
        if !allows(listener, route, resources) {
            rejection = rejection.max(Rejection::NotAllowedByListeners);
            continue;
        }
        match hostname::applying(listener.hostname.as_ref(), route.hostnames) {
            Some(hostnames) => attachments.push(Attachment {
                listener: id,
                hostnames: hostnames.into(),
                security: Box::default(),
            }),
            None => rejection = rejection.max(Rejection::NoMatchingListenerHostname),
        }
    }
    if attachments.is_empty() {
        return Err(rejection);
    }
    Ok(attachments)
}

fn selects(reference: &ParentReference, listener: &ListenerNode) -> bool {
    let name = reference.section_name.as_ref();
    let port = reference.port;
    name.is_none_or(|name| *name == listener.name)
        && port.is_none_or(|port| port.get() == listener.port)
}

fn allows(listener: &ListenerNode, route: RouteObject<'_>, resources: &Resources) -> bool {
    if !listener.supported_kinds.contains(&route.kind.kind()) {
        return false;
    }
    let spec = listener.spec();
    let allowed = spec.and_then(|listener| listener.allowed_routes.as_ref());
    let from = allowed.map_or(FromNamespaces::Same, |allowed| allowed.namespaces.from);
    match from {
        FromNamespaces::All => true,
        FromNamespaces::Same => listener.owner.namespace() == route.namespace(),
        FromNamespaces::None => false,
        FromNamespaces::Selector => allowed.is_some_and(|it| selects_labels(it, route, resources)),
    }
}

/// Returns the selector of the first listener that would allow the route if its namespace had other labels.
pub(in crate::route) fn unmet_selector<'p>(
    route: RouteObject<'_>,
    reference: &ParentReference,
    parent: &'p Parent<'_>,
) -> Option<&'p LabelSelector> {
    parent.listeners().find_map(|(_, listener)| {
        if !selects(reference, listener) || !listener.supported_kinds.contains(&route.kind.kind()) {
            return None;
        }
        let namespaces = &listener.spec()?.allowed_routes.as_ref()?.namespaces;
        let selector = namespaces.selector.as_ref();
        selector.filter(|_| namespaces.from == FromNamespaces::Selector)
    })
}

fn selects_labels(allowed: &AllowedRoutes, route: RouteObject<'_>, resources: &Resources) -> bool {
    let selector = allowed.namespaces.selector.as_ref();
    let labels = || resources.namespace_labels(route.namespace());
    selector.is_some_and(|selector| selector.matches(&labels()))
}

impl Rejection {
    /// Returns the reason for the condition.
    pub fn reason(self) -> Reason {
        match self {
            Rejection::NoMatchingParent | Rejection::ParentNotAttached => Reason::NoMatchingParent,
            Rejection::NotAllowedByListeners => Reason::NotAllowedByListeners,
            Rejection::NoMatchingListenerHostname => Reason::NoMatchingListenerHostname,
        }
    }

    /// Returns the code of the diagnostic.
    pub fn code(self) -> Code {
        match self {
            Rejection::NoMatchingParent | Rejection::ParentNotAttached => Code::NoMatchingParent,
            Rejection::NotAllowedByListeners => Code::NotAllowedByListeners,
            Rejection::NoMatchingListenerHostname => Code::NoMatchingHostname,
        }
    }

    /// Returns the message.
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
                format!("Gateway {gateway} doesn't allow {parent} (`allowedListeners`)")
            }
            Rejection::NotAllowedByListeners => {
                format!("no listener of {parent} allows this route (`allowedRoutes`)")
            }
            Rejection::NoMatchingListenerHostname => {
                format!("no hostname of the route matches a listener of {parent}")
            }
        }
    }

    /// Returns the advice.
    pub fn help(self, route: RouteObject<'_>, parent: &Parent<'_>) -> String {
        let listeners = parent.listeners().map(|(_, listener)| listener);
        match self {
            Rejection::NoMatchingParent => {
                let all = listeners.map(|l| format!("`{}` (port {})", l.name, l.port));
                format!("its listeners: {}", all.collect::<Vec<_>>().join(", "))
            }
            Rejection::ParentNotAttached => {
                "allow the ListenerSet's namespace in the Gateway's `allowedListeners`".to_owned()
            }
            Rejection::NotAllowedByListeners => format!(
                "a listener allows only routes of its own namespace unless `allowedRoutes.namespaces` is set; \
                 this is a route of kind {} in namespace `{}`",
                route.kind.as_str(),
                route.namespace()
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
