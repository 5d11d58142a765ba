//! OpenID providers of SecurityPolicies.
//!
//! In: the `oidc` settings of the evaluated policies. Out: a node for each provider, with the endpoints to connect to. Policies that
//! name the same provider share what is known of it, and so do the nodes of successive graphs. Fetching is up to the daemon.

use super::issuer_backends::{self, IssuerBackend, IssuerEndpoints};
use crate::Build;
use crate::backend::endpoints::{ServicePortKey, ServicePorts};
use gatefold_dataplane::filter::security::oidc::provider::{NamedEndpoints, RemoteProvider};
use gatefold_dataplane::issuer_fetch::FetchLimits;
use gatefold_diagnostic::{Place, ResourceId};
use rustls_pki_types::CertificateDer;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A provider as policies name it. Equal ones are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OidcProviderSource {
    /// The issuer.
    pub issuer: String,
    /// API: `authorizationEndpoint`.
    pub authorization: Option<String>,
    /// API: `tokenEndpoint`.
    pub token: Option<String>,
    /// API: `endSessionEndpoint`.
    pub end_session: Option<String>,
    /// The Services to connect to. Empty for the hosts of the URLs.
    pub backends: Vec<IssuerBackend>,
}

/// A provider, and how to connect to it. If policies differ in the times, the shortest are used.
#[derive(Clone, Debug)]
pub struct OidcProviderNode {
    /// The endpoints that the policies name.
    pub named: NamedEndpoints,
    /// What is known of the provider, which the daemon puts there.
    pub provider: Arc<RemoteProvider>,
    /// The time limits of requests to the provider (API: `backendSettings.timeout`).
    pub limits: FetchLimits,
    /// The endpoints of each Service of the source.
    pub endpoints: Vec<IssuerEndpoints>,
    /// The authorities that the system trusts. `None` if it has none.
    pub authorities: Option<Arc<[CertificateDer<'static>]>>,
    /// Where policies name the provider.
    pub named_at: Vec<(Place, ResourceId)>,
}

impl OidcProviderSource {
    /// Returns the ports of its Services.
    pub fn service_ports(&self) -> impl Iterator<Item = &ServicePortKey> {
        self.backends.iter().map(|backend| &backend.port)
    }
}

/// The issuer, what policies say of it, and the Services if there are any.
impl fmt::Display for OidcProviderSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.issuer)?;
        for (name, url) in [
            ("login", &self.authorization),
            ("tokens", &self.token),
            ("logout", &self.end_session),
        ] {
            if let Some(url) = url {
                write!(f, ", {name} {url}")?;
            }
        }
        issuer_backends::write(&self.backends, f)
    }
}

/// The providers that the policies of a graph need. Collected while policies are evaluated.
#[derive(Default)]
pub(super) struct OidcProviders<'a> {
    before: Option<&'a BTreeMap<OidcProviderSource, OidcProviderNode>>,
    found: RefCell<BTreeMap<OidcProviderSource, OidcProviderNode>>,
}

impl<'a> OidcProviders<'a> {
    /// Continues with the providers of the previous graph.
    pub(super) fn after(before: &'a BTreeMap<OidcProviderSource, OidcProviderNode>) -> Self {
        OidcProviders {
            before: Some(before),
            found: RefCell::default(),
        }
    }

    /// Adds the provider of a policy, and returns where it will be known.
    pub(super) fn add(
        &self,
        source: OidcProviderSource,
        (named, limits): (NamedEndpoints, FetchLimits),
        named_at: (Place, ResourceId),
    ) -> Arc<RemoteProvider> {
        let before = self.before.and_then(|before| before.get(&source));
        let mut found = self.found.borrow_mut();
        let node = found.entry(source).or_insert_with(|| OidcProviderNode {
            named,
            provider: before.map(|it| it.provider.clone()).unwrap_or_default(),
            limits,
            endpoints: Vec::new(),
            authorities: None,
            named_at: Vec::new(),
        });
        node.limits = node.limits.shorter(limits);
        if !node.named_at.contains(&named_at) {
            node.named_at.push(named_at);
        }
        node.provider.clone()
    }

    pub(super) fn take(&self) -> BTreeMap<OidcProviderSource, OidcProviderNode> {
        self.found.take()
    }
}

/// Returns the providers that the policies need, with the endpoints to connect to. Policies must have been evaluated.
pub(crate) fn resolve<'a>(
    ports: &mut ServicePorts<'a>,
    build: &Build<'a>,
) -> BTreeMap<OidcProviderSource, OidcProviderNode> {
    let mut nodes = build.security.take_oidc_providers();
    for (source, node) in &mut nodes {
        node.endpoints = issuer_backends::endpoints(&source.backends, ports, build);
        node.authorities = build.environment.system_authorities.clone();
    }
    nodes
}
