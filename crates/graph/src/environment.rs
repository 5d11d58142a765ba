//! What a graph depends on besides the manifests, all of it plain data.

use super::gateway::GatewayAddress;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::{SocketKey, Transport};
use gatefold_manifest::PolicyKey;
use gatefold_manifest::api::{NamespacedName, SectionName};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// What a graph depends on besides the manifests.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Only classes with this controller name are ours; all of them when absent.
    pub controller_name: Option<String>,
    /// Kinds of policies that are passed over (`--ignore-policy`).
    pub ignored_policies: Vec<IgnoredPolicy>,
    /// Where Gateways without addresses of their own listen (`--address`): every interface when empty.
    pub addresses: Vec<IpAddr>,
    /// Addresses out of `--address-pool`, for each Gateway that gets some, in the order of its
    /// `spec.addresses` entries without a value (or the one, when it has no `spec.addresses`). A Gateway
    /// that needs one and isn't in here found the pool empty.
    pub pool: Option<BTreeMap<NamespacedName, Vec<IpAddr>>>,
    /// `--port-map`: the manifest's port to the one that is bound.
    pub port_map: BTreeMap<u16, u16>,
    /// Sockets that are bound already and serve the listeners of their name wherever these would listen:
    /// `LISTENER`, `GATEWAY.LISTENER` or `NAMESPACE.GATEWAY.LISTENER`; with a ListenerSet's listener the
    /// ListenerSet stands for the Gateway.
    pub named_sockets: BTreeMap<String, Vec<SocketKey>>,
    /// Whether the paths of requests are normalised, and with them those of matches.
    pub path_normalization: PathNormalization,
    /// The addresses a client on this host or its network can use when a Gateway listens on every
    /// interface; never empty in a running daemon.
    pub reachable: Vec<IpAddr>,
    /// The time, for certificates that are about to expire; without it none is said to be.
    pub now: Option<time::OffsetDateTime>,
    /// The certificates of the authorities that this system trusts, for policies that trust them as well;
    /// looked up only where there are some.
    pub system_authorities: Option<Arc<[CertificateDer<'static>]>>,
    /// Endpoints that don't come from the folder: `--backend`, DNS, the built-in echo backend. By Service
    /// and port; a graph says in `wanted` which ones it lacks. Those of a Service that isn't in the folder may be none: it
    /// exists.
    pub discovered: Arc<BTreeMap<(NamespacedName, u16), Vec<SocketAddr>>>,
}

/// `--ignore-policy KIND` or `KIND.GROUP`: policies that are passed over. What they protect is served without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredPolicy {
    kind: String,
    /// Every group if absent.
    group: Option<String>,
}

impl IgnoredPolicy {
    /// Whether policies of this kind are passed over.
    pub fn matches(&self, policy: &PolicyKey) -> bool {
        let group = self.group.as_ref();
        policy.kind.eq_ignore_ascii_case(&self.kind)
            && group.is_none_or(|group| policy.group.eq_ignore_ascii_case(group))
    }
}

impl FromStr for IgnoredPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, group) = match text.split_once('.') {
            Some((kind, group)) => (kind, Some(group)),
            None => (text, None),
        };
        let word = |text: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
            !text.is_empty() && text.bytes().all(inner)
        };
        if !word(kind) || group.is_some_and(|group| !word(group)) {
            return Err(format!(
                "`{text}` isn't a kind of policy, like SecurityPolicy or SecurityPolicy.gateway.envoyproxy.io"
            ));
        }
        Ok(IgnoredPolicy {
            kind: kind.to_owned(),
            group: group.map(str::to_owned),
        })
    }
}

impl Environment {
    /// The sockets of a listener of `owner` whose Gateway listens on `addresses`: those of its name, by the longest one that
    /// there is, else one an address.
    pub fn sockets(
        &self,
        owner: &NamespacedName,
        listener: &SectionName,
        (port, transport): (u16, Transport),
        addresses: &[GatewayAddress],
    ) -> Vec<SocketKey> {
        if let Some(named) = self.named(owner, listener) {
            let named = named.iter().filter(|it| it.transport == transport);
            return named.copied().collect();
        }
        let port = self.bound_port(port);
        let addresses = addresses.iter();
        addresses
            .map(|address| SocketKey {
                address: SocketAddr::new(address.bind, port),
                transport,
            })
            .collect()
    }

    /// Whether endpoints of a Service come from elsewhere, whether the Service is in the folder or not.
    pub fn has_endpoints(&self, service: &NamespacedName) -> bool {
        let ports = (service.clone(), 0)..=(service.clone(), u16::MAX);
        self.discovered.range(ports).next().is_some()
    }

    fn named(&self, owner: &NamespacedName, listener: &SectionName) -> Option<&Vec<SocketKey>> {
        if self.named_sockets.is_empty() {
            return None;
        }
        let NamespacedName { namespace, name } = owner;
        let of = |key: String| self.named_sockets.get(&key);
        of(format!("{namespace}.{name}.{listener}"))
            .or_else(|| of(format!("{name}.{listener}")))
            .or_else(|| of(listener.to_string()))
    }

    fn bound_port(&self, port: u16) -> u16 {
        self.port_map.get(&port).copied().unwrap_or(port)
    }
}
