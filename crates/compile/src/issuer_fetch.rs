//! Compiles what the daemon fetches from issuers.

use super::backend_tls::BackendTlsCache;
use gatefold_dataplane::filter::security::oidc::provider::ProviderConfiguration;
use gatefold_dataplane::filter::security::oidc::token_endpoint::ClientAuthentication;
use gatefold_dataplane::issuer_fetch::{
    FetchTarget, IssuerFetch, IssuerPlace, IssuerServer, IssuerServers, NamedProvider,
    PeerSecurity, ProviderFetch,
};
use gatefold_graph::Graph;
use gatefold_graph::policy::backend_tls::BackendTlsNode;
use gatefold_graph::policy::issuer_backends::{IssuerBackend, IssuerEndpoints};
use gatefold_graph::policy::jwks::{FetchSchedule, JwksSource, RemoteJwksNode};
use gatefold_graph::policy::oidc_providers::{OidcProviderNode, OidcProviderSource};
use std::time::Duration;

/// The time from a successful fetch of a provider's configuration and keys to the next one.
const PROVIDER_REFRESH: Duration = Duration::from_secs(300);

/// What filters need from issuers.
#[derive(Default)]
pub(super) struct FromIssuers {
    /// What has to be fetched.
    pub fetches: Vec<IssuerFetch>,
    /// The providers of which everything is known.
    pub named_providers: Vec<NamedProvider>,
}

/// Compiles what the filters of a graph need.
pub(super) fn compile(graph: &Graph, cache: &mut BackendTlsCache) -> FromIssuers {
    let nodes = graph.remote_jwks.iter();
    let mut all = FromIssuers {
        fetches: nodes
            .map(|(source, node)| keys(source, node, cache))
            .collect(),
        named_providers: Vec::new(),
    };
    for (source, node) in &graph.oidc_providers {
        all.add_provider(source, node, cache);
    }
    all
}

fn keys(source: &JwksSource, node: &RemoteJwksNode, cache: &mut BackendTlsCache) -> IssuerFetch {
    let FetchSchedule {
        refresh,
        retry,
        limits,
    } = node.schedule;
    let servers = IssuerServers {
        services: servers(&source.backends, &node.endpoints, cache),
        authorities: node.authorities.clone(),
    };
    IssuerFetch {
        name: format!("keys {source}").into(),
        place: servers.place(node.uri.clone(), |it| cache.prepare_handshake(it)),
        refresh,
        retry,
        limits,
        target: FetchTarget::Keys(node.keys.clone()),
    }
}

impl FromIssuers {
    /// Adds a provider. Nothing has to be fetched if the policies name the endpoints that logins need, and TLS vouches for the token
    /// endpoint; otherwise ID tokens are verified with the keys of the provider.
    fn add_provider(
        &mut self,
        source: &OidcProviderSource,
        node: &OidcProviderNode,
        cache: &mut BackendTlsCache,
    ) {
        let servers = IssuerServers {
            services: servers(&source.backends, &node.endpoints, cache),
            authorities: node.authorities.clone(),
        };
        let name = format!("provider {source}").into();
        if let (Some(authorization), Some(token)) = (&node.named.authorization, &node.named.token) {
            let token = servers.place(token.clone(), |it| cache.prepare_handshake(it));
            if is_secure(&token) {
                return self.named_providers.push(NamedProvider {
                    name,
                    provider: node.provider.clone(),
                    configuration: ProviderConfiguration {
                        authorization: authorization.clone(),
                        token,
                        limits: node.limits,
                        authentication: ClientAuthentication::default(),
                        end_session: node.named.end_session.clone(),
                        keys: None,
                    },
                });
            }
        }
        // The graph accepts only issuers that are URLs.
        let Some(uri) = node.named.configuration_url() else {
            return;
        };
        self.fetches.push(IssuerFetch {
            name,
            place: servers.place(uri, |it| cache.prepare_handshake(it)),
            refresh: PROVIDER_REFRESH,
            retry: None,
            limits: node.limits,
            target: FetchTarget::Provider(Box::new(ProviderFetch {
                provider: node.provider.clone(),
                named: node.named.clone(),
                servers,
            })),
        });
    }
}

/// Whether only the server itself can answer.
fn is_secure(place: &IssuerPlace) -> bool {
    let mut securities = place.peers.securities();
    securities.all(|security| !matches!(security, PeerSecurity::Plain))
}

/// Compiles the Services of an issuer.
fn servers(
    backends: &[IssuerBackend],
    endpoints: &[IssuerEndpoints],
    cache: &mut BackendTlsCache,
) -> Vec<IssuerServer> {
    const REFUSED: &str = "the BackendTLSPolicy of the Service can't be followed";
    let services = backends.iter().zip(endpoints);
    let services = services.map(|(backend, found)| IssuerServer {
        weight: backend.weight,
        fallback: backend.fallback,
        endpoints: found.addresses.clone(),
        security: match &found.tls {
            // Without a policy for the Service, the URL decides.
            BackendTlsNode::Plain => None,
            BackendTlsNode::Tls(settings) => Some(match cache.one(settings, None) {
                Some(tls) => PeerSecurity::Tls(tls),
                None => PeerSecurity::refused(REFUSED),
            }),
            BackendTlsNode::Refused => Some(PeerSecurity::refused(REFUSED)),
        },
    });
    services.collect()
}
