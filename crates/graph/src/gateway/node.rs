//! The node of a Gateway.

use super::gateway_address::GatewayAddress;
use super::listener_set::ListenerSetNode;
use crate::certificate::Certificate;
use crate::certificate::client_validation::Frontend;
use crate::condition::{Condition, Problem};
use crate::listener::{ListenerId, ListenerNode};
use crate::parameters::AccessLogs;
use gatefold_manifest::api::{Gateway, NamespacedName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gateways by name.
pub type GatewayNodes = BTreeMap<NamespacedName, GatewayNode>;

/// A Gateway.
#[derive(Debug)]
pub struct GatewayNode {
    /// The object.
    pub resource: Arc<Gateway>,
    /// The controller name of its class, or the built-in one if the class isn't in the folder.
    pub controller_name: String,
    /// The addresses on which it listens.
    pub addresses: Vec<GatewayAddress>,
    /// Its listeners: its own in the order of the manifest, then those of its ListenerSets, the oldest set first.
    pub listeners: Vec<ListenerNode>,
    /// The number of its own listeners, which are the first ones.
    pub(super) own_listeners: usize,
    /// Its conditions, except for those that depend on binding sockets. `Programmed` is present only if it fails regardless
    /// of sockets.
    pub conditions: Vec<Condition>,
    /// The certificate that is presented to backends in TLS.
    pub client_certificate: Option<Arc<Certificate>>,
    /// The problems with its own references, as opposed to those of its listeners.
    pub(crate) unresolved: Vec<Problem>,
    /// Whether none of its listeners is served, whatever their state.
    pub refused: bool,
    /// The validation of client certificates.
    pub(crate) frontend: Frontend,
    /// The access logs of its requests.
    pub access_logs: AccessLogs,
}

impl GatewayNode {
    /// Returns the Gateway's own listeners.
    pub fn own_listeners(&self) -> impl Iterator<Item = &ListenerNode> {
        self.listeners_of(None).map(|(_, listener)| listener)
    }

    /// Returns the listeners of one of its ListenerSets, or the Gateway's own if `listener_set` is `None`, with their indexes
    /// in `listeners`. Reads no other listener: a Gateway may have thousands of them, and each route asks for those of its
    /// parents.
    pub fn listeners_of(
        &self,
        listener_set: Option<&ListenerSetNode>,
    ) -> impl Iterator<Item = (usize, &ListenerNode)> {
        let own = || 0..self.own_listeners;
        let range = listener_set.map_or_else(own, |set| set.listeners.clone());
        let first = range.start;
        let listeners = self.listeners.get(range).unwrap_or_default();
        (first..).zip(listeners)
    }
}

/// Returns a listener of these Gateways.
pub(crate) fn listener<'g>(
    gateways: &'g GatewayNodes,
    id: &ListenerId,
) -> Option<&'g ListenerNode> {
    gateways.get(&id.gateway)?.listeners.get(id.index)
}

/// Returns a listener of these Gateways, to change it.
pub(crate) fn listener_mut<'g>(
    gateways: &'g mut GatewayNodes,
    id: &ListenerId,
) -> Option<&'g mut ListenerNode> {
    gateways.get_mut(&id.gateway)?.listeners.get_mut(id.index)
}

/// Returns all listeners of these Gateways.
pub(crate) fn listeners(
    gateways: &GatewayNodes,
) -> impl Iterator<Item = (ListenerId, &ListenerNode)> {
    gateways.iter().flat_map(|(key, node)| {
        let listeners = node.listeners.iter().enumerate();
        listeners.map(move |(index, listener)| {
            let gateway = key.clone();
            (ListenerId { gateway, index }, listener)
        })
    })
}
