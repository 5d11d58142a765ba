//! Gateways: where they listen, and which of their listeners are served.

use super::certificate::Certificate;
use super::client_certificate;
use super::client_validation::{self, ClientValidation, Frontend};
use super::condition::{self, Condition, ConditionType};
use super::environment::Environment;
use super::listener::{ListenerOwner, Problem};
use super::listener_set::{self, ListenerSetNode};
use super::protection::Protections;
use super::{Build, address, gateway_class, listener, listener_conflict, quoted};
use gatefold_dataplane::{SocketKey, Transport};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    Gateway, GatewayDefaultScope, Hostname, NamespacedName, PolicyTargetKind, SectionName,
};
use rustls::sign::CertifiedKey;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// A Gateway.
#[derive(Debug)]
pub struct GatewayNode {
    /// The object.
    pub resource: Arc<Gateway>,
    /// Its class's controller name; the built-in one when the class isn't in the folder.
    pub controller_name: String,
    /// Where it listens.
    pub addresses: Vec<GatewayAddress>,
    /// Its listeners: its own in the order of the manifest, then those of its ListenerSets, the oldest first.
    pub listeners: Vec<ListenerNode>,
    /// Its conditions, as far as they don't depend on what happens when sockets are bound: `Programmed` is
    /// among them only when it fails whatever happens.
    pub conditions: Vec<Condition>,
    /// What backends are shown in TLS.
    pub client_certificate: Option<Arc<Certificate>>,
    /// What is wrong with references of its own, beside its listeners'.
    pub(super) unresolved: Vec<Problem>,
    /// Nothing of it is served, whatever its listeners are.
    pub refused: bool,
    /// What it asks of clients.
    pub(super) frontend: Frontend,
}

/// An address of a Gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayAddress {
    /// What the socket is bound to; unspecified for every interface.
    pub bind: IpAddr,
    /// What the status shows: addresses that a client can use.
    pub shown: Vec<IpAddr>,
}

/// A listener of a Gateway.
#[derive(Debug)]
pub struct ListenerNode {
    /// Its name.
    pub name: SectionName,
    /// The object in which it stands.
    pub owner: ListenerOwner,
    /// Its place in `spec.listeners` of the owner.
    pub index: usize,
    /// The hostname it serves.
    pub hostname: Option<Hostname>,
    /// The port in the manifest.
    pub port: u16,
    /// What it speaks; nothing when the protocol isn't supported.
    pub protocol: Option<Protocol>,
    /// The sockets it needs: every address of the Gateway, with `--port-map` applied, or those of its name. Empty for a listener
    /// that isn't served.
    pub sockets: Vec<SocketKey>,
    /// The certificates that are good, in the order of the manifest.
    pub certificates: Vec<Arc<CertifiedKey>>,
    /// How the certificates of its clients are checked; not asked for when absent.
    pub client_validation: Option<Arc<ClientValidation>>,
    /// The kinds of routes that may attach, as `(group, kind)`.
    pub supported_kinds: Vec<(String, String)>,
    /// How many accepted routes are attached.
    pub attached_routes: u32,
    /// Whether it is served, as far as the sockets can be bound.
    pub serving: bool,
    /// Why it answers every request with 500; `None` if it doesn't.
    pub refusal: Option<Arc<str>>,
    /// Whether it keeps requests out by itself: by filters, which gatefold doesn't have, or by the certificates of its clients.
    pub(super) keeps_requests_out: bool,
    /// Sockets at which requests for its hostname are answered 500 although it isn't served, because it keeps requests out or a
    /// policy protects it: no listener with a wider hostname may serve them instead.
    pub closed_sockets: Vec<SocketKey>,
    /// Its conditions, as far as they don't depend on what happens when sockets are bound: `Programmed` is
    /// among them only when it isn't served.
    pub conditions: Vec<Condition>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// HTTP in TLS that ends here.
    Https,
}

impl Protocol {
    /// The transport that listeners of this protocol are bound with.
    pub fn transport(self) -> Transport {
        match self {
            Protocol::Http | Protocol::Https => Transport::Tcp,
        }
    }
}

/// The Gateways that are ours, and their ListenerSets.
pub(super) fn build(
    build: &mut Build<'_>,
) -> (
    BTreeMap<NamespacedName, GatewayNode>,
    BTreeMap<NamespacedName, ListenerSetNode>,
) {
    let resources = build.resources;
    let mut nodes = BTreeMap::new();
    for (key, gateway) in resources.gateways.iter() {
        if let Some(controller_name) = gateway_class::controller_of(gateway, build) {
            nodes.insert(key.clone(), node(gateway, controller_name, build));
        }
    }
    let listener_sets = listener_set::build(&mut nodes, build);
    listener_conflict::resolve(&mut nodes, build);
    for (key, node) in &mut nodes {
        node.close_protected(key, &build.protections);
        node.settle(build.environment);
    }
    (nodes, listener_sets)
}

fn node(gateway: &Arc<Gateway>, controller_name: String, build: &mut Build<'_>) -> GatewayNode {
    let (mut addresses, problem) = address::assign(gateway, build);
    let mut conditions: Vec<Condition> = problem.into_iter().collect();
    conditions.extend(unsupported_parameters(gateway, build));
    let refused = condition::find(&conditions, ConditionType::Accepted).is_some();
    if refused {
        addresses.clear();
    }
    conditions.extend(client_validation::insecure_mode(gateway));
    warn_of_unsupported_fields(gateway, build);
    let frontend = Frontend::resolve(gateway, build);
    let mut unresolved = Vec::new();
    let client_certificate = client_certificate::resolve(gateway, &mut unresolved, build);
    let owner = ListenerOwner::Gateway(gateway.clone());
    let listeners = 0..gateway.spec.listeners.len();
    GatewayNode {
        resource: gateway.clone(),
        controller_name,
        addresses,
        listeners: listeners
            .filter_map(|index| listener::build(&owner, index, &frontend, build))
            .collect(),
        conditions,
        client_certificate,
        unresolved,
        refused,
        frontend,
    }
}

fn unsupported_parameters(gateway: &Gateway, build: &mut Build<'_>) -> Option<Condition> {
    let infrastructure = gateway.spec.infrastructure.as_ref()?;
    let parameters = infrastructure.parameters_ref.as_ref()?;
    let message = format!(
        "infrastructure.parametersRef names {} `{}`, but gatefold reads no parameters",
        parameters.kind, parameters.name
    );
    let pointer = Pointer::spec().key("infrastructure").key("parametersRef");
    let finding = Diagnostic::new(
        Code::UnsupportedParameters,
        gateway.place(pointer),
        message.clone(),
    );
    let finding = finding.about(gateway.id());
    build
        .diagnostics
        .push(finding.help("remove `parametersRef`; gatefold is set up by its command line"));
    Some(Condition::fails(
        ConditionType::Accepted,
        "InvalidParameters",
        message,
    ))
}

/// Fields without which the Gateway is served as written, but for what they would add.
fn warn_of_unsupported_fields(gateway: &Gateway, build: &mut Build<'_>) {
    let spec = &gateway.spec;
    let mut fields: Vec<(&'static str, &str)> = Vec::new();
    if spec.default_scope == Some(GatewayDefaultScope::All) {
        fields.push((
            "defaultScope",
            "default Gateways aren't supported yet; routes must name the Gateway in `parentRefs`",
        ));
    }
    for (field, message) in fields {
        let place = gateway.place(Pointer::spec().key(field));
        let finding = Diagnostic::new(Code::UnsupportedField, place, message);
        build.diagnostics.push(finding.about(gateway.id()));
    }
}

impl GatewayNode {
    /// Closes the listeners that a policy protects which can't be enforced. A policy for the Gateway protects those of
    /// its ListenerSets as well.
    fn close_protected(&mut self, key: &NamespacedName, protections: &Protections) {
        if protections.is_empty() {
            return;
        }
        for listener in &mut self.listeners {
            let name = Some(listener.name.as_str());
            listener.refusal = match &listener.owner {
                ListenerOwner::Gateway(_) => {
                    protections.refusal(PolicyTargetKind::Gateway, key, name)
                }
                ListenerOwner::ListenerSet(set) => {
                    let own = PolicyTargetKind::ListenerSet;
                    let refusal = protections.refusal(own, &set.key(), name);
                    refusal.or_else(|| protections.refusal(PolicyTargetKind::Gateway, key, None))
                }
            };
        }
    }

    /// Decides what is served, once conflicts are known.
    fn settle(&mut self, environment: &Environment) {
        for listener in &mut self.listeners {
            listener.settle(&self.addresses, self.refused, environment);
        }
        if !self.refused {
            let accepted = accepted(self.own_listeners().map(|listener| {
                let accepted = condition::is_true(&listener.conditions, ConditionType::Accepted);
                (listener.name.as_str(), accepted)
            }));
            self.conditions.push(accepted);
        }
        let served = self.own_listeners().any(|listener| listener.serving);
        if !served && condition::find(&self.conditions, ConditionType::Programmed).is_none() {
            let message = "nothing is served; see the conditions of the Gateway and its listeners";
            let programmed = Condition::fails(ConditionType::Programmed, "Invalid", message);
            self.conditions.push(programmed);
        }
        let resolved = self.resolved_refs();
        self.conditions.push(resolved);
    }

    /// The listeners that stand in the Gateway itself.
    pub fn own_listeners(&self) -> impl Iterator<Item = &ListenerNode> {
        self.listeners_of(None).map(|(_, listener)| listener)
    }

    /// The listeners of one of its ListenerSets, or else its own, with their places in `listeners`.
    pub fn listeners_of<'n>(
        &'n self,
        listener_set: Option<&'n NamespacedName>,
    ) -> impl Iterator<Item = (usize, &'n ListenerNode)> {
        let all = self.listeners.iter().enumerate();
        all.filter(move |(_, listener)| listener.owner.is(listener_set))
    }

    fn resolved_refs(&self) -> Condition {
        let unresolved = self.own_listeners().filter(|listener| {
            !condition::is_true(&listener.conditions, ConditionType::ResolvedRefs)
        });
        let names: Vec<&str> = unresolved.map(|listener| listener.name.as_str()).collect();
        let mut problems = self.unresolved.clone();
        if !names.is_empty() {
            let names = quoted(names.iter().copied());
            let message = format!("listeners with broken references: {names}");
            problems.push(("ListenersNotResolved", message));
        }
        Condition::unless(
            ConditionType::ResolvedRefs,
            &problems,
            "ResolvedRefs",
            "every reference leads somewhere",
        )
    }
}

impl ListenerNode {
    /// The sockets that it needs on the addresses of its Gateway.
    pub(super) fn needed_sockets(
        &self,
        addresses: &[GatewayAddress],
        environment: &Environment,
    ) -> Vec<SocketKey> {
        let transport = self.protocol.map_or(Transport::Tcp, Protocol::transport);
        let port = (self.port, transport);
        environment.sockets(&self.owner.key(), &self.name, port, addresses)
    }

    fn settle(&mut self, addresses: &[GatewayAddress], refused: bool, environment: &Environment) {
        let accepted = condition::is_true(&self.conditions, ConditionType::Accepted);
        let no_certificate = self.protocol == Some(Protocol::Https) && self.certificates.is_empty();
        let hindrance = match () {
            // Says already why.
            () if condition::find(&self.conditions, ConditionType::Programmed).is_some() => None,
            () if refused => Some(("Invalid", "the Gateway isn't accepted")),
            () if !accepted => Some(("Invalid", "the listener isn't accepted")),
            () if no_certificate => Some(("Invalid", "there is no certificate to serve")),
            () if self.supported_kinds.is_empty() => Some(("Invalid", "no route can attach")),
            () if addresses.is_empty() => Some(("Pending", "the Gateway has no address")),
            () => {
                self.sockets = self.needed_sockets(addresses, environment);
                self.serving = true;
                None
            }
        };
        let is_protected = self.refusal.is_some() || self.keeps_requests_out;
        if is_protected && !self.serving {
            self.closed_sockets = self.needed_sockets(addresses, environment);
        }
        if let Some((reason, message)) = hindrance {
            let programmed = Condition::fails(ConditionType::Programmed, reason, message);
            self.conditions.push(programmed);
        }
    }
}

/// Whether a Gateway is accepted, as far as its listeners decide: each with its name and whether it is. One
/// good listener is enough (API: `GatewayReasonListenersNotValid`).
pub fn accepted<'l>(listeners: impl Iterator<Item = (&'l str, bool)>) -> Condition {
    let (good, bad): (Vec<_>, Vec<_>) = listeners.partition(|(_, accepted)| *accepted);
    let names = |listeners: &[(&'l str, bool)]| quoted(listeners.iter().map(|(name, _)| *name));
    if bad.is_empty() {
        return Condition::holds(
            ConditionType::Accepted,
            "Accepted",
            "the Gateway is accepted",
        );
    }
    let refused = format!("listeners that aren't accepted: {}", names(&bad));
    if good.is_empty() {
        return Condition::fails(ConditionType::Accepted, "ListenersNotValid", refused);
    }
    Condition::holds(
        ConditionType::Accepted,
        "ListenersNotValid",
        format!("{refused}; accepted: {}", names(&good)),
    )
}
