//! A listener, and another one that receives its requests.

use crate::gateway::{self, GatewayNodes};
use crate::listener::{ListenerId, ListenerNode};
use crate::route::node::{AnyRoute, ParentNode};
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer};
use gatefold_manifest::api::Hostname;
use std::collections::BTreeMap;

/// A listener, and another one that receives requests instead of it.
pub(super) struct Rival<'g> {
    ids: (&'g ListenerId, &'g ListenerId),
    listener: &'g ListenerNode,
    /// The listener that receives the requests.
    pub receiver: &'g ListenerNode,
}

impl<'g> Rival<'g> {
    /// Looks up both listeners.
    pub fn new(
        gateways: &'g GatewayNodes,
        listener: &'g ListenerId,
        receiver: &'g ListenerId,
    ) -> Option<Self> {
        Some(Rival {
            ids: (listener, receiver),
            listener: gateway::listener(gateways, listener)?,
            receiver: gateway::listener(gateways, receiver)?,
        })
    }

    /// Returns the warning at a route's parent reference.
    pub fn finding(
        &self,
        route: &dyn AnyRoute,
        parent: &ParentNode,
        hostname: Option<&Hostname>,
    ) -> Diagnostic {
        let pointer = Pointer::spec().key("parentRefs").index(parent.index);
        let name = self.receiver.hostname.as_ref();
        let (why, label) = if self.receiver.hostname == self.listener.hostname {
            (
                "because it has the same hostname and takes precedence".to_owned(),
                "the other listener",
            )
        } else {
            let name = name.map_or("", |name| name.as_str());
            let why = format!("because its hostname is `{name}`");
            (why, "the more specific listener")
        };
        let what = hostname.map_or("the route".to_owned(), |name| format!("`{name}`"));
        let message = format!(
            "{what} receives no traffic at listener `{}` of Gateway {}: listener `{}`{} receives it {why}",
            self.listener.full_name(),
            parent.gateway,
            self.receiver.full_name(),
            self.other_gateway(),
        );
        Diagnostic::new(Code::HostnameServedElsewhere, route.place(pointer), message)
            .about(route.id())
            .label(place(self.receiver), label)
            .help(self.help())
    }

    /// Names the Gateway of the receiver if it isn't that of the listener.
    fn other_gateway(&self) -> String {
        let (own, other) = self.ids;
        if own.gateway == other.gateway {
            String::new()
        } else {
            format!(" of Gateway {}", other.gateway)
        }
    }

    fn help(&self) -> String {
        let attach = "attach the route to that listener, which must allow it (`allowedRoutes`)";
        let (own, other) = self.ids;
        if own.gateway == other.gateway {
            return attach.to_owned();
        }
        format!("{}; or {attach}", self.separate_gateways())
    }

    /// Says how both Gateways get addresses of their own.
    fn separate_gateways(&self) -> String {
        let (own, other) = self.ids;
        format!(
            "in a cluster each Gateway has an address of its own: use `--address-pool CIDR`, or `--address {}=IP,{}=IP`",
            own.gateway, other.gateway
        )
    }
}

/// The hostnames of routes whose requests a listener of another Gateway receives.
#[derive(Default)]
pub(super) struct TakenHostnames {
    by_listeners: BTreeMap<(ListenerId, ListenerId), Taken>,
}

struct Taken {
    /// The first hostname.
    first: String,
    /// The number of routes' hostnames.
    count: usize,
}

impl TakenHostnames {
    /// Adds a hostname of a route. Equal hostnames of listeners are left out, because that conflict is reported.
    pub fn add(&mut self, rival: &Rival<'_>, hostname: Option<&Hostname>) {
        let (own, other) = rival.ids;
        if own.gateway == other.gateway || rival.listener.outranked_by.is_some() {
            return;
        }
        let key = (other.clone(), own.clone());
        let taken = self.by_listeners.entry(key).or_insert_with(|| Taken {
            first: hostname.map_or("*", |name| name.as_str()).to_owned(),
            count: 0,
        });
        taken.count += 1;
    }

    /// Returns a warning at each listener that takes hostnames, for each listener that it takes them from.
    pub fn report(&self, gateways: &GatewayNodes) -> Vec<Diagnostic> {
        let found = self.by_listeners.iter();
        let found = found.filter_map(|((receiver, listener), taken)| {
            let rival = Rival::new(gateways, listener, receiver)?;
            let more = match taken.count - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let message = format!(
                "listener `{}` takes the traffic for `{}`{more} from listener `{}` of Gateway {}, which has the same \
                 address and port, so routes there miss it",
                rival.receiver.full_name(),
                taken.first,
                rival.listener.full_name(),
                listener.gateway,
            );
            let place_of_receiver = place(rival.receiver);
            Some(
                Diagnostic::new(Code::HostnameServedElsewhere, place_of_receiver, message)
                    .about(rival.receiver.owner.id())
                    .label(place(rival.listener), "the listener that doesn't receive it")
                    .help(rival.separate_gateways()),
            )
        });
        found.collect()
    }
}

/// Returns the place of a listener's hostname, or of the listener if it has none.
fn place(listener: &ListenerNode) -> Place {
    let pointer = Pointer::spec().key("listeners").index(listener.index);
    listener.owner.place(match listener.hostname {
        Some(_) => pointer.key("hostname"),
        None => pointer,
    })
}
