//! An index of the listeners that are served, by socket and hostname.
//!
//! In: Gateways with their listeners, whose conflicts are resolved. Out: the listener that receives the requests for a
//! hostname instead of another listener. A look-up reads the wildcards that cover the hostname, never all listeners.

use super::conflict::ClaimedSocket;
use super::node::{ListenerId, ListenerNode};
use super::overlap::wider_patterns;
use crate::environment::AddressSharing;
use crate::gateway::{self, GatewayNodes};
use crate::hostname::covers;
use gatefold_manifest::api::{Hostname, NamespacedName};
use std::collections::HashMap;

/// The listeners that are served, by socket and hostname. A listener without a hostname isn't in here: it is more specific
/// than no other.
pub(crate) struct ServedHostnames<'g> {
    sharing: AddressSharing,
    by_socket: HashMap<ClaimedSocket, HashMap<&'g Hostname, ListenerId>>,
}

impl<'g> ServedHostnames<'g> {
    /// Indexes the listeners.
    pub fn index(gateways: &'g GatewayNodes, sharing: AddressSharing) -> Self {
        let mut index = ServedHostnames {
            sharing,
            by_socket: HashMap::new(),
        };
        for (id, listener) in gateway::listeners(gateways) {
            let Some(hostname) = listener.hostname.as_ref().filter(|_| listener.serving) else {
                continue;
            };
            for socket in index.sockets(&id.gateway, listener) {
                let hostnames = index.by_socket.entry(socket).or_default();
                hostnames.insert(hostname, id.clone());
            }
        }
        index
    }

    /// Returns the most specific listener that receives all requests for `hostname` instead of `listener`, which is served.
    /// `None` if `listener` receives some of them on one of its sockets.
    pub fn instead_of(
        &self,
        (id, listener): (&ListenerId, &ListenerNode),
        hostname: &Hostname,
    ) -> Option<&ListenerId> {
        let mut first = None;
        for socket in self.sockets(&id.gateway, listener) {
            let found = self.at(&socket, listener.hostname.as_ref(), hostname)?;
            first.get_or_insert(found);
        }
        first
    }

    /// Returns the most specific listener at a socket whose hostname covers `hostname` and is more specific than `wide`.
    fn at(
        &self,
        socket: &ClaimedSocket,
        wide: Option<&Hostname>,
        hostname: &Hostname,
    ) -> Option<&ListenerId> {
        let hostnames = self.by_socket.get(socket)?;
        let is_more_specific =
            |name: &Hostname| wide.is_none_or(|wide| name != wide && covers(wide, name));
        // The most specific one is first.
        let patterns = [hostname.clone()].into_iter();
        let mut patterns = patterns.chain(wider_patterns(hostname).flatten());
        patterns.find_map(|name| hostnames.get(&name).filter(|_| is_more_specific(&name)))
    }

    fn sockets(
        &self,
        gateway: &NamespacedName,
        listener: &ListenerNode,
    ) -> impl Iterator<Item = ClaimedSocket> + use<> {
        let sharing = self.sharing;
        let gateway = gateway.clone();
        let sockets = listener.sockets.clone().into_iter();
        sockets.map(move |socket| (sharing.sole_owner(&gateway, socket), socket))
    }
}
