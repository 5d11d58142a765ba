//! Decides whether a listener is served, and on which sockets.

use super::node::ListenerNode;
use super::protocol::Protocol;
use crate::condition::{self, Condition, ConditionType, Reason};
use crate::environment::Environment;
use crate::gateway::GatewayAddress;
use gatefold_dataplane::{SocketKey, Transport};
use gatefold_manifest::api::NamespacedName;

impl ListenerNode {
    /// Decides whether the listener is served. Its conflicts must be known. `gateway_refused` is true if nothing of its
    /// Gateway is served.
    pub(crate) fn decide_serving(
        &mut self,
        (gateway, addresses): (&NamespacedName, &[GatewayAddress]),
        gateway_refused: bool,
        environment: &Environment,
    ) {
        let obstacle = self.obstacle(addresses, gateway_refused);
        self.serving = obstacle.is_none() && !self.has_programmed();
        let sockets = self.needed_sockets(gateway, addresses, environment);
        let names = (&self.owner.key(), &self.name);
        self.port_source = environment.port_source(gateway, names, self.port);
        if self.serving {
            self.sockets = sockets;
        } else if self.refusal.is_some() || self.may_reject_requests {
            self.closed_sockets = sockets;
        }
        if let Some((reason, message)) = obstacle {
            let programmed = Condition::fails(ConditionType::Programmed, reason, message);
            self.conditions.push(programmed);
        }
    }

    /// Returns the sockets that the listener needs on the addresses of `gateway`, its Gateway.
    pub(crate) fn needed_sockets(
        &self,
        gateway: &NamespacedName,
        addresses: &[GatewayAddress],
        environment: &Environment,
    ) -> Vec<SocketKey> {
        let transport = self.protocol.map_or(Transport::Tcp, Protocol::transport);
        let port = (self.port, transport);
        let owner = self.owner.key();
        environment.sockets(gateway, (&owner, &self.name), port, addresses)
    }

    /// Whether `Programmed` is present already, and thus fails for a more specific reason.
    fn has_programmed(&self) -> bool {
        condition::find(&self.conditions, ConditionType::Programmed).is_some()
    }

    /// Returns why the listener isn't served, unless its conditions contain the reason already.
    fn obstacle(
        &self,
        addresses: &[GatewayAddress],
        gateway_refused: bool,
    ) -> Option<(Reason, &'static str)> {
        let accepted = condition::is_true(&self.conditions, ConditionType::Accepted);
        let no_certificate = self.protocol == Some(Protocol::Https) && self.certificates.is_empty();
        if self.has_programmed() {
            None
        } else if gateway_refused {
            Some((Reason::Invalid, "the Gateway isn't accepted"))
        } else if !accepted {
            Some((Reason::Invalid, "the listener isn't accepted"))
        } else if no_certificate {
            Some((Reason::Invalid, "there is no certificate to serve"))
        } else if self.supported_kinds.is_empty() {
            Some((Reason::Invalid, "no route can attach"))
        } else if addresses.is_empty() {
            Some((Reason::Pending, "the Gateway has no address"))
        } else {
            None
        }
    }
}
