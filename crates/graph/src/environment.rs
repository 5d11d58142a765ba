//! The inputs of a graph besides the manifests, as plain data.
//!
//! The daemon fills an [`Environment`] from its command line, DNS and the system; the graph only reads it.

use super::backend::endpoints::ServicePortKey;
use super::gateway::GatewayAddress;
use super::stand_in::StandIns;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::{SocketKey, Transport};
use gatefold_manifest::api::{NamespacedName, SectionName};
use gatefold_manifest::{Kind, PolicyKey};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
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
    /// The addresses of single Gateways (`--address NS/GATEWAY=IP`). They replace the Gateway's `spec.addresses`, and take
    /// precedence over `pool` and `addresses`.
    pub gateway_addresses: GatewayAddresses,
    /// What `spec.addresses` mean.
    pub spec_addresses: SpecAddresses,
    /// Whether Gateways that listen on every interface share its ports.
    pub sharing: AddressSharing,
    /// Addresses assigned from `--address-pool`, by Gateway, in the order of its `spec.addresses` entries without a value
    /// (a single one if it has no `spec.addresses`). If a Gateway needs an address and isn't in here, the pool was empty.
    /// `None` without a pool.
    pub pool: Option<BTreeMap<NamespacedName, Vec<IpAddr>>>,
    /// `--port-map`: the port to bind for a port of the manifest.
    pub port_map: BTreeMap<u16, u16>,
    /// The port to bind for a Gateway and a port of its manifest or its ListenerSets' manifests. It takes precedence over
    /// `port_map`, which must be applied already. Empty unless Gateways get ports of their own.
    pub gateway_ports: GatewayPorts,
    /// Sockets that are already bound, by the listener they serve: `LISTENER`, `GATEWAY.LISTENER` or
    /// `NAMESPACE.GATEWAY.LISTENER`. For a listener of a ListenerSet, the ListenerSet's name replaces the Gateway's. They
    /// replace the addresses and the port of the listener.
    pub named_sockets: BTreeMap<String, Vec<SocketKey>>,
    /// The absolute path of the folder in which manifests may name files of access logs (`--access-log-dir`). `None` if they may
    /// name none.
    pub access_log_dir: Option<PathBuf>,
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

/// Addresses by Gateway.
pub type GatewayAddresses = BTreeMap<NamespacedName, Vec<IpAddr>>;

/// The port to bind, by Gateway and port in its manifest.
pub type GatewayPorts = BTreeMap<(NamespacedName, u16), u16>;

/// What `Gateway.spec.addresses` mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpecAddresses {
    /// They are bound as requested. An address that can't be bound is a condition of its Gateway.
    #[default]
    Bind,
    /// They are addresses of a cluster that don't exist on this host. A Gateway listens on one address of the pool instead,
    /// or without a pool on the default addresses, whatever it requests. A diagnostic names the requested address.
    Replace,
}

/// Whether Gateways that listen on every interface share its ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressSharing {
    /// They share each port. If two of them claim the same traffic, the one with precedence keeps it.
    #[default]
    Shared,
    /// Each has addresses of its own, as in a cluster, and no traffic in common with another one. Only for statuses and
    /// diagnostics: such a graph can't be served.
    Separate,
}

/// `--ignore-policy KIND` or `KIND.GROUP`, or `--dev-allow-auth`: policies that are ignored. The objects they protect are served
/// without them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredPolicy {
    /// The kind. `None` for every policy that can't be enforced.
    kind: Option<String>,
    /// The group. `None` for every group.
    group: Option<String>,
}

impl IgnoredPolicy {
    /// All policies that can't be enforced, but for those of the Gateway API itself (`--dev-allow-auth`). A BackendTLSPolicy could be
    /// enforced if it had no errors, so it isn't among them.
    pub fn unenforceable() -> Self {
        IgnoredPolicy {
            kind: None,
            group: None,
        }
    }

    /// Whether a policy is ignored. `is_enforceable` is called only if that decides.
    pub fn matches(&self, policy: &PolicyKey, is_enforceable: impl FnOnce() -> bool) -> bool {
        let group = self.group.as_ref();
        let is_kind = match &self.kind {
            Some(kind) => policy.kind.eq_ignore_ascii_case(kind),
            None => !policy.group.eq_ignore_ascii_case(Kind::Gateway.group()) && !is_enforceable(),
        };
        is_kind && group.is_none_or(|group| policy.group.eq_ignore_ascii_case(group))
    }

    /// The flag of the command line that ignores the policies.
    pub fn flag(&self) -> &'static str {
        match self.kind {
            Some(_) => "--ignore-policy",
            None => "--dev-allow-auth",
        }
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
            kind: Some(kind.to_owned()),
            group: group.map(str::to_owned),
        })
    }
}

/// Why a listener is bound to a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortSource {
    /// It is the port of the manifest, or that of `--port-map` for it.
    #[default]
    PortMap,
    /// It is a port that only the listener's Gateway has, because another Gateway has that of the manifest.
    GatewayPort,
    /// It is the port of an inherited socket with the listener's name.
    NamedSocket,
}

impl AddressSharing {
    /// Returns the Gateway to which a socket belongs alone, or `None` if its Gateway may share it with others.
    pub(crate) fn sole_owner(
        self,
        gateway: &NamespacedName,
        socket: SocketKey,
    ) -> Option<NamespacedName> {
        match self {
            AddressSharing::Shared => None,
            AddressSharing::Separate => socket.ip().is_unspecified().then(|| gateway.clone()),
        }
    }
}

impl Environment {
    /// Returns the sockets of a listener of `owner`, which belongs to `gateway` or is it, and which listens on `addresses`:
    /// the named sockets with the most specific name of the listener, or else one socket for each address.
    pub fn sockets(
        &self,
        gateway: &NamespacedName,
        (owner, listener): (&NamespacedName, &SectionName),
        (port, transport): (u16, Transport),
        addresses: &[GatewayAddress],
    ) -> Vec<SocketKey> {
        if let Some(named) = self.named(owner, listener) {
            let named = named.iter().filter(|it| it.transport == transport);
            return named.copied().collect();
        }
        let port = self.bound_port(gateway, port);
        let addresses = addresses.iter();
        addresses
            .map(|address| SocketKey {
                address: SocketAddr::new(address.bind, port),
                transport,
            })
            .collect()
    }

    /// Returns why a listener of `owner`, which belongs to `gateway` or is it, is bound to its port.
    pub(crate) fn port_source(
        &self,
        gateway: &NamespacedName,
        (owner, listener): (&NamespacedName, &SectionName),
        port: u16,
    ) -> PortSource {
        if self.named(owner, listener).is_some() {
            PortSource::NamedSocket
        } else if self.bound_port(gateway, port) == self.mapped_port(port) {
            PortSource::PortMap
        } else {
            PortSource::GatewayPort
        }
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

    fn bound_port(&self, gateway: &NamespacedName, port: u16) -> u16 {
        if self.gateway_ports.is_empty() {
            return self.mapped_port(port);
        }
        let own = self.gateway_ports.get(&(gateway.clone(), port));
        own.copied().unwrap_or_else(|| self.mapped_port(port))
    }

    fn mapped_port(&self, port: u16) -> u16 {
        self.port_map.get(&port).copied().unwrap_or(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unenforceable_policy_is_of_another_group_than_the_gateway_api() {
        let policy = |group: &str, kind: &str| PolicyKey {
            group: group.into(),
            kind: kind.into(),
            namespace: "default".into(),
            name: "p".into(),
            copy: 0,
        };
        let unenforceable = IgnoredPolicy::unenforceable();
        let security = policy("gateway.envoyproxy.io", "SecurityPolicy");
        assert!(unenforceable.matches(&security, || false));
        assert!(!unenforceable.matches(&security, || true), "it is enforced");
        let broken = policy("gateway.networking.k8s.io", "BackendTLSPolicy");
        assert!(
            !unenforceable.matches(&broken, || false),
            "nothing is sent in plain text"
        );
        let named = IgnoredPolicy::from_str("BackendTLSPolicy").expect("a kind");
        assert!(named.matches(&broken, || true));
    }
}
