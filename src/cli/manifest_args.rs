//! The flags that change the meaning of manifests, shared by `run` and `check`.

use super::load_args::LoadArgs;
use super::stand_in_args::StandInArgs;
use crate::environment::discovery::FixedBackend;
use crate::environment::settings::{PortSharing, PrivilegedPorts, Settings};
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_graph::environment::{GatewayAddresses, IgnoredPolicy, SpecAddresses};
use gatefold_manifest::api::NamespacedName;
use ipnet::{IpNet, Ipv4Net};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

/// The flags that change the meaning of manifests.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ManifestArgs {
    /// What the objects of a file are.
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// The addresses for Gateways without spec.addresses [default: every interface]. With NS/GATEWAY=IP, the address of one
    /// Gateway, which replaces its spec.addresses; without NS/, the namespace is default. May be given several times.
    #[arg(
        long,
        value_name = "[NS/GATEWAY=]IP",
        env = "GATEFOLD_ADDRESS",
        value_delimiter = ','
    )]
    address: Vec<AddressArg>,
    /// Assigns a separate address from this range to each Gateway without spec.addresses.
    #[arg(long, value_name = "CIDR", env = "GATEFOLD_ADDRESS_POOL")]
    pub(super) address_pool: Option<IpNet>,
    /// Binds other ports than those in the manifests, such as 80=8080,443=8443. With auto, adds 8000 to ports that this
    /// process may not bind.
    #[arg(
        long,
        value_name = "PORT=PORT,...|auto",
        env = "GATEFOLD_PORT_MAP",
        value_delimiter = ','
    )]
    port_map: Vec<PortMapArg>,
    /// Serves only GatewayClasses with this controllerName [default: all of them].
    #[arg(long, value_name = "NAME", env = "GATEFOLD_CONTROLLER_NAME")]
    pub(super) controller_name: Option<String>,
    /// The address of a Service that has no endpoints in the folder, or isn't in it; may be given several times.
    #[arg(
        long,
        value_name = "NS/NAME[:PORT]=HOST:PORT",
        env = "GATEFOLD_BACKEND",
        value_delimiter = ','
    )]
    pub(super) backend: Vec<FixedBackend>,
    /// Ignores policies of this kind, such as SecurityPolicy or SecurityPolicy.gateway.envoyproxy.io, and serves the routes
    /// that they protect without protection. By default these routes answer 500, or UNAVAILABLE for gRPC. May be given
    /// several times.
    #[arg(
        long,
        value_name = "KIND[.GROUP]",
        env = "GATEFOLD_IGNORE_POLICY",
        value_delimiter = ','
    )]
    pub(super) ignore_policy: Vec<IgnoredPolicy>,
    /// Normalises the paths of requests before they are matched and forwarded, so that /a/../admin and /%61dmin become
    /// /admin. Use off for backends that need paths as sent, such as object stores.
    #[arg(
        long,
        value_name = "on|off",
        env = "GATEFOLD_PATH_NORMALIZATION",
        default_value = "on"
    )]
    path_normalization: PathNormalizationArg,
    /// The folder in which EnvoyProxies may name files of access logs [default: none].
    #[arg(long, value_name = "DIR", env = "GATEFOLD_ACCESS_LOG_DIR")]
    access_log_dir: Option<PathBuf>,
    /// Whether the addresses in the manifests are replaced (`gatefold dev`).
    #[arg(skip)]
    spec_addresses: SpecAddresses,
    /// Whether Gateways share the ports of an address (`gatefold dev --address` gives each its own).
    #[arg(skip)]
    port_sharing: PortSharing,
    /// The stand-ins for objects that the folder lacks.
    #[command(flatten)]
    pub(super) stand_ins: StandInArgs,
}

impl ManifestArgs {
    /// The settings for reading the manifests, without the folders.
    pub(super) fn settings(&self) -> Settings {
        let mut ignored_policies = self.ignore_policy.clone();
        if self.stand_ins.dev_allow_auth {
            ignored_policies.push(IgnoredPolicy::unenforceable());
        }
        Settings {
            load: self.load.options(),
            controller_name: self.controller_name.clone(),
            addresses: self.addresses(),
            gateway_addresses: self.gateway_addresses(),
            spec_addresses: self.spec_addresses,
            address_pool: self.address_pool,
            port_map: self.port_map(),
            privileged_ports: if self.port_map.contains(&PortMapArg::Auto) {
                PrivilegedPorts::Shift
            } else {
                PrivilegedPorts::Bind
            },
            port_sharing: self.port_sharing,
            ignored_policies,
            path_normalization: self.path_normalization(),
            access_log_dir: self.access_log_dir(),
            ..Settings::default()
        }
    }

    /// Sets what `gatefold dev` sets, unless flags say otherwise: stand-ins for all that a cluster would add, and an address of its
    /// own for each Gateway, or ports of its own with `--address`.
    pub(super) fn for_development(&mut self) {
        self.load.for_development();
        self.stand_ins.echo = true;
        self.stand_ins.dev_certificates = true;
        self.spec_addresses = SpecAddresses::Replace;
        if self.port_map.is_empty() {
            self.port_map.push(PortMapArg::Auto);
        }
        if !self.addresses().is_empty() {
            self.port_sharing = PortSharing::ByGateway;
        } else if self.address_pool.is_none() {
            match dev_pool() {
                Some(pool) => self.address_pool = Some(pool),
                None => {
                    let ip = Ipv4Addr::LOCALHOST.into();
                    self.address.push(AddressArg { gateway: None, ip });
                    self.port_sharing = PortSharing::ByGateway;
                }
            }
        }
    }

    /// The absolute path of `--access-log-dir`.
    fn access_log_dir(&self) -> Option<PathBuf> {
        let given = self.access_log_dir.as_ref()?;
        // Fails only without a current folder.
        Some(std::path::absolute(given).unwrap_or_else(|_| given.clone()))
    }

    /// Checks that the folder of `--access-log-dir` exists.
    ///
    /// # Errors
    /// If it isn't a folder.
    pub(super) fn access_log_dir_must_exist(&self) -> Result<(), String> {
        match &self.access_log_dir {
            Some(folder) if !folder.is_dir() => Err(format!(
                "--access-log-dir: {} isn't a folder",
                folder.display()
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The value of `--path-normalization`.
    pub(super) fn path_normalization(&self) -> PathNormalization {
        match self.path_normalization {
            PathNormalizationArg::On => PathNormalization::On,
            PathNormalizationArg::Off => PathNormalization::Off,
        }
    }

    /// The addresses of `--address` for Gateways that it doesn't name.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let defaults = self.address.iter().filter(|it| it.gateway.is_none());
        defaults.map(|it| it.ip).collect()
    }

    /// The addresses of `--address` for single Gateways.
    pub(super) fn gateway_addresses(&self) -> GatewayAddresses {
        let mut addresses = GatewayAddresses::new();
        for AddressArg { gateway, ip } in &self.address {
            if let Some(gateway) = gateway {
                addresses.entry(gateway.clone()).or_default().push(*ip);
            }
        }
        addresses
    }

    /// Whether a flag says which addresses or ports Gateways share.
    pub(super) fn has_addresses(&self) -> bool {
        !self.address.is_empty() || self.address_pool.is_some() || !self.port_map.is_empty()
    }

    /// The ports of `--port-map`: from the port in the manifest to the port to bind.
    pub(super) fn port_map(&self) -> BTreeMap<u16, u16> {
        let pairs = self.port_map.iter().filter_map(|it| match it {
            PortMapArg::Auto => None,
            PortMapArg::Pair(from, to) => Some((*from, *to)),
        });
        pairs.collect()
    }
}

/// A value of `--address`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AddressArg {
    /// The Gateway that gets the address. `None` for all others.
    gateway: Option<NamespacedName>,
    ip: IpAddr,
}

impl FromStr for AddressArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (gateway, ip) = match text.split_once('=') {
            Some((gateway, ip)) => (Some(gateway), ip),
            None => (None, text),
        };
        let gateway = gateway.map(|gateway| match gateway.split_once('/') {
            Some((namespace, name)) => (namespace, name),
            None => ("default", gateway),
        });
        let is_name = |text: &str| {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
            !text.is_empty() && text.bytes().all(inner)
        };
        let ip = ip.trim().parse().ok();
        match (gateway, ip) {
            (None, Some(ip)) => Ok(AddressArg { gateway: None, ip }),
            (Some((namespace, name)), Some(ip)) if is_name(namespace) && is_name(name) => {
                let gateway = Some(NamespacedName::new(namespace, name));
                Ok(AddressArg { gateway, ip })
            }
            (_, _) => Err(format!(
                "`{text}` isn't of the form IP or NS/GATEWAY=IP, such as 127.0.0.1 or infra/internal=127.0.0.2"
            )),
        }
    }
}

/// The values of `--path-normalization`.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum PathNormalizationArg {
    /// Paths are normalised; a path without a normal form is refused.
    #[default]
    On,
    /// Paths are matched and forwarded as sent.
    Off,
}

/// A value of `--port-map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortMapArg {
    /// Ports that this process may not bind become 8000 higher.
    Auto,
    /// The port of the manifest, and the one to bind.
    Pair(u16, u16),
}

impl FromStr for PortMapArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(PortMapArg::Auto);
        }
        let pair = text.split_once('=').and_then(|(from, to)| {
            let from: u16 = from.trim().parse().ok().filter(|port| *port > 0)?;
            Some(PortMapArg::Pair(from, to.trim().parse().ok()?))
        });
        pair.ok_or_else(|| {
            format!("`{text}` isn't of the form PORT=PORT, such as 80=8080, or auto")
        })
    }
}

/// The addresses of Gateways in `gatefold dev`. `None` if the system has a single loopback address by default.
fn dev_pool() -> Option<IpNet> {
    const NETWORK: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 83, 0, 0), 24));
    cfg!(target_os = "linux").then_some(NETWORK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_addresses_with_and_without_a_gateway() {
        let of =
            |text: &str| AddressArg::from_str(text).map(|it| it.gateway.map(|it| it.to_string()));
        assert_eq!(of("::1"), Ok(None));
        assert_eq!(of("infra/a=::1"), Ok(Some("infra/a".to_owned())));
        assert_eq!(of("a=127.0.0.1"), Ok(Some("default/a".to_owned())));
        for text in [
            "",
            "a",
            "=127.0.0.1",
            "a=",
            "/a=127.0.0.1",
            "a/b/c=127.0.0.1",
            "a=127.0.0.256",
        ] {
            assert!(of(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn parses_port_pairs_and_refuses_invalid_ones() {
        assert_eq!("80=8080".parse(), Ok(PortMapArg::Pair(80, 8080)));
        assert_eq!("auto".parse(), Ok(PortMapArg::Auto));
        for text in ["80", "80:8080", "0=1", "a=b", "80=65536"] {
            assert!(text.parse::<PortMapArg>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn accepts_policy_kinds_with_and_without_group() {
        for text in ["SecurityPolicy", "SecurityPolicy.gateway.envoyproxy.io"] {
            assert!(IgnoredPolicy::from_str(text).is_ok(), "{text:?}");
        }
        for text in ["", ".", "SecurityPolicy.", "Security Policy", "a/b"] {
            assert!(IgnoredPolicy::from_str(text).is_err(), "{text:?}");
        }
    }
}
