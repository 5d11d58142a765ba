//! Endpoints that are not in the folder: `--backend`, DNS, and the built-in echo backends.
//!
//! In: the Services for which the graph found no endpoints. Out: the addresses that are known so far. A reload never waits
//! for DNS: names are resolved in the background, and a changed answer triggers a reload.

mod fixed_backend;
mod names;

pub(crate) use fixed_backend::FixedBackend;

use crate::echo::EchoServices;
use crate::watch::WakeSender;
use gatefold_graph::Wanted;
use gatefold_manifest::api::NamespacedName;
use names::Names;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// A Service's port.
type ServicePort = (NamespacedName, u16);

/// Finds endpoints that are not in the folder.
pub struct Discovery {
    fixed: Vec<FixedBackend>,
    echo: Option<EchoServices>,
    names: Names,
}

impl Discovery {
    /// Creates a discovery that sends a wake-up to `wakes` when an address has changed. Must be called within a Tokio runtime.
    pub fn new(fixed: Vec<FixedBackend>, echo: bool, wakes: WakeSender) -> Self {
        Discovery {
            fixed,
            echo: echo.then(EchoServices::default),
            names: Names::new(wakes),
        }
    }

    /// Returns the known addresses of the wanted Services from the first source that applies: `--backend`, DNS, the echo
    /// backend. Except for an `ExternalName`, the echo backend comes before DNS. A `--backend` with a port also defines a
    /// Service that is not in the folder, without addresses until DNS answers.
    pub async fn find(
        &mut self,
        wanted: &BTreeMap<ServicePort, Wanted>,
    ) -> BTreeMap<ServicePort, Vec<SocketAddr>> {
        let mut queried = BTreeSet::new();
        let mut found = BTreeMap::new();
        for (key, wanted) in wanted {
            let addresses = self.by_name(key, wanted, &mut queried);
            if !addresses.is_empty() {
                found.insert(key.clone(), addresses);
            }
        }
        for (key, host, port) in self.fixed_targets() {
            let addresses = self.names.first_answer(vec![host], &mut queried);
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
            let addresses: Vec<SocketAddr> = addresses.collect();
            // A name without an address is no endpoint: the echo backend answers, or a finding reports that no endpoint exists.
            // A Service that is not in the folder exists only here, so it is kept without endpoints (503, not 500).
            if !addresses.is_empty() || !wanted.contains_key(&key) {
                found.entry(key).or_insert(addresses);
            }
        }
        self.names.retain(&queried);
        if let Some(echo) = &mut self.echo {
            let missing = wanted.keys().filter(|key| !found.contains_key(*key));
            let missing: BTreeSet<ServicePort> = missing.cloned().collect();
            echo.start(missing.iter().map(|key| (key.clone(), key.1)))
                .await;
            for (key, address) in echo.addresses() {
                if missing.contains(key) {
                    found.insert(key.clone(), vec![address]);
                }
            }
        }
        found
    }

    fn fixed_targets(&self) -> Vec<(ServicePort, String, u16)> {
        let fixed = self.fixed.iter();
        fixed
            .filter_map(|fixed| {
                let key = (fixed.service.clone(), fixed.service_port?);
                Some((key, fixed.host.clone(), fixed.port))
            })
            .collect()
    }

    /// Ends the echo backends that the snapshot in force does not use.
    pub fn retain(&mut self, used: &BTreeMap<ServicePort, Vec<SocketAddr>>) {
        if let Some(echo) = &mut self.echo {
            echo.retain(&used.keys().cloned().collect());
        }
    }

    fn by_name(
        &mut self,
        key: &ServicePort,
        wanted: &Wanted,
        queried: &mut BTreeSet<String>,
    ) -> Vec<SocketAddr> {
        let applies = |fixed: &&FixedBackend| {
            fixed.service == key.0 && fixed.service_port.is_none_or(|port| port == key.1)
        };
        let fixed = self.fixed.iter().find(applies);
        let (candidates, port) = match (fixed, &wanted.external_name) {
            (Some(fixed), _) => (vec![fixed.host.clone()], fixed.port),
            (None, Some(name)) => (vec![name.clone()], wanted.port),
            // The echo backend answers. It must come before a DNS server that resolves every name.
            (None, None) if self.echo.is_some() => return Vec::new(),
            (None, None) => (service_names(&key.0), wanted.port),
        };
        let addresses = self.names.first_answer(candidates, queried);
        let with_port = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        with_port.collect()
    }
}

/// The names of a Service in DNS. The shortest comes first, so that containers of a compose file are found.
fn service_names(service: &NamespacedName) -> Vec<String> {
    let NamespacedName { namespace, name } = service;
    vec![
        name.to_string(),
        format!("{name}.{namespace}"),
        format!("{name}.{namespace}.svc"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ip_address_needs_no_dns() {
        let fixed = "shop/cart=127.0.0.9:3000".parse().expect("well formed");
        let (wakes, _receiver) = crate::watch::wake_channel();
        let mut discovery = Discovery::new(vec![fixed], false, wakes);
        let key = (NamespacedName::new("shop", "cart"), 80);
        let wanted = Wanted {
            external_name: None,
            port: 80,
        };
        let found = discovery.find(&[(key.clone(), wanted)].into()).await;
        assert_eq!(found[&key], [SocketAddr::from(([127, 0, 0, 9], 3000))]);
    }

    #[tokio::test]
    async fn a_name_without_an_answer_is_no_endpoint_and_does_not_hide_the_echo_backend() {
        let key = (NamespacedName::new("shop", "cart"), 80);
        let wanted = Wanted {
            external_name: None,
            port: 80,
        };
        for echo in [false, true] {
            let fixed = "shop/cart:80=nowhere.invalid:3000".parse();
            let (wakes, _receiver) = crate::watch::wake_channel();
            let mut discovery = Discovery::new(vec![fixed.expect("well formed")], echo, wakes);
            let found = discovery
                .find(&[(key.clone(), wanted.clone())].into())
                .await;
            assert_eq!(found.contains_key(&key), echo, "{found:?}");
        }
    }

    #[tokio::test]
    async fn a_fixed_backend_that_is_not_in_the_folder_exists_before_dns_answers() {
        let fixed = "shop/cart:80=nowhere.invalid:3000".parse();
        let (wakes, _receiver) = crate::watch::wake_channel();
        let mut discovery = Discovery::new(vec![fixed.expect("well formed")], false, wakes);
        let found = discovery.find(&BTreeMap::new()).await;
        let key = (NamespacedName::new("shop", "cart"), 80);
        assert_eq!(found, [(key, vec![])].into());
    }
}
