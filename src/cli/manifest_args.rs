//! The flags that change the meaning of manifests, shared by `run` and `check`.

use super::load_args::LoadArgs;
use crate::environment::discovery::FixedBackend;
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_graph::environment::IgnoredPolicy;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The flags that change the meaning of manifests.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ManifestArgs {
    /// What the objects of a file are.
    #[command(flatten)]
    pub(super) load: LoadArgs,
    /// The addresses for Gateways without spec.addresses [default: every interface].
    #[arg(
        long,
        value_name = "IP",
        env = "GATEFOLD_ADDRESS",
        value_delimiter = ','
    )]
    pub(super) address: Vec<IpAddr>,
    /// Assigns a separate address from this range to each Gateway without spec.addresses.
    #[arg(long, value_name = "CIDR", env = "GATEFOLD_ADDRESS_POOL")]
    pub(super) address_pool: Option<IpNet>,
    /// Binds other ports than those in the manifests, such as 80=8080,443=8443.
    #[arg(long, value_name = "PORT=PORT,...", env = "GATEFOLD_PORT_MAP", value_delimiter = ',', value_parser = port_pair)]
    port_map: Vec<(u16, u16)>,
    /// Serves only GatewayClasses with this controllerName [default: all of them].
    #[arg(long, value_name = "NAME", env = "GATEFOLD_CONTROLLER_NAME")]
    pub(super) controller_name: Option<String>,
    /// The address of a Service without endpoints in the folder; may be given several times.
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
}

impl ManifestArgs {
    /// The value of `--path-normalization`.
    pub(super) fn path_normalization(&self) -> PathNormalization {
        match self.path_normalization {
            PathNormalizationArg::On => PathNormalization::On,
            PathNormalizationArg::Off => PathNormalization::Off,
        }
    }

    /// The ports of `--port-map`: from the port in the manifest to the port to bind.
    pub(super) fn port_map(&self) -> BTreeMap<u16, u16> {
        self.port_map.iter().copied().collect()
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

/// Parses a pair like `80=8080`.
fn port_pair(text: &str) -> Result<(u16, u16), String> {
    let pair = text.split_once('=').and_then(|(from, to)| {
        let from: u16 = from.trim().parse().ok().filter(|port| *port > 0)?;
        Some((from, to.trim().parse().ok()?))
    });
    pair.ok_or_else(|| format!("`{text}` isn't of the form PORT=PORT, such as 80=8080"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr as _;

    #[test]
    fn parses_port_pairs_and_refuses_invalid_ones() {
        assert_eq!(port_pair("80=8080"), Ok((80, 8080)));
        for text in ["80", "80:8080", "0=1", "a=b", "80=65536"] {
            assert!(port_pair(text).is_err(), "{text:?}");
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
