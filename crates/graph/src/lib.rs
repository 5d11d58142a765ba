//! Build: resources become a [`Graph`], in which every object knows whether it is valid and why not.
//!
//! In: [`Resources`] and an [`Environment`]. Out: a node for each object, with its conditions, its attachments and the
//! targets of its references. The configuration and the status are both plain readings of the graph. This crate never
//! touches files, sockets, the clock or Pingora. Every check runs; no problem hides another.

mod address;
mod backend;
pub mod certificate;
pub mod condition;
mod dead_escape;
pub mod environment;
pub mod gateway;
mod hostname;
pub mod listener;
mod namespace_labels;
pub mod ordered;
pub mod parameters;
pub mod policy;
mod reference;
mod reported_object;
mod reuse;
pub mod route;
pub mod stand_in;

pub use backend::endpoints::ServicePortKey;
pub use environment::Environment;

use backend::endpoints::ServicePortNodes;
use certificate::LoadedCertificates;
use environment::AddressSharing;
use gatefold_dataplane::SocketKey;
use gatefold_dataplane::client_traffic::socket_settings::SocketSettings;
use gatefold_diagnostic::did_you_mean;
use gatefold_diagnostic::{Diagnostic, Document, Place, Pointer};
use gatefold_manifest::Resources;
use gatefold_manifest::api::{ClientTrafficPolicySpec, NamespacedName, SecurityPolicySpec};
use gateway::{GatewayClassNodes, GatewayNodes, ListenerSetNodes};
use listener::{ListenerId, ListenerNode};
use parameters::EnvoyProxyNodes;
use policy::Ancestors;
use policy::backend_tls_policy::{self, BackendTlsPolicies, BackendTlsPolicyNode};
use policy::client_traffic_policy::ClientTrafficPolicies;
use policy::jwks::{self, JwksSource, RemoteJwksNode};
use policy::kept_credentials::CredentialsInForce;
use policy::layered;
use policy::layered_status::{self, LayeredPolicyNodes, StatusInputs};
use policy::oidc_providers::{self, OidcProviderNode, OidcProviderSource};
use policy::protection::Protections;
use policy::security_policy::SecurityPolicies;
use policy::unread_policy;
use reference::ReferenceGrants;
use reuse::{Basis, Before};
use route::{RouteBuilder, Routes, UnservedRoute};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every object with its validity, its conditions and its connections to others.
#[derive(Debug, Default)]
pub struct Graph {
    /// The names under which gatefold reports statuses. Entries with other names belong to other controllers.
    pub controller_names: BTreeSet<String>,
    /// The GatewayClasses that gatefold serves.
    pub gateway_classes: GatewayClassNodes,
    /// The Gateways that gatefold serves.
    pub gateways: GatewayNodes,
    /// The ListenerSets of these Gateways.
    pub listener_sets: ListenerSetNodes,
    /// Every route.
    pub routes: Routes,
    /// Routes of kinds that gatefold doesn't read yet, and that one of these Gateways would carry.
    pub unserved_routes: Vec<UnservedRoute>,
    /// Every BackendTLSPolicy.
    pub backend_tls_policies: BTreeMap<NamespacedName, BackendTlsPolicyNode>,
    /// Every SecurityPolicy, except for those that the command line ignores.
    pub security_policies: LayeredPolicyNodes<SecurityPolicySpec>,
    /// How connections are treated, by socket. A socket without settings isn't here.
    pub socket_settings: BTreeMap<SocketKey, Arc<SocketSettings>>,
    /// Every ClientTrafficPolicy, except for those that the command line ignores.
    pub client_traffic_policies: LayeredPolicyNodes<ClientTrafficPolicySpec>,
    /// The ports of Services that routes use and for which the folder has no endpoints, whether the environment has some or
    /// not, with the DNS name to resolve (the target of an `ExternalName`, or `name.namespace` and similar names). The reload
    /// resolves them, and rebuilds the graph if the result has changed.
    pub wanted: BTreeMap<ServicePortKey, Wanted>,
    /// The Secrets that HTTPS listeners refer to and that the folder lacks, if they may have stand-ins, with the names that clients
    /// use: the hostnames of the listeners and of their routes. A wildcard covers one label. The reload issues the certificates,
    /// and rebuilds the graph if there are new ones.
    pub wanted_certificates: BTreeMap<NamespacedName, BTreeSet<String>>,
    /// The keys of issuers to fetch for SecurityPolicies. Nodes of equal sources in successive graphs have the same keys.
    pub remote_jwks: BTreeMap<JwksSource, RemoteJwksNode>,
    /// The OpenID providers of SecurityPolicies. Nodes of equal sources in successive graphs share what is known of the provider.
    pub oidc_providers: BTreeMap<OidcProviderSource, OidcProviderNode>,
    /// The problems, except for those that the loader found. Ordered by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// The ports of Services that routes refer to.
    service_ports: ServicePortNodes,
    /// Whether its Gateways share the ports of every interface.
    sharing: AddressSharing,
    /// The inputs that it was built from.
    basis: Basis,
    /// The certificates. The next graph keeps one if its object is the same, or has become invalid.
    certificates: LoadedCertificates,
    /// The Secrets and ConfigMaps with credentials. The next graph keeps one whose content has become invalid.
    credentials: CredentialsInForce,
    /// The EnvoyProxies that are in use. The next graph keeps the access logs of one that has a mistake.
    envoy_proxies: EnvoyProxyNodes,
}

impl Graph {
    /// Returns warnings about routes that are served as written, but whose matches or hostnames receive no traffic. This reads
    /// every route, so call it after the graph has been published.
    pub fn advice(&self) -> Vec<Diagnostic> {
        let mut found = self.routes.advice(&self.gateways, self.sharing);
        found.sort_by(|left, right| order(left).cmp(&order(right)));
        found
    }

    /// Returns all listeners of the Gateways that gatefold serves.
    pub fn listeners(&self) -> impl Iterator<Item = (ListenerId, &ListenerNode)> {
        gateway::listeners(&self.gateways)
    }

    /// Whether a route refers to this port of a Service.
    pub fn has_service_port(&self, key: &ServicePortKey) -> bool {
        self.service_ports.contains_key(key)
    }

    /// Whether a certificate or a credential of the previous graph stays in use because its Secret or ConfigMap has become invalid.
    pub fn keeps_last_good(&self) -> bool {
        self.certificates.keep_last_good() || self.credentials.keep_last_good()
    }

    /// Returns a graph without objects that has this graph's last good certificates, credentials and fetched keys. A graph that is built after
    /// it reuses only these.
    pub fn only_last_good(&self) -> Graph {
        Graph {
            certificates: self.certificates.without_objects(),
            remote_jwks: self.remote_jwks.clone(),
            oidc_providers: self.oidc_providers.clone(),
            credentials: self.credentials.clone(),
            envoy_proxies: self.envoy_proxies.clone(),
            ..Graph::default()
        }
    }
}

/// A Service's port that has no endpoints in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The target of an `ExternalName`. `None` to resolve the Service's own name.
    pub external_name: Option<String>,
    /// The port to use with an address from DNS.
    pub port: u16,
    /// The names of the certificate that the endpoint must present, if a BackendTLSPolicy demands TLS: the policy's hostname, or
    /// its `subjectAltNames`. `None` in plain text.
    pub tls: Option<Arc<[String]>>,
}

/// The state that all parts of the build share.
struct Build<'a> {
    resources: &'a Resources,
    environment: &'a Environment,
    grants: ReferenceGrants<'a>,
    policies: BackendTlsPolicies<'a>,
    security: SecurityPolicies<'a>,
    protections: Arc<Protections>,
    diagnostics: Vec<Diagnostic>,
    /// The certificates of the previous graph.
    certificates_before: &'a LoadedCertificates,
    /// The certificates of this graph.
    certificates: LoadedCertificates,
    /// The EnvoyProxies of the previous graph.
    envoy_proxies_before: &'a EnvoyProxyNodes,
    /// The EnvoyProxies of this graph.
    envoy_proxies: EnvoyProxyNodes,
}

/// Builds the graph. This is a pure function of its arguments.
pub fn build(resources: &Resources, environment: &Environment) -> Graph {
    build_after(&Graph::default(), resources, environment)
}

/// Builds the same graph as [`build`], but reuses nodes of the previous one: a route keeps its node if neither it nor anything
/// that it depends on has changed. If a Secret or ConfigMap has become invalid, its last good content stays in use, and so do
/// the access logs of an EnvoyProxy.
pub fn build_after(previous: &Graph, resources: &Resources, environment: &Environment) -> Graph {
    let mut build = Build {
        resources,
        environment,
        grants: ReferenceGrants::index(resources),
        policies: BackendTlsPolicies::default(),
        security: SecurityPolicies::default(),
        protections: Arc::default(),
        diagnostics: Vec::new(),
        certificates_before: &previous.certificates,
        certificates: LoadedCertificates::default(),
        envoy_proxies_before: &previous.envoy_proxies,
        envoy_proxies: EnvoyProxyNodes::default(),
    };
    let (unread_policies, mut protections) = unread_policy::read(&build);
    let client_traffic = layered::attach(&mut protections, &mut build);
    let client_traffic = ClientTrafficPolicies::new(client_traffic, &mut protections, &mut build);
    let attached = layered::attach(&mut protections, &mut build);
    build.security = SecurityPolicies::new(
        attached,
        client_traffic,
        (&previous.remote_jwks, &previous.oidc_providers),
        &previous.credentials,
    );
    build.protections = Arc::new(protections);
    let gateway_classes = gateway::build_classes(&mut build);
    let (mut gateways, listener_sets) = gateway::build(&mut build);
    let unserved_routes = route::unread_route::report(&gateways, &listener_sets, &mut build);
    build.policies = backend_tls_policy::read(&mut build);
    let basis = Basis::of(resources, environment, build.protections.clone());
    let before = Before::new(previous, &basis);
    let mut ports = before.service_ports(resources, environment);
    let builder = RouteBuilder {
        gateways: &mut gateways,
        listener_sets: &listener_sets,
        ports: &mut ports,
        before,
        build: &mut build,
    };
    let routes = Routes::build(&previous.routes, builder);
    let ancestors = Ancestors::new(&gateways, &listener_sets, &routes);
    unread_policies.report(&ancestors, &mut build);
    let inputs = StatusInputs {
        resources,
        gateways: &gateways,
        listener_sets: &listener_sets,
        routes: &routes,
    };
    let client_traffic_policies = layered_status::client_traffic_policies(inputs, &mut build);
    let security_policies = layered_status::security_policies(inputs, &mut ports, &mut build);
    let remote_jwks = jwks::resolve(&mut ports, &build);
    let oidc_providers = oidc_providers::resolve(&mut ports, &build);
    let of_routes = routes.iter().flat_map(|it| it.service_ports());
    let of_keys = remote_jwks.keys().flat_map(JwksSource::service_ports);
    let of_providers = oidc_providers
        .keys()
        .flat_map(OidcProviderSource::service_ports);
    let of_policies = build.security.service_ports();
    let of_issuers = of_keys.chain(of_providers);
    let service_ports = ports.used(of_routes.chain(of_issuers).chain(&of_policies));
    let wanted = wanted(&service_ports, &build.policies);
    let backend_tls_policies = build.policies.finish(&ancestors);
    let credentials = build.security.take_credentials();
    Graph {
        controller_names: gateway::controller_names(resources, environment),
        gateway_classes,
        wanted_certificates: certificate::wanted_certificates(&gateways, &routes),
        gateways,
        listener_sets,
        routes,
        unserved_routes,
        backend_tls_policies,
        security_policies,
        socket_settings: build.security.client_traffic.sockets.settings,
        client_traffic_policies,
        wanted,
        remote_jwks,
        oidc_providers,
        diagnostics: ordered_diagnostics(build.diagnostics, &service_ports),
        service_ports,
        sharing: environment.sharing,
        basis,
        credentials,
        certificates: build.certificates,
        envoy_proxies: build.envoy_proxies,
    }
}

fn wanted(
    ports: &ServicePortNodes,
    policies: &BackendTlsPolicies<'_>,
) -> BTreeMap<ServicePortKey, Wanted> {
    let wanted = ports.iter().filter_map(|(key, node)| {
        let wanted = Wanted {
            tls: policies.certificate_names(&key.0, node.port_name()),
            ..node.wanted.clone()?
        };
        Some((key.clone(), wanted))
    });
    wanted.collect()
}

fn ordered_diagnostics(mut all: Vec<Diagnostic>, ports: &ServicePortNodes) -> Vec<Diagnostic> {
    let findings = ports.values().flat_map(|node| &node.findings);
    all.extend(findings.cloned());
    all.sort_by(|left, right| order(left).cmp(&order(right)));
    all
}

/// Orders diagnostics by file, then by object, then by field. The exact line would require parsing the file again.
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

/// Returns a suggestion like "did you mean `http`?" if a known name is similar to `word`.
fn suggest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let known: Vec<&str> = known.collect();
    did_you_mean(word, &known)
}

/// Returns the names of the objects in a namespace.
fn names_in<'r, T>(
    objects: &'r BTreeMap<NamespacedName, T>,
    namespace: &str,
) -> impl Iterator<Item = &'r str> {
    objects
        .range(NamespacedName::new(namespace, "")..)
        .take_while(move |(key, _)| &*key.namespace == namespace)
        .map(|(key, _)| &*key.name)
}

/// Joins names for a sentence: `a`, `b`.
fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Returns the path of `metadata.name`, where diagnostics about the whole object point to.
fn name_pointer() -> Pointer {
    Pointer::root().key("metadata").key("name")
}
