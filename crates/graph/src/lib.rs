//! Build: resources become a [`Graph`], in which every object knows whether it is valid and why not.
//!
//! In: [`Resources`] and an [`Environment`]. Out: a node an object, with its conditions, its attachments
//! and what its references lead to; configuration and status are both plain readings of it. Never here:
//! files, sockets, the clock, Pingora. Every check runs; none hides another.

mod address;
mod app_protocol;
mod backend_ref;
pub mod backend_tls_policy;
pub mod ca_certificates;
pub mod certificate;
pub mod client_certificate;
pub mod client_validation;
pub mod condition;
mod endpoints;
pub mod environment;
mod filter;
mod filter_advice;
pub mod gateway;
pub mod gateway_class;
pub mod hostname;
mod http_match;
pub mod http_route;
mod http_rule;
mod key_kind;
mod last_good;
pub mod listener;
mod listener_conflict;
pub mod listener_set;
mod listener_tls;
mod match_advice;
mod match_conditions;
pub mod ordered;
mod path_match;
mod pem;
mod policy_target;
mod protection;
pub mod reference_grant;
mod reuse;
mod route;
mod served_elsewhere;
mod shadowed;
mod unread_policy;

pub use endpoints::ServicePortKey;
pub use environment::Environment;
pub use protection::UNENFORCED_POLICY;

use backend_tls_policy::{BackendTlsPolicyNode, Policies};
use endpoints::ServicePortNodes;
use gatefold_diagnostic::did_you_mean;
use gatefold_diagnostic::{Diagnostic, Document, Place, Pointer};
use gatefold_manifest::Resources;
use gatefold_manifest::api::NamespacedName;
use gateway::GatewayNode;
use gateway_class::GatewayClassNode;
use http_route::HttpRouteNodes;
use last_good::LastGood;
use listener_set::ListenerSetNode;
use protection::Protections;
use reference_grant::ReferenceGrants;
use reuse::{Basis, Before};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use unread_policy::Served;

/// Every object with what was found out about it.
#[derive(Debug, Default)]
pub struct Graph {
    /// The names under which gatefold reports statuses: entries with other names aren't ours.
    pub controller_names: BTreeSet<String>,
    /// The GatewayClasses that are ours.
    pub gateway_classes: BTreeMap<String, GatewayClassNode>,
    /// The Gateways that are ours.
    pub gateways: BTreeMap<NamespacedName, GatewayNode>,
    /// The ListenerSets of these Gateways.
    pub listener_sets: BTreeMap<NamespacedName, ListenerSetNode>,
    /// Every HTTPRoute. One that names no Gateway of ours has no parents, and isn't served.
    pub http_routes: Arc<HttpRouteNodes>,
    /// Every BackendTLSPolicy.
    pub backend_tls_policies: BTreeMap<NamespacedName, BackendTlsPolicyNode>,
    /// Services and ports that routes use and for which the folder has no endpoints, whether the environment
    /// has some or not; with the DNS name to ask (an `ExternalName`'s target, else `name.namespace` and its
    /// kin). The reload looks them up, and builds again when it found others than before.
    pub wanted: BTreeMap<(NamespacedName, u16), Wanted>,
    /// What is wrong, besides what the loader found. Ordered by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// The ports of Services that routes refer to.
    service_ports: ServicePortNodes,
    /// What it was built of.
    basis: Basis,
    /// The certificates that the next graph keeps if it can't use their objects.
    last_good: LastGood,
}

impl Graph {
    /// Warnings about routes that are served as written, but get no traffic somewhere. This reads every route, so call it
    /// once the graph is in force.
    pub fn advice(&self) -> Vec<Diagnostic> {
        let mut found = self.shadowed_matches();
        found.extend(self.hostnames_served_elsewhere());
        found.sort_by(|left, right| order(left).cmp(&order(right)));
        found
    }

    /// Whether a route refers to this port of a Service.
    pub fn has_service_port(&self, key: &ServicePortKey) -> bool {
        self.service_ports.contains_key(key)
    }

    /// Whether a certificate of the graph before stays in force because the content of its Secret or ConfigMap can't be
    /// used.
    pub fn keeps_last_good(&self) -> bool {
        self.last_good.is_used
    }

    /// A graph without objects that has this one's last good certificates: a graph that is built after it has them, and
    /// all else anew.
    pub fn only_last_good(&self) -> Graph {
        Graph {
            last_good: self.last_good.clone(),
            ..Graph::default()
        }
    }
}

/// A Service's port that has no endpoints in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The target of an `ExternalName`; nothing for the Service's own name.
    pub external_name: Option<String>,
    /// The port to use with an address that DNS gives.
    pub port: u16,
}

/// What all parts of the stage share.
struct Build<'a> {
    resources: &'a Resources,
    environment: &'a Environment,
    grants: ReferenceGrants<'a>,
    policies: Policies<'a>,
    protections: Arc<Protections>,
    diagnostics: Vec<Diagnostic>,
    /// What the graph before has.
    before: &'a LastGood,
    /// What this graph has.
    last_good: LastGood,
}

/// Builds the graph. Depends on nothing but its arguments; the same ones give the same graph.
pub fn build(resources: &Resources, environment: &Environment) -> Graph {
    build_after(&Graph::default(), resources, environment)
}

/// The same graph, built with what still holds of the previous one: a route keeps its node if neither it nor anything that it
/// depends on has changed. If the content of a Secret or ConfigMap can't be used, the certificates of the previous graph stay
/// in force.
pub fn build_after(previous: &Graph, resources: &Resources, environment: &Environment) -> Graph {
    let mut build = Build {
        resources,
        environment,
        grants: ReferenceGrants::index(resources),
        policies: Policies::default(),
        protections: Arc::default(),
        diagnostics: Vec::new(),
        before: &previous.last_good,
        last_good: LastGood::default(),
    };
    let (unread_policies, protections) = unread_policy::read(&build);
    build.protections = Arc::new(protections);
    let gateway_classes = gateway_class::build(&mut build);
    let (mut gateways, listener_sets) = gateway::build(&mut build);
    build.policies = backend_tls_policy::read(resources, &mut build);
    let basis = Basis::of(resources, environment, build.protections.clone());
    let before = Before::new(previous, &basis);
    let mut ports = before.service_ports(resources, environment);
    let http_routes = http_route::build(
        &mut gateways,
        &listener_sets,
        &mut ports,
        before,
        &mut build,
    );
    let served = Served {
        gateways: &gateways,
        listener_sets: &listener_sets,
        http_routes: &http_routes,
    };
    unread_policies.report(&served, &mut build);
    let backend_tls_policies = build.policies.finish(&http_routes);
    let service_ports = ports.used(http_routes.values().flat_map(|it| &it.service_ports));
    let mut diagnostics = build.diagnostics;
    let mut wanted = BTreeMap::new();
    for (key, node) in &service_ports {
        diagnostics.extend(node.findings.iter().cloned());
        wanted.extend(node.wanted.clone().map(|found| (key.clone(), found)));
    }
    diagnostics.sort_by(|left, right| order(left).cmp(&order(right)));
    Graph {
        controller_names: gateway_class::controller_names(resources, environment),
        gateway_classes,
        gateways,
        listener_sets,
        http_routes: http_routes.into(),
        backend_tls_policies,
        wanted,
        diagnostics,
        service_ports,
        basis,
        last_good: build.last_good,
    }
}

/// By file, then by object, then by field. Finding the very line would take parsing the file again.
fn order(diagnostic: &Diagnostic) -> impl Ord + '_ {
    let field = match &diagnostic.place {
        Place::Field { document, pointer } => Some((object(document), pointer)),
        Place::Nowhere | Place::File(_) | Place::Bytes { .. } => None,
    };
    (field, diagnostic.code, &diagnostic.message)
}

fn object(document: &Document) -> impl Ord + '_ {
    (&document.source.path, document.bytes.start, document.item)
}

/// "did you mean `http`?", when one of the names that are there is near.
fn suggest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    did_you_mean(word, &known)
}

/// The names of a namespace's objects.
fn names_in<'r, T>(
    objects: &'r BTreeMap<NamespacedName, T>,
    namespace: &str,
) -> impl Iterator<Item = &'r str> {
    objects
        .range(NamespacedName::new(namespace, "")..)
        .take_while(move |(key, _)| &*key.namespace == namespace)
        .map(|(key, _)| &*key.name)
}

/// Names for a sentence: `a`, `b`.
fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// `metadata.name`, where an object is pointed at as a whole.
fn name_pointer() -> Pointer {
    Pointer::root().key("metadata").key("name")
}
