//! The node of a listener, and its identity.

use super::owner::ListenerOwner;
use super::protocol::Protocol;
use crate::certificate::client_validation::ClientValidationNode;
use crate::condition::Condition;
use crate::environment::PortSource;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::client_traffic::ClientTraffic;
use gatefold_dataplane::client_traffic::tls_settings::TlsSettings;
use gatefold_manifest::Kind;
use gatefold_manifest::api::{Hostname, Listener, NamespacedName, SectionName};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// Identifies a listener within a graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId {
    /// Its Gateway. For a listener of a ListenerSet, the Gateway of that set.
    pub gateway: NamespacedName,
    /// Its index among all listeners of the Gateway.
    pub index: usize,
}

impl ListenerId {
    /// Returns the name of this listener, `node`, for logs and metrics. It is unique within the graph.
    pub fn name(&self, node: &ListenerNode) -> String {
        format!("{}/{}", self.gateway, node.full_name())
    }
}

/// A listener of a Gateway.
#[derive(Debug)]
pub struct ListenerNode {
    /// Its name.
    pub name: SectionName,
    /// The object that contains it.
    pub owner: ListenerOwner,
    /// Its index in `spec.listeners` of the owner.
    pub index: usize,
    /// The hostname that it serves. `None` means any.
    pub hostname: Option<Hostname>,
    /// The port in the manifest.
    pub port: u16,
    /// Its protocol. `None` if the protocol isn't supported.
    pub protocol: Option<Protocol>,
    /// The sockets that it needs: one for each address of the Gateway, with `--port-map` or the Gateway's own ports applied,
    /// or the inherited sockets with its name. Empty for a listener that isn't served.
    pub sockets: Vec<SocketKey>,
    /// Why its sockets have their port.
    pub port_source: PortSource,
    /// The valid certificates, in the order of the manifest.
    pub certificates: Vec<Arc<CertifiedKey>>,
    /// The Secrets that it refers to and that aren't in the folder, if they may have stand-ins.
    pub(crate) missing_secrets: Vec<NamespacedName>,
    /// How the certificates of clients are verified. `None` if no certificate is requested.
    pub client_validation: Option<Arc<ClientValidationNode>>,
    /// How TLS with its clients is set up, if a ClientTrafficPolicy says so.
    pub tls_settings: Option<Arc<TlsSettings>>,
    /// How the requests of its clients are treated, if a ClientTrafficPolicy says so.
    pub client_traffic: Option<Arc<ClientTraffic>>,
    /// The kinds of routes that may attach.
    pub supported_kinds: Vec<Kind>,
    /// The number of accepted routes that are attached.
    pub attached_routes: u32,
    /// Whether it is served, provided that its sockets can be bound.
    pub serving: bool,
    /// Why it answers every request with 500. `None` if it doesn't.
    pub refusal: Option<Arc<str>>,
    /// The listener with the same hostname on the same socket that takes precedence, if there is one.
    pub(crate) outranked_by: Option<ListenerId>,
    /// Whether it may reject requests itself: by filters, which gatefold doesn't support, by the certificates of
    /// clients, or by a SecurityPolicy.
    pub(crate) may_reject_requests: bool,
    /// Sockets on which requests for its hostname are answered 500 although it isn't served, because it may reject requests
    /// or a policy protects it. No listener with a wider hostname may serve these requests.
    pub closed_sockets: Vec<SocketKey>,
    /// Its conditions, except for those that depend on binding sockets. `Programmed` is present only if the listener isn't
    /// served.
    pub conditions: Vec<Condition>,
}

impl ListenerNode {
    /// Returns the listener as in the manifest.
    pub fn spec(&self) -> Option<&Listener> {
        self.owner.listeners().get(self.index)
    }

    /// Validates clients as a policy says, instead of as the Gateway says (Envoy Gateway: `buildListenerTLSParameters`). Only
    /// HTTPS listeners have clients with certificates.
    pub(crate) fn validate_clients(&mut self, clients: &Arc<ClientValidationNode>) {
        match self.protocol {
            Some(Protocol::Https) => {
                self.client_validation = Some(clients.clone());
                self.may_reject_requests |= clients.requirements.refuse_clients();
            }
            Some(Protocol::Http) | None => {}
        }
    }

    /// Whether it refers to Secrets that aren't in the folder and may have stand-ins.
    pub fn may_serve_stand_ins(&self) -> bool {
        !self.missing_secrets.is_empty()
    }

    /// Returns its name, prefixed with that of its ListenerSet if it belongs to one. The result is unique within the Gateway.
    pub fn full_name(&self) -> String {
        match &self.owner {
            ListenerOwner::Gateway(_) => self.name.to_string(),
            ListenerOwner::ListenerSet(set) => format!("{}/{}", set.key(), self.name),
        }
    }
}
