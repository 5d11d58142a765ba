//! Hostnames of a route that receive no traffic at a listener because another listener receives it.

mod rival;

use super::node::{AnyRoute, Attachment, ParentNode};
use crate::environment::AddressSharing;
use crate::gateway::{self, GatewayNodes};
use crate::listener::{ListenerId, ListenerNode, ServedHostnames};
use gatefold_diagnostic::Diagnostic;
use gatefold_manifest::api::Hostname;
use rival::{Rival, TakenHostnames};
use std::collections::HashMap;

/// Returns a diagnostic for every hostname that receives no traffic at a listener, and to whose receiver the route isn't
/// attached. "The most specific match takes precedence" (API: `Listener.hostname`), and of equal hostnames of two objects
/// that of the object with precedence. A listener that receives the traffic of another Gateway is reported as well.
pub(super) fn hostnames_served_elsewhere<'r>(
    routes: impl Iterator<Item = &'r dyn AnyRoute>,
    gateways: &GatewayNodes,
    sharing: AddressSharing,
) -> Vec<Diagnostic> {
    let mut search = Search {
        gateways,
        served: ServedHostnames::index(gateways, sharing),
        taken: TakenHostnames::default(),
        found: Vec::new(),
    };
    for route in routes {
        let mut attached = AttachedListeners::new(route);
        for parent in route.parents() {
            for attachment in &parent.attachments {
                search.attachment(&mut attached, parent, attachment);
            }
        }
    }
    let mut found = search.found;
    found.extend(search.taken.report(gateways));
    found
}

struct Search<'g> {
    gateways: &'g GatewayNodes,
    served: ServedHostnames<'g>,
    taken: TakenHostnames,
    found: Vec<Diagnostic>,
}

impl Search<'_> {
    fn attachment(
        &mut self,
        attached: &mut AttachedListeners<'_>,
        parent: &ParentNode,
        attachment: &Attachment,
    ) {
        let id = &attachment.listener;
        let Some(listener) = gateway::listener(self.gateways, id) else {
            return;
        };
        if listener.serving && may_be_outranked(listener) {
            for hostname in &attachment.hostnames {
                let receiver = self.served.instead_of((id, listener), hostname).cloned();
                if let Some(receiver) = receiver {
                    self.report(attached, parent, attachment, (Some(hostname), &receiver));
                }
            }
        } else if let Some(receiver) = &listener.outranked_by {
            let every = attachment.hostnames.is_empty();
            let every = every.then_some(listener.hostname.as_ref());
            let hostnames = attachment.hostnames.iter().map(Some);
            for hostname in every.into_iter().chain(hostnames) {
                self.report(attached, parent, attachment, (hostname, receiver));
            }
        }
    }

    /// Reports that `receiver` receives the requests for a hostname, or all requests if it is `None`.
    fn report(
        &mut self,
        attached: &mut AttachedListeners<'_>,
        parent: &ParentNode,
        attachment: &Attachment,
        (hostname, receiver): (Option<&Hostname>, &ListenerId),
    ) {
        let rival = Rival::new(self.gateways, &attachment.listener, receiver);
        let Some(rival) = rival.filter(|rival| rival.receiver.serving) else {
            return;
        };
        if attached.include(receiver, hostname) {
            return;
        }
        let route = attached.route;
        self.found.push(rival.finding(route, parent, hostname));
        self.taken.add(&rival, hostname);
    }
}

/// Whether a listener with a more specific hostname is possible.
fn may_be_outranked(listener: &ListenerNode) -> bool {
    let hostname = listener.hostname.as_ref();
    hostname.is_none_or(|hostname| hostname.wildcard_suffix().is_some())
}

/// The listeners that a route is attached to, indexed at the first look-up.
struct AttachedListeners<'r> {
    route: &'r dyn AnyRoute,
    by_listener: Option<HashMap<&'r ListenerId, Vec<&'r Attachment>>>,
}

impl<'r> AttachedListeners<'r> {
    fn new(route: &'r dyn AnyRoute) -> Self {
        AttachedListeners {
            route,
            by_listener: None,
        }
    }

    /// Whether the route is attached to a listener with this hostname, or with all of its hostnames if it is `None`.
    fn include(&mut self, listener: &ListenerId, hostname: Option<&Hostname>) -> bool {
        let route = self.route;
        let index = self.by_listener.get_or_insert_with(|| {
            let mut index: HashMap<&ListenerId, Vec<&Attachment>> = HashMap::new();
            for attachment in route.parents().iter().flat_map(|it| &it.attachments) {
                index
                    .entry(&attachment.listener)
                    .or_default()
                    .push(attachment);
            }
            index
        });
        let mut attachments = index.get(listener).into_iter().flatten();
        attachments.any(|attachment| {
            let hostnames = &attachment.hostnames;
            hostnames.is_empty() || hostname.is_some_and(|it| hostnames.contains(it))
        })
    }
}

#[cfg(test)]
mod tests;
