//! One listener by itself: its protocol, the kinds of routes it takes, its certificates.

pub(crate) mod conflict;

use crate::certificate::client_validation::{Frontend, ResolvedValidation};
use crate::certificate::listener_tls;
use crate::condition::{Condition, Problem, Reason};
use crate::gateway::{ListenerNode, Protocol};
use crate::{Build, suggest};
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer, ResourceId};
use gatefold_manifest::api::{
    FromNamespaces, GATEWAY_GROUP, Gateway, Listener, ListenerSet, NamespacedName, RouteGroupKind,
};
use std::sync::Arc;

/// The kinds of routes that HTTP and HTTPS listeners take.
const HTTP_KINDS: &[&str] = &["HTTPRoute"];

/// The object in which a listener stands.
#[derive(Clone, Debug)]
pub enum ListenerOwner {
    /// The Gateway that serves it.
    Gateway(Arc<Gateway>),
    /// A ListenerSet of that Gateway.
    ListenerSet(Arc<ListenerSet>),
}

impl ListenerOwner {
    /// Its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.kind().name(),
            ListenerOwner::ListenerSet(set) => set.kind().name(),
        }
    }

    /// Namespace and name.
    pub fn key(&self) -> NamespacedName {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.key(),
            ListenerOwner::ListenerSet(set) => set.key(),
        }
    }

    /// What a diagnostic calls it.
    pub fn id(&self) -> ResourceId {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.id(),
            ListenerOwner::ListenerSet(set) => set.id(),
        }
    }

    /// The place of one of its fields.
    pub fn place(&self, pointer: Pointer) -> Place {
        match self {
            ListenerOwner::Gateway(gateway) => gateway.place(pointer),
            ListenerOwner::ListenerSet(set) => set.place(pointer),
        }
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        match self {
            ListenerOwner::Gateway(gateway) => &gateway.meta.namespace,
            ListenerOwner::ListenerSet(set) => &set.meta.namespace,
        }
    }

    /// Its listeners, as they stand in the manifest.
    pub fn listeners(&self) -> &[Listener] {
        match self {
            ListenerOwner::Gateway(gateway) => &gateway.spec.listeners,
            ListenerOwner::ListenerSet(set) => &set.spec.listeners,
        }
    }

    /// Whether it is this ListenerSet, or else the Gateway.
    pub fn is(&self, listener_set: Option<&NamespacedName>) -> bool {
        match (self, listener_set) {
            (ListenerOwner::Gateway(_), None) => true,
            (ListenerOwner::ListenerSet(set), Some(key)) => {
                set.meta.name == key.name && set.meta.namespace == key.namespace
            }
            _ => false,
        }
    }
}

impl ListenerNode {
    /// What the manifest says of it.
    pub fn spec(&self) -> Option<&Listener> {
        self.owner.listeners().get(self.index)
    }

    /// Its name with that of its ListenerSet, if it stands in one: unique within the Gateway.
    pub fn full_name(&self) -> String {
        match &self.owner {
            ListenerOwner::Gateway(_) => self.name.to_string(),
            ListenerOwner::ListenerSet(set) => format!("{}/{}", set.key(), self.name),
        }
    }
}

/// A listener and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Located<'a> {
    pub owner: &'a ListenerOwner,
    pub listener: &'a Listener,
    pub index: usize,
}

impl Located<'_> {
    /// The path of the listener.
    pub fn pointer(self) -> Pointer {
        Pointer::spec().key("listeners").index(self.index)
    }

    /// Something about a field of the listener.
    pub fn finding(self, code: Code, pointer: Pointer, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.owner.place(pointer), message).about(self.owner.id())
    }
}

/// One of an object's listeners with all that can be said without the others.
pub(crate) fn build(
    owner: &ListenerOwner,
    index: usize,
    frontend: &Frontend,
    build: &mut Build<'_>,
) -> Option<ListenerNode> {
    let listener = owner.listeners().get(index)?;
    let at = Located {
        owner,
        listener,
        index,
    };
    let protocol = match &*listener.protocol {
        "HTTP" => Some(Protocol::Http),
        "HTTPS" => Some(Protocol::Https),
        _ => None,
    };
    let mut refusals = Vec::new();
    if protocol.is_none() {
        refusals.push(unsupported_protocol(at, build));
    }
    let unsupported_filters = unsupported_filters(at, build);
    let mut keeps_requests_out = unsupported_filters.is_some();
    refusals.extend(unsupported_filters);
    let (supported_kinds, mut unresolved) = supported_kinds(at, protocol, build);
    let mut certificates = Vec::new();
    let mut client_validation = None;
    if protocol == Some(Protocol::Https) {
        if let Some(asked) = frontend.of_port(listener.port.get()) {
            client_validation = asked.validation.clone();
            keeps_requests_out |= asked.refuses_clients();
            unresolved.extend(asked.problems.iter().cloned());
            refusals.extend(no_authority(asked));
        }
        certificates = listener_tls::certificates(at, &mut unresolved, build);
    }
    warn_of_missing_selector(at, build);
    Some(ListenerNode {
        name: listener.name.clone(),
        owner: owner.clone(),
        index,
        hostname: listener.hostname.clone(),
        port: listener.port.get(),
        protocol,
        sockets: Vec::new(),
        certificates,
        client_validation,
        supported_kinds,
        attached_routes: 0,
        serving: false,
        refusal: None,
        keeps_requests_out,
        closed_sockets: Vec::new(),
        conditions: conditions(&refusals, &unresolved),
    })
}

fn conditions(refusals: &[Problem], unresolved: &[Problem]) -> Vec<Condition> {
    vec![
        Condition::accepted(refusals, "the listener is accepted"),
        Condition::resolved_refs(unresolved),
    ]
}

/// Without an authority no client could be checked, and none may come in unchecked (API:
/// `FrontendTLSValidation.caCertificateRefs`).
fn no_authority(asked: &ResolvedValidation) -> Option<Problem> {
    let message = "no reference in `tls.frontend` leads to a CA certificate to check clients by";
    let missing = asked.validation.is_none();
    missing.then(|| Problem::new(Reason::NoValidCACertificate, message.to_owned()))
}

fn unsupported_protocol(at: Located<'_>, build: &mut Build<'_>) -> Problem {
    let protocol = &at.listener.protocol;
    let message = format!("protocol `{protocol}` isn't supported; `HTTP` and `HTTPS` are");
    let pointer = at.pointer().key("protocol");
    let mut finding = at.finding(Code::UnsupportedProtocol, pointer, message.clone());
    finding.help = suggest(protocol, ["HTTP", "HTTPS"].into_iter())
        .filter(|_| !matches!(&**protocol, "TLS" | "TCP" | "UDP"));
    build.diagnostics.push(finding);
    Problem::new(Reason::UnsupportedProtocol, message)
}

/// Filters that run before a route is chosen: a listener with one isn't served (GEP-5224), nor is its hostname by listeners
/// with a wider one.
fn unsupported_filters(at: Located<'_>, build: &mut Build<'_>) -> Option<Problem> {
    let filters = at.listener.filters.as_ref()?;
    let first = filters.requests.first()?;
    let kind = first.kind.as_str();
    let message =
        format!("filters of a listener aren't supported yet, but it has one of type {kind}");
    let pointer = at.pointer().key("filters").key("requests");
    let finding = at.finding(Code::UnsupportedListenerFilter, pointer, message.clone());
    build
        .diagnostics
        .push(finding.caption("the listener isn't served, and no other one serves its hostname"));
    Some(Problem::new(Reason::UnsupportedValue, message))
}

/// The kinds that may attach: those of the protocol, or of these the ones that the listener names. A kind
/// that it can't serve is a broken reference (API: `AllowedRoutes.kinds`).
fn supported_kinds(
    at: Located<'_>,
    protocol: Option<Protocol>,
    build: &mut Build<'_>,
) -> (Vec<(String, String)>, Vec<Problem>) {
    let served: &[&str] = match protocol {
        Some(Protocol::Http | Protocol::Https) => HTTP_KINDS,
        None => &[],
    };
    let entry = |kind: &str| (GATEWAY_GROUP.to_owned(), kind.to_owned());
    let allowed = at.listener.allowed_routes.as_ref();
    let wanted = allowed.map_or(&[][..], |allowed| &allowed.kinds);
    if wanted.is_empty() {
        return (served.iter().map(|kind| entry(kind)).collect(), Vec::new());
    }
    let mut kinds = Vec::new();
    let mut problems = Vec::new();
    for (index, RouteGroupKind { group, kind }) in wanted.iter().enumerate() {
        if group == GATEWAY_GROUP && served.contains(&kind.as_str()) {
            if !kinds.contains(&entry(kind)) {
                kinds.push(entry(kind));
            }
            continue;
        }
        let message = format!(
            "a listener with protocol {} can't serve routes of kind `{kind}` (group `{group}`)",
            at.listener.protocol
        );
        let pointer = at.pointer().key("allowedRoutes").key("kinds").index(index);
        let mut finding = at.finding(Code::UnsupportedRouteKind, pointer, message.clone());
        finding.help = suggest(kind, served.iter().copied());
        build.diagnostics.push(finding);
        problems.push(Problem::new(Reason::InvalidRouteKinds, message));
    }
    (kinds, problems)
}

fn warn_of_missing_selector(at: Located<'_>, build: &mut Build<'_>) {
    let Some(allowed) = &at.listener.allowed_routes else {
        return;
    };
    let namespaces = &allowed.namespaces;
    if namespaces.from == FromNamespaces::Selector && namespaces.selector.is_none() {
        let pointer = at.pointer().key("allowedRoutes").key("namespaces");
        let message = "`from: Selector` without a `selector` lets no namespace in";
        let finding = at.finding(Code::MissingSelector, pointer, message);
        build
            .diagnostics
            .push(finding.help("add `selector: {matchLabels: {...}}`, or use `from: All`"));
    }
}
