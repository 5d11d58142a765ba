//! Hostnames of a route that receive no traffic at a listener because a more specific listener receives it.

use crate::Graph;
use crate::gateway::{GatewayNode, ListenerNode};
use crate::hostname::covers;
use crate::route::http_route::{Attachment, HttpRouteNode, ParentNode};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{HTTPRoute, Hostname, NamespacedName};
use std::collections::BTreeMap;

type Gateways = BTreeMap<NamespacedName, GatewayNode>;
/// A listener: its Gateway, and its index there.
type Place<'g> = (&'g NamespacedName, usize);

impl Graph {
    /// Returns a diagnostic for every hostname that receives no traffic at a listener: "the most specific match takes
    /// precedence" (API: `Listener.hostname`), and the route isn't attached to the more specific listener.
    pub(crate) fn hostnames_served_elsewhere(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for route in self.http_routes.values() {
            for parent in &route.parents {
                for attachment in &parent.attachments {
                    self.report(route, parent, attachment, &mut found);
                }
            }
        }
        found
    }

    fn report(
        &self,
        route: &HttpRouteNode,
        parent: &ParentNode,
        attachment: &Attachment,
        found: &mut Vec<Diagnostic>,
    ) {
        let gateway = self.gateways.get(&parent.gateway);
        let listener = gateway.and_then(|it| it.listeners.get(attachment.listener));
        let Some(listener) = listener.filter(|it| it.serving && is_open(it)) else {
            return;
        };
        for hostname in &attachment.hostnames {
            if let Some((rival, place)) = rival(listener, hostname, &self.gateways)
                && !is_attached(&route.parents, place, hostname)
            {
                found.push(finding(
                    &route.resource,
                    parent,
                    (listener, rival),
                    hostname,
                ));
            }
        }
    }
}

/// Whether a listener with a more specific hostname is possible.
fn is_open(listener: &ListenerNode) -> bool {
    let hostname = listener.hostname.as_ref();
    hostname.is_none_or(|hostname| hostname.wildcard_suffix().is_some())
}

/// Returns the most specific listener that receives all requests for `hostname` instead of `listener`.
fn rival<'g>(
    listener: &ListenerNode,
    hostname: &Hostname,
    gateways: &'g Gateways,
) -> Option<(&'g ListenerNode, Place<'g>)> {
    let listeners = gateways.iter().flat_map(|(key, gateway)| {
        let listeners = gateway.listeners.iter().enumerate();
        listeners.map(move |(index, it)| (it, (key, index)))
    });
    let receives = |(rival, _): &(&ListenerNode, Place<'_>)| {
        rival.serving
            && rival.protocol == listener.protocol
            && listener.sockets.iter().all(|it| rival.sockets.contains(it))
            && rival.hostname.as_ref().is_some_and(|name| {
                let wider = listener.hostname.as_ref();
                covers(name, hostname)
                    && wider.is_none_or(|wider| name != wider && covers(wider, name))
            })
    };
    let rivals = listeners.filter(receives);
    rivals.max_by_key(|(rival, _)| {
        let name = rival.hostname.as_ref();
        name.map(|name| (name.wildcard_suffix().is_none(), name.as_str().len()))
    })
}

fn is_attached(parents: &[ParentNode], (gateway, index): Place<'_>, hostname: &Hostname) -> bool {
    let parents = parents.iter().filter(|parent| parent.gateway == *gateway);
    let mut attachments = parents.flat_map(|parent| &parent.attachments);
    attachments.any(|attachment| {
        let hostnames = &attachment.hostnames;
        attachment.listener == index && (hostnames.is_empty() || hostnames.contains(hostname))
    })
}

fn finding(
    route: &HTTPRoute,
    parent: &ParentNode,
    (listener, rival): (&ListenerNode, &ListenerNode),
    hostname: &Hostname,
) -> Diagnostic {
    let place = route.place(Pointer::spec().key("parentRefs").index(parent.index));
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
