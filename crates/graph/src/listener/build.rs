//! Builds the node of one listener, without regard to other listeners.

use super::listener_at::ListenerAt;
use super::node::ListenerNode;
use super::owner::ListenerOwner;
use super::protocol::Protocol;
use super::route_kinds::supported_kinds;
use crate::certificate::client_validation::{ClientValidationNode, Frontend, ResolvedValidation};
use crate::certificate::listener_tls::{self, ListenerCertificates};
use crate::condition::{Condition, Problem, Reason};
use crate::environment::PortSource;
use crate::gateway::GatewayAddress;
use crate::{Build, suggest};
use gatefold_diagnostic::Code;
use gatefold_manifest::api::{FromNamespaces, NamespacedName};
use std::sync::Arc;

/// What TLS adds to a listener.
#[derive(Default)]
struct ListenerTls {
    certificates: ListenerCertificates,
    client_validation: Option<Arc<ClientValidationNode>>,
    /// Whether clients may be rejected because of their certificates.
    may_reject_clients: bool,
    refusals: Vec<Problem>,
    unresolved: Vec<Problem>,
}

/// What a Gateway decides for its listeners, and for those of its ListenerSets.
#[derive(Clone, Copy)]
pub(crate) struct ListenerContext<'g> {
    /// The Gateway.
    pub key: &'g NamespacedName,
    /// Its addresses.
    pub addresses: &'g [GatewayAddress],
    /// The validation of client certificates.
    pub frontend: &'g Frontend,
}

/// Builds the listener of `owner` at `index`. Returns `None` if there is none.
pub(crate) fn build(
    owner: &ListenerOwner,
    index: usize,
    gateway: ListenerContext<'_>,
    build: &mut Build<'_>,
) -> Option<ListenerNode> {
    let listener = owner.listeners().get(index)?;
    let at = ListenerAt {
        owner,
        listener,
        index,
    };
    let protocol = Protocol::parse(&listener.protocol);
    let unsupported_protocol = protocol.is_none().then(|| unsupported_protocol(at, build));
    let unsupported_filters = unsupported_filters(at, build);
    let has_filters = unsupported_filters.is_some();
    let refusals = unsupported_protocol.into_iter().chain(unsupported_filters);
    let (supported_kinds, mut unresolved) = supported_kinds(at, protocol, build);
    let tls = terminate_tls(at, protocol, gateway, build);
    let refusals: Vec<Problem> = refusals.chain(tls.refusals).collect();
    unresolved.extend(tls.unresolved);
    warn_of_missing_selector(at, build);
    let resolved_refs = Condition::resolved_refs_but_for(&unresolved, &tls.certificates.missing);
    Some(ListenerNode {
        name: listener.name.clone(),
        owner: owner.clone(),
        index,
        hostname: listener.hostname.clone(),
        port: listener.port.get(),
        protocol,
        sockets: Vec::new(),
        port_source: PortSource::default(),
        certificates: tls.certificates.served,
        missing_secrets: tls.certificates.missing,
        client_validation: tls.client_validation,
        supported_kinds,
        attached_routes: 0,
        serving: false,
        client_traffic: None,
        tls_settings: None,
        refusal: None,
        outranked_by: None,
        may_reject_requests: has_filters || tls.may_reject_clients,
        closed_sockets: Vec::new(),
        conditions: vec![
            Condition::accepted(&refusals, "the listener is accepted"),
            resolved_refs,
        ],
    })
}

fn terminate_tls(
    at: ListenerAt<'_>,
    protocol: Option<Protocol>,
    gateway: ListenerContext<'_>,
    build: &mut Build<'_>,
) -> ListenerTls {
    let mut tls = ListenerTls::default();
    match protocol {
        Some(Protocol::Https) => {}
        Some(Protocol::Http) | None => return tls,
    }
    if let Some(validation) = gateway.frontend.of_port(at.listener.port.get()) {
        tls.client_validation = validation.validation.clone();
        tls.may_reject_clients = validation.refuses_clients();
        tls.unresolved.extend(validation.problems.iter().cloned());
        tls.refusals.extend(missing_authority(validation));
    }
    let sockets = build.environment.sockets(
        gateway.key,
        (&at.owner.key(), &at.listener.name),
        (at.listener.port.get(), Protocol::Https.transport()),
        gateway.addresses,
    );
    tls.certificates = listener_tls::certificates(at, &sockets, &mut tls.unresolved, build);
    tls
}

/// Without a CA certificate no client can be verified, and none may connect unverified (API:
/// `FrontendTLSValidation.caCertificateRefs`).
fn missing_authority(validation: &ResolvedValidation) -> Option<Problem> {
    let message =
        "no reference in `tls.frontend` resolves to a CA certificate to verify clients with";
    let is_missing = validation.validation.is_none();
    is_missing.then(|| Problem::new(Reason::NoValidCACertificate, message))
}

fn unsupported_protocol(at: ListenerAt<'_>, build: &mut Build<'_>) -> Problem {
    let protocol = &at.listener.protocol;
    let message = format!("protocol `{protocol}` isn't supported; `HTTP` and `HTTPS` are");
    let pointer = at.pointer().key("protocol");
    let mut finding = at.finding(Code::UnsupportedProtocol, pointer, message.clone());
    // The API defines these protocols, so they aren't misspelled.
    let is_defined = matches!(&**protocol, "TLS" | "TCP" | "UDP");
    finding.help = suggest(protocol, Protocol::names()).filter(|_| !is_defined);
    build.diagnostics.push(finding);
    Problem::new(Reason::UnsupportedProtocol, message)
}

/// Reports filters that run before a route is chosen. A listener with such a filter isn't served (GEP-5224), and listeners
/// with wider hostnames don't serve its hostname either.
fn unsupported_filters(at: ListenerAt<'_>, build: &mut Build<'_>) -> Option<Problem> {
    let filters = at.listener.filters.as_ref()?;
    let first = filters.requests.first()?;
    let kind = first.kind.as_str();
    let message =
        format!("filters of a listener aren't supported yet, but it has one of type {kind}");
    let pointer = at.pointer().key("filters").key("requests");
    let finding = at.finding(Code::UnsupportedListenerFilter, pointer, message.clone());
    build.diagnostics.push(
        finding.caption("the listener isn't served, and no other listener serves its hostname"),
    );
    Some(Problem::new(Reason::UnsupportedValue, message))
}

fn warn_of_missing_selector(at: ListenerAt<'_>, build: &mut Build<'_>) {
    let Some(allowed) = &at.listener.allowed_routes else {
        return;
    };
    let namespaces = &allowed.namespaces;
    if namespaces.from == FromNamespaces::Selector && namespaces.selector.is_none() {
        let pointer = at.pointer().key("allowedRoutes").key("namespaces");
        let message = "`from: Selector` without a `selector` selects no namespace";
        let finding = at.finding(Code::MissingSelector, pointer, message);
        build
            .diagnostics
            .push(finding.help("add `selector: {matchLabels: {...}}`, or use `from: All`"));
    }
}
