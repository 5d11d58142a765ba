//! Hostnames of a route that receive no traffic at a listener because a more specific listener receives it.

use super::node::{AnyRoute, Attachment, ParentNode};
use crate::gateway::{self, GatewayNodes};
use crate::hostname::covers;
use crate::listener::{ListenerId, ListenerNode};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::Hostname;

/// Returns a diagnostic for every hostname that receives no traffic at a listener: "the most specific match takes precedence"
/// (API: `Listener.hostname`), and the route isn't attached to the more specific listener.
pub(super) fn hostnames_served_elsewhere<'r>(
    routes: impl Iterator<Item = &'r dyn AnyRoute>,
    gateways: &GatewayNodes,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for route in routes {
        for parent in route.parents() {
            for attachment in &parent.attachments {
                report(route, parent, attachment, gateways, &mut found);
            }
        }
    }
    found
}

fn report(
    route: &dyn AnyRoute,
    parent: &ParentNode,
    attachment: &Attachment,
    gateways: &GatewayNodes,
    found: &mut Vec<Diagnostic>,
) {
    let listener = gateway::listener(gateways, &attachment.listener);
    let Some(listener) = listener.filter(|it| it.serving && may_be_outranked(it)) else {
        return;
    };
    for hostname in &attachment.hostnames {
        if let Some((id, rival)) = more_specific(listener, hostname, gateways)
            && !is_attached(route.parents(), &id, hostname)
        {
            found.push(finding(route, parent, (listener, rival), hostname));
        }
    }
}

/// Whether a listener with a more specific hostname is possible.
fn may_be_outranked(listener: &ListenerNode) -> bool {
    let hostname = listener.hostname.as_ref();
    hostname.is_none_or(|hostname| hostname.wildcard_suffix().is_some())
}

/// Returns the most specific listener that receives all requests for `hostname` instead of `listener`.
fn more_specific<'g>(
    listener: &ListenerNode,
    hostname: &Hostname,
    gateways: &'g GatewayNodes,
) -> Option<(ListenerId, &'g ListenerNode)> {
    let receives = |(_, rival): &(ListenerId, &ListenerNode)| {
        rival.serving
            && rival.protocol == listener.protocol
            && listener.sockets.iter().all(|it| rival.sockets.contains(it))
            && rival.hostname.as_ref().is_some_and(|name| {
                let wider = listener.hostname.as_ref();
                covers(name, hostname)
                    && wider.is_none_or(|wider| name != wider && covers(wider, name))
            })
    };
    let rivals = gateway::listeners(gateways).filter(receives);
    rivals.max_by_key(|(_, rival)| {
        let name = rival.hostname.as_ref();
        name.map(|name| (name.wildcard_suffix().is_none(), name.as_str().len()))
    })
}

fn is_attached(parents: &[ParentNode], listener: &ListenerId, hostname: &Hostname) -> bool {
    let mut attachments = parents.iter().flat_map(|parent| &parent.attachments);
    attachments.any(|attachment| {
        let hostnames = &attachment.hostnames;
        attachment.listener == *listener && (hostnames.is_empty() || hostnames.contains(hostname))
    })
}

fn finding(
    route: &dyn AnyRoute,
    parent: &ParentNode,
    (listener, rival): (&ListenerNode, &ListenerNode),
    hostname: &Hostname,
) -> Diagnostic {
    let pointer = Pointer::spec().key("parentRefs").index(parent.index);
    let place = route.place(pointer);
    let name = rival.hostname.as_ref().map_or("", |name| name.as_str());
    let message = format!(
        "`{hostname}` receives no traffic at listener `{}` of Gateway {}: listener `{}` receives it, its hostname is `{name}`",
        listener.full_name(),
        parent.gateway,
        rival.full_name(),
    );
    let pointer = Pointer::spec().key("listeners").index(rival.index);
    Diagnostic::new(Code::HostnameServedElsewhere, place, message)
        .about(route.id())
        .label(
            rival.owner.place(pointer.key("hostname")),
            "the more specific listener",
        )
        .help("attach the route to that listener, which must allow it (`allowedRoutes`)")
}
