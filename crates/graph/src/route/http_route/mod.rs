//! HTTPRoutes: where they attach, and whether they are accepted.

pub(crate) mod http_match;
pub(crate) mod match_advice;
pub(crate) mod match_conditions;
mod path_match;

use crate::backend::endpoints::{ServicePortKey, ServicePorts};
use crate::condition::{Condition, ConditionType, Reason, is_true};
use crate::gateway::GatewayNode;
use crate::gateway::listener_set::ListenerSetNode;
use crate::policy::backend_tls_policy::BackendTlsNode;
use crate::reuse::Before;
use crate::route::http_rule::{self, RuleProblems, Rules};
use crate::route::shadowed::{self, MatchDigest};
use crate::route::{self, Parent, ParentKind, Parents, RouteShape};
use crate::{Build, suggest};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::Resources;
use gatefold_manifest::api::{
    HTTPCORSFilter, HTTPHeaderFilter, HTTPRequestRedirectFilter, HTTPRoute, HTTPRouteMatch,
    HTTPRouteRetry, HTTPRouteTimeouts, HTTPURLRewriteFilter, Hostname, NamespacedName,
    ParentReference, UseDefaultGateways,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// HTTPRoutes by their names.
pub type HttpRouteNodes = BTreeMap<NamespacedName, Arc<HttpRouteNode>>;

/// An HTTPRoute.
#[derive(Debug)]
pub struct HttpRouteNode {
    /// The object.
    pub resource: Arc<HTTPRoute>,
    /// What it attaches to: the parent references that lead to Gateways of ours and their ListenerSets.
    pub parents: Vec<ParentNode>,
    /// Its rules, in the order of the manifest; also those that can't be served.
    pub rules: Vec<RuleNode>,
    /// The listeners that it is accepted by, each once.
    accepted_by: BTreeSet<(NamespacedName, usize)>,
    /// The ports of Services that its references lead to.
    pub(crate) service_ports: Vec<ServicePortKey>,
    /// Its matches, to find equal ones of other routes.
    pub(crate) match_digests: Vec<MatchDigest>,
    /// What is wrong with it.
    pub(crate) findings: Vec<Diagnostic>,
}

impl HttpRouteNode {
    /// Whether it is attached to a listener.
    pub(crate) fn is_attached(&self) -> bool {
        let mut parents = self.parents.iter();
        parents.any(|parent| !parent.attachments.is_empty())
    }
}

/// One parent reference.
#[derive(Debug)]
pub struct ParentNode {
    /// The reference, as it stands in the manifest.
    pub reference: ParentReference,
    /// Its place in `spec.parentRefs`.
    pub index: usize,
    /// The Gateway; with a reference to a ListenerSet that one's.
    pub gateway: NamespacedName,
    /// The controller name to report under.
    pub controller_name: String,
    /// The listeners it is attached to. Also those of a route that isn't accepted because no rule of it is
    /// valid: its rules answer 500.
    pub attachments: Vec<Attachment>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// A listener that a route is attached to.
#[derive(Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The listener's place among all listeners of the Gateway.
    pub listener: usize,
    /// The hostnames in force: those of the route that meet the listener's. Empty: any.
    pub hostnames: Vec<Hostname>,
}

/// A rule.
#[derive(Debug)]
pub struct RuleNode {
    /// The matches that requests are compared with; empty only in a refused rule. Of header matches with one name only
    /// the first is there.
    pub matches: Vec<HTTPRouteMatch>,
    /// The filters.
    pub filters: Vec<FilterNode>,
    /// The backends.
    pub backends: Vec<BackendNode>,
    /// The time limits.
    pub timeouts: Option<HTTPRouteTimeouts>,
    /// When a request is tried again.
    pub retry: Option<HTTPRouteRetry>,
    /// A rule that can't be served as written answers 500 to what it matches.
    pub refused: bool,
}

/// A filter.
#[derive(Debug)]
pub enum FilterNode {
    /// Changes to request headers.
    RequestHeaderModifier(HTTPHeaderFilter),
    /// Changes to response headers.
    ResponseHeaderModifier(HTTPHeaderFilter),
    /// A redirect as the answer; on rules only.
    RequestRedirect(HTTPRequestRedirectFilter),
    /// Changes to the host and path that the backend is asked for.
    UrlRewrite(HTTPURLRewriteFilter),
    /// A copy of the request to another backend.
    RequestMirror(MirrorNode),
    /// What scripts of other origins may do; on rules only.
    Cors(HTTPCORSFilter),
}

/// Where copies of requests go.
#[derive(Debug)]
pub struct MirrorNode {
    /// `namespace/service:port`.
    pub name: String,
    /// What the reference leads to.
    pub target: TargetNode,
    /// How many requests are copied, of how many.
    pub share: (u32, u32),
}

/// A backend reference.
#[derive(Debug)]
pub struct BackendNode {
    /// `namespace/service:port`.
    pub name: String,
    /// Its weight.
    pub weight: u32,
    /// Its filters.
    pub filters: Vec<FilterNode>,
    /// What it leads to.
    pub target: TargetNode,
}

/// What a backend reference leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetNode {
    /// Endpoints; possibly none.
    Service {
        /// The Service and its port.
        service: (NamespacedName, u16),
        /// Ready endpoints, in order, each once. Shared by all references to the Service's port.
        endpoints: Arc<[SocketAddr]>,
        /// The version of HTTP that they speak.
        version: HttpVersion,
        /// Whether they are connected to in TLS.
        tls: BackendTlsNode,
    },
    /// The reference is invalid: its share of the traffic gets 500.
    Invalid,
}

/// Every HTTPRoute, attached to the Gateways, whose counts of attached routes are brought up to date. A node that
/// would be the same as before is the very same.
pub(crate) fn build<'a>(
    gateways: &mut BTreeMap<NamespacedName, GatewayNode>,
    listener_sets: &BTreeMap<NamespacedName, ListenerSetNode>,
    ports: &mut ServicePorts<'a>,
    mut before: Before<'_>,
    build: &mut Build<'a>,
) -> HttpRouteNodes {
    let resources = build.resources;
    let nodes = resources.http_routes.iter().map(|(key, route)| {
        let parents = Parents {
            gateways,
            listener_sets,
        };
        let node = match before.http_route(key, route, &build.protections, ports) {
            Some(same) => same,
            None => Arc::new(node(route, parents, ports, build)),
        };
        build.diagnostics.extend(node.findings.iter().cloned());
        count(&node, gateways);
        (key.clone(), node)
    });
    // They come in order, so this is faster than one insertion after the other.
    nodes.collect()
}

fn node<'a>(
    route: &'a Arc<HTTPRoute>,
    ours: Parents<'_>,
    ports: &mut ServicePorts<'a>,
    build: &mut Build<'a>,
) -> HttpRouteNode {
    let others = build.diagnostics.len();
    let foreign = warn_of_parents(route, ours, build);
    let rules = match foreign {
        // Somebody else's route: nothing of it is our business.
        true => Rules::default(),
        false => http_rule::build(route, ports, build),
    };
    let mut parents = Vec::new();
    for (index, reference) in route.spec.parent_refs.iter().enumerate() {
        if let Some(found) = ours.find(reference, &route.meta.namespace) {
            let reference = (index, reference);
            parents.push(parent(route, reference, &found, &rules.problems, build));
        }
    }
    HttpRouteNode {
        match_digests: shadowed::match_digests(route),
        resource: route.clone(),
        accepted_by: accepted_by(&parents),
        parents,
        rules: rules.nodes,
        service_ports: rules.service_ports,
        findings: build.diagnostics.split_off(others),
    }
}

fn parent(
    route: &HTTPRoute,
    (index, reference): (usize, &ParentReference),
    parent: &Parent<'_>,
    problems: &RuleProblems,
    build: &mut Build<'_>,
) -> ParentNode {
    let shape = RouteShape {
        kind: "HTTPRoute",
        namespace: &route.meta.namespace,
        hostnames: &route.spec.hostnames,
    };
    let attached = route::attach(shape, reference, parent, build.resources);
    let mut conditions = match &attached {
        Ok(attachments) => refusal(attachments, parent).unwrap_or_else(|| problems.accepted()),
        Err(rejection) => {
            let message = rejection.message(reference, parent);
            let pointer = Pointer::spec().key("parentRefs").index(index);
            let place = route.place(pointer);
            let finding = Diagnostic::new(rejection.code(), place, message.clone())
                .about(route.id())
                .label(
                    parent.place(),
                    match parent.listener_set {
                        Some(_) => "the ListenerSet's listeners",
                        None => "the Gateway's listeners",
                    },
                )
                .help(rejection.help(shape, parent));
            build.diagnostics.push(finding);
            vec![Condition::fails(
                ConditionType::Accepted,
                rejection.reason(),
                message,
            )]
        }
    };
    conditions.push(problems.resolved_refs());
    ParentNode {
        reference: reference.clone(),
        index,
        gateway: parent.gateway_key.clone(),
        controller_name: parent.gateway.controller_name.clone(),
        attachments: attached.unwrap_or_default(),
        conditions,
    }
}

/// Returns the condition that the route isn't accepted, if every listener that it is attached to answers 500.
fn refusal(attachments: &[Attachment], parent: &Parent<'_>) -> Option<Vec<Condition>> {
    let listeners = attachments.iter();
    let mut refusals = listeners.map(|attachment| {
        let listener = parent.gateway.listeners.get(attachment.listener)?;
        listener.refusal.as_deref()
    });
    let first = refusals.next().flatten()?;
    if refusals.any(|refusal| refusal.is_none()) {
        return None;
    }
    let message = format!("the listener answers 500: {first}");
    Some(vec![Condition::fails(
        ConditionType::Accepted,
        Reason::UnenforcedPolicy,
        message,
    )])
}

/// Says what is odd about the parents, and whether all of them are somebody else's.
fn warn_of_parents(route: &HTTPRoute, ours: Parents<'_>, build: &mut Build<'_>) -> bool {
    let list = || Pointer::spec().key("parentRefs");
    let scope = route.spec.use_default_gateways;
    if scope == Some(UseDefaultGateways::All) {
        let place = route.place(Pointer::spec().key("useDefaultGateways"));
        let message = "default Gateways aren't supported yet; name the Gateway in `parentRefs`";
        let finding = Diagnostic::new(Code::UnsupportedField, place, message);
        build.diagnostics.push(finding.about(route.id()));
    } else if route.spec.parent_refs.is_empty() {
        let place = route.place(crate::name_pointer());
        let message = "the route names no Gateway in `parentRefs`, so it gets no traffic";
        let finding = Diagnostic::new(Code::NoParent, place, message);
        build.diagnostics.push(finding.about(route.id()));
    }
    let mut foreign = !route.spec.parent_refs.is_empty();
    for (index, reference) in route.spec.parent_refs.iter().enumerate() {
        let pointer = list().index(index);
        let Some((kind, key)) = route::parent_key(reference, &route.meta.namespace) else {
            let message = format!(
                "a parent of kind {} isn't supported; a Gateway or a ListenerSet is",
                reference.kind
            );
            let place = route.place(pointer);
            let finding = Diagnostic::new(Code::UnsupportedParent, place, message);
            build.diagnostics.push(finding.about(route.id()));
            continue;
        };
        if ours.find(reference, &route.meta.namespace).is_some() {
            foreign = false;
        } else if !is_in_folder(kind, &key, build.resources) {
            foreign = false;
            let finding = unknown_parent(route, kind, &key, pointer, build.resources);
            build.diagnostics.push(finding);
        }
    }
    foreign
}

fn is_in_folder(kind: ParentKind, key: &NamespacedName, resources: &Resources) -> bool {
    match kind {
        ParentKind::Gateway => resources.gateways.contains_key(key),
        ParentKind::ListenerSet => resources.listener_sets.contains_key(key),
    }
}

fn unknown_parent(
    route: &HTTPRoute,
    kind: ParentKind,
    key: &NamespacedName,
    pointer: Pointer,
    resources: &Resources,
) -> Diagnostic {
    let (kind, known): (_, Vec<&NamespacedName>) = match kind {
        ParentKind::Gateway => ("Gateway", resources.gateways.keys().collect()),
        ParentKind::ListenerSet => ("ListenerSet", resources.listener_sets.keys().collect()),
    };
    let place = route.place(pointer.key("name"));
    let message = format!("{kind} {key} isn't in the folder");
    let mut finding = Diagnostic::new(Code::UnknownParent, place, message).about(route.id());
    let neighbours = known.iter().filter(|it| it.namespace == key.namespace);
    let near = suggest(&key.name, neighbours.map(|it| &*it.name));
    finding.help = near.or_else(|| {
        let other = known.iter().find(|it| it.name == key.name)?;
        Some(format!(
            "there is one in another namespace: add `namespace: {}`",
            other.namespace
        ))
    });
    finding
}

fn accepted_by(parents: &[ParentNode]) -> BTreeSet<(NamespacedName, usize)> {
    let accepted = |parent: &&ParentNode| is_true(&parent.conditions, ConditionType::Accepted);
    let accepted = parents.iter().filter(accepted);
    accepted
        .flat_map(|p| {
            p.attachments
                .iter()
                .map(|a| (p.gateway.clone(), a.listener))
        })
        .collect()
}

/// Counts an accepted route at each of its listeners (API: `ListenerStatus.attachedRoutes`).
fn count(node: &HttpRouteNode, gateways: &mut BTreeMap<NamespacedName, GatewayNode>) {
    for (key, index) in &node.accepted_by {
        let gateway = gateways.get_mut(key);
        if let Some(listener) = gateway.and_then(|gateway| gateway.listeners.get_mut(*index)) {
            listener.attached_routes += 1;
        }
    }
}
