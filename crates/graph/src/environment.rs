//! The inputs of a graph besides the manifests, as plain data.
//!
//! The daemon fills an [`Environment`] from its command line, DNS and the system; the graph only reads it.

use super::backend::endpoints::ServicePortKey;
use super::gateway::GatewayAddress;
use super::stand_in::StandIns;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::{SocketKey, Transport};
use gatefold_manifest::PolicyKey;
use gatefold_manifest::api::{NamespacedName, SectionName};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// The inputs of a graph besides the manifests.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// GatewayClasses with this controller name are gatefold's. `None` if all of them are.
    pub controller_name: Option<String>,
    /// Kinds of policies that are ignored (`--ignore-policy`).
    pub ignored_policies: Vec<IgnoredPolicy>,
    /// The addresses of Gateways without `spec.addresses` (`--address`). If empty, they listen on every interface.
    pub addresses: Vec<IpAddr>,
    /// Addresses assigned from `--address-pool`, by Gateway, in the order of its `spec.addresses` entries without a value
    /// (a single one if it has no `spec.addresses`). If a Gateway needs an address and isn't in here, the pool was empty.
    /// `None` without a pool.
    pub pool: Option<BTreeMap<NamespacedName, Vec<IpAddr>>>,
    /// `--port-map`: the port to bind for a port of the manifest.
    pub port_map: BTreeMap<u16, u16>,
    /// Sockets that are already bound, by the listener they serve: `LISTENER`, `GATEWAY.LISTENER` or
    /// `NAMESPACE.GATEWAY.LISTENER`. For a listener of a ListenerSet, the ListenerSet's name replaces the Gateway's. They
    /// replace the addresses and the port of the listener.
    pub named_sockets: BTreeMap<String, Vec<SocketKey>>,
    /// How the paths of requests and of matches are normalised.
    pub path_normalization: PathNormalization,
    /// The addresses that a client on this host or its network can use if a Gateway listens on every interface. Never empty
    /// in a running daemon.
    pub reachable: Vec<IpAddr>,
    /// The current time, for the validity of certificates. `None` if it isn't checked.
    pub now: Option<time::OffsetDateTime>,
    /// The CA certificates that this system trusts, for policies that trust them (`wellKnownCACertificates: System`). `None`
    /// if the system has none, or no policy needs them.
    pub system_authorities: Option<Arc<[CertificateDer<'static>]>>,
    /// Endpoints from outside the folder (`--backend`, DNS, the echo backend), by Service and port. A graph lists in `wanted`
    /// the ports that it needs. A Service that isn't in the folder exists if it is in here, even with an empty list.
    pub discovered: Arc<BTreeMap<(NamespacedName, u16), Vec<SocketAddr>>>,
    /// Stand-ins for objects that the folder lacks.
    pub stand_ins: StandIns,
}

/// `--ignore-policy KIND` or `KIND.GROUP`: policies that are ignored. The objects they protect are served without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredPolicy {
    kind: String,
    /// The group. `None` for every group.
    group: Option<String>,
}

impl IgnoredPolicy {
    /// Whether a policy is ignored.
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
                "`{text}` isn't a kind of policy such as SecurityPolicy or SecurityPolicy.gateway.envoyproxy.io"
            ));
        }
        Ok(IgnoredPolicy {
            kind: kind.to_owned(),
            group: group.map(str::to_owned),
        })
    }
}

impl Environment {
    /// Returns the sockets of a listener of `owner` whose Gateway listens on `addresses`: the named sockets with the most
    /// specific name of the listener, or else one socket for each address.
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

    /// Whether the environment has endpoints of a Service.
    pub fn has_endpoints(&self, service: &NamespacedName) -> bool {
        let ports = (service.clone(), 0)..=(service.clone(), u16::MAX);
        self.discovered.range(ports).next().is_some()
    }

    /// Whether a port of a Service exists that isn't in the folder.
    pub(crate) fn has_service(&self, key: &ServicePortKey) -> bool {
        self.discovered.contains_key(key) || self.stand_ins.services.contain(&key.0)
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
