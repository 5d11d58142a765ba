//! Reports routes and ListenerSets of kinds that gatefold doesn't read yet.
//!
//! In: the names of their parents. Out: a warning if gatefold serves one of these Gateways, which then lacks the traffic of
//! the object, or otherwise the same info as for every other kind that isn't read.

use super::parent::ParentKind;
use crate::Build;
use crate::gateway::{GatewayNodes, ListenerSetNodes};
use crate::reference::Reference;
use gatefold_diagnostic::{Code, Diagnostic, Pointer, ResourceId};
use gatefold_manifest::api::NamespacedName;
use gatefold_manifest::{UnreadParent, UnreadRoute, UnreadRouteKind};

/// A route or ListenerSet of a kind that gatefold doesn't read yet, and that a Gateway of gatefold would carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnservedRoute {
    /// Its kind, namespace and name.
    pub id: ResourceId,
    /// The first of its parents that gatefold serves: a Gateway or a ListenerSet.
    pub parent: NamespacedName,
}

/// Reports all of these objects. Returns those that a Gateway of gatefold would carry.
pub(crate) fn report(
    gateways: &GatewayNodes,
    listener_sets: &ListenerSetNodes,
    build: &mut Build<'_>,
) -> Vec<UnservedRoute> {
    let mut all = Vec::new();
    for route in build.resources.unread_routes.iter() {
        let served = |parent: &&UnreadParent| is_served(parent, gateways, listener_sets);
        let finding = match route.parents.iter().find(served) {
            Some(parent) => {
                all.push(UnservedRoute {
                    id: route.id.clone(),
                    parent: NamespacedName::new(&*parent.namespace, &*parent.name),
                });
                unserved(route, parent)
            }
            None => ignored(route),
        };
        build.diagnostics.push(finding.about(route.id.clone()));
    }
    all
}

fn is_served(
    parent: &UnreadParent,
    gateways: &GatewayNodes,
    listener_sets: &ListenerSetNodes,
) -> bool {
    let reference = Reference {
        group: &parent.group,
        kind: &parent.kind,
        namespace: Some(&parent.namespace),
        name: &parent.name,
    };
    let key = NamespacedName::new(&*parent.namespace, &*parent.name);
    if reference.names(ParentKind::Gateway.kind()) {
        return gateways.contains_key(&key);
    }
    let set = listener_sets.get(&key);
    set.is_some() && reference.names(ParentKind::ListenerSet.kind())
}

fn unserved(route: &UnreadRoute, parent: &UnreadParent) -> Diagnostic {
    let UnreadParent {
        kind,
        namespace,
        name,
        ..
    } = parent;
    let unread = route.kind.as_str();
    let message = format!(
        "gatefold doesn't serve {unread}s yet: {kind} {namespace}/{name} is served without this one"
    );
    let place = route.place(Pointer::root().key("kind"));
    let finding = Diagnostic::new(Code::UnservedRoute, place, message);
    match route.kind {
        UnreadRouteKind::TlsRoute | UnreadRouteKind::TcpRoute | UnreadRouteKind::UdpRoute => {
            finding
        }
        UnreadRouteKind::XListenerSet => finding.help(
            "write `apiVersion: gateway.networking.k8s.io/v1` and `kind: ListenerSet`, which have the same fields",
        ),
    }
}

fn ignored(route: &UnreadRoute) -> Diagnostic {
    let message = format!(
        "{} ({}) isn't used here",
        route.kind.as_str(),
        route.api_version
    );
    let place = route.place(Pointer::root().key("kind"));
    Diagnostic::new(Code::IgnoredKind, place, message)
}
