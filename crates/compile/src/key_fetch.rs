//! Compiles what the daemon fetches for the `jwt` filters.

use super::backend_tls::BackendTlsCache;
use gatefold_dataplane::backend_tls::{BackendHandshake, TrustedAuthorities};
use gatefold_dataplane::key_fetch::{FetchLimits, KeyFetch, KeyPeers, KeyService, PeerSecurity};
use gatefold_graph::Graph;
use gatefold_graph::policy::backend_tls::BackendTlsNode;
use gatefold_graph::policy::jwks::{FetchSchedule, JwksService, JwksSource, RemoteJwksNode};
use http::Uri;
use rustls::pki_types::ServerName;

/// Compiles all fetches of a graph.
pub(super) fn compile(graph: &Graph, cache: &mut BackendTlsCache) -> Vec<KeyFetch> {
    let nodes = graph.remote_jwks.iter();
    let fetches = nodes.map(|(source, node)| fetch(source, node, cache));
    fetches.collect()
}

fn fetch(source: &JwksSource, node: &RemoteJwksNode, cache: &mut BackendTlsCache) -> KeyFetch {
    let FetchSchedule {
        refresh,
        retry,
        connect,
        total,
    } = node.schedule;
    KeyFetch {
        name: source.to_string().into(),
        uri: node.uri.clone(),
        peers: peers(source, node, cache),
        refresh,
        retry,
        limits: FetchLimits { connect, total },
        keys: node.keys.clone(),
    }
}

fn peers(source: &JwksSource, node: &RemoteJwksNode, cache: &mut BackendTlsCache) -> KeyPeers {
    if source.services.is_empty() {
        return KeyPeers::Host(of_url(node, cache));
    }
    let services = source.services.iter().zip(&node.endpoints);
    let services = services.map(|(service, found)| {
        let JwksService {
            port: _,
            weight,
            fallback,
        } = service;
        KeyService {
            weight: *weight,
            fallback: *fallback,
            endpoints: found.addresses.clone(),
            security: match &found.tls {
                // Without a policy for the Service, the URL decides.
                BackendTlsNode::Plain => of_url(node, cache),
                BackendTlsNode::Tls(settings) => match cache.one(settings, None) {
                    Some(tls) => PeerSecurity::Tls(tls),
                    None => refused("the BackendTLSPolicy of the Service can't be followed"),
                },
                BackendTlsNode::Refused => {
                    refused("the BackendTLSPolicy of the Service can't be followed")
                }
            },
        }
    });
    KeyPeers::Services(services.collect())
}

/// How the URL says that a connection is secured: for `https`, by a certificate for its host that an authority of the system has
/// signed.
fn of_url(node: &RemoteJwksNode, cache: &mut BackendTlsCache) -> PeerSecurity {
    if node.uri.scheme_str() != Some("https") {
        return PeerSecurity::Plain;
    }
    let authorities = node.authorities.as_ref().filter(|found| !found.is_empty());
    let Some(authorities) = authorities else {
        return refused("this system has no CA certificates (package ca-certificates)");
    };
    let Some(server_name) = server_name(&node.uri) else {
        return refused("the host of the URL can't be a server name in TLS");
    };
    let handshake = BackendHandshake {
        server_name,
        authorities: TrustedAuthorities::System(authorities.clone()),
        names: [].into(),
        identity: None,
    };
    match cache.prepare_handshake(handshake) {
        Some(tls) => PeerSecurity::Tls(tls),
        None => refused("an authority of the system can't be trusted"),
    }
}

fn refused(why: &str) -> PeerSecurity {
    PeerSecurity::Refused(why.into())
}

/// The host of a URL as a name that certificates have. An IPv6 address is in brackets in a URL.
fn server_name(uri: &Uri) -> Option<ServerName<'static>> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}
