//! Endpoints that don't come from the folder: `--backend`, DNS, and the built-in echo backends.
//!
//! In: the Services that a graph found without endpoints. Out: addresses, as far as they are known by now.
//! Nobody waits for DNS: a name is asked for in the background, and a change wakes the reload.

mod names;

use crate::echo::EchoServices;
use crate::watch::WakeSender;
use gatefold_graph::Wanted;
use gatefold_manifest::api::NamespacedName;
use names::Names;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::str::FromStr;

/// A Service's port.
type ServicePort = (NamespacedName, u16);

/// `--backend NS/NAME[:PORT]=HOST:PORT`: where a Service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedBackend {
    /// The Service.
    pub service: NamespacedName,
    /// The Service's port; every port when absent.
    pub service_port: Option<u16>,
    /// A name or an address.
    pub host: String,
    /// The port there.
    pub port: u16,
}

impl FromStr for FixedBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` isn't of the form NAMESPACE/NAME[:PORT]=HOST:PORT");
        let (service, target) = text.split_once('=').ok_or_else(form)?;
        let (service, service_port) = match service.split_once(':') {
            Some((service, port)) => (service, Some(port.parse().map_err(|_| form())?)),
            None => (service, None),
        };
        let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
        let (host, port) = target.rsplit_once(':').ok_or_else(form)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if namespace.is_empty() || name.is_empty() || host.is_empty() {
            return Err(form());
        }
        Ok(FixedBackend {
            service: NamespacedName::new(namespace, name),
            service_port,
            host: host.to_owned(),
            port: port.parse().map_err(|_| form())?,
        })
    }
}

/// Finds endpoints outside the folder.
pub struct Discovery {
    fixed: Vec<FixedBackend>,
    echo: Option<EchoServices>,
    names: Names,
}

impl Discovery {
    /// `wakes` is told when an address has changed. Call it within a Tokio runtime.
    pub fn new(fixed: Vec<FixedBackend>, echo: bool, wakes: WakeSender) -> Self {
        Discovery {
            fixed,
            echo: echo.then(EchoServices::default),
            names: Names::new(wakes),
        }
    }

    /// What is known of the wanted ones by now, the first that applies: `--backend`, DNS, the echo backend,
    /// which comes before DNS for all but an `ExternalName`. A `--backend` with a port is there for a Service
    /// that isn't in the folder, too, also without an address as long as DNS gives none.
    pub async fn find(
        &mut self,
        wanted: &BTreeMap<ServicePort, Wanted>,
    ) -> BTreeMap<ServicePort, Vec<SocketAddr>> {
        let mut asked = BTreeSet::new();
        let mut found = BTreeMap::new();
        for (key, wanted) in wanted {
            let addresses = self.by_name(key, wanted, &mut asked);
            if !addresses.is_empty() {
                found.insert(key.clone(), addresses);
            }
        }
        for (key, host, port) in self.fixed_places() {
            let addresses = self.names.first_answer(vec![host], &mut asked);
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
            let addresses: Vec<SocketAddr> = addresses.collect();
            // A name without an address is no endpoint: the echo backend answers, or the finding says that none does. A
            // Service that isn't in the folder has no other place: it exists, without endpoints (503, not 500).
            if !addresses.is_empty() || !wanted.contains_key(&key) {
                found.entry(key).or_insert(addresses);
            }
        }
        self.names.forget_others(&asked);
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

    fn fixed_places(&self) -> Vec<(ServicePort, String, u16)> {
        let fixed = self.fixed.iter();
        fixed
            .filter_map(|fixed| {
                let key = (fixed.service.clone(), fixed.service_port?);
                Some((key, fixed.host.clone(), fixed.port))
            })
            .collect()
    }

    /// Ends the echo backends that the snapshot in force doesn't use.
    pub fn retain(&mut self, used: &BTreeMap<ServicePort, Vec<SocketAddr>>) {
        if let Some(echo) = &mut self.echo {
            echo.retain(&used.keys().cloned().collect());
        }
    }

    fn by_name(
        &mut self,
        key: &ServicePort,
        wanted: &Wanted,
        asked: &mut BTreeSet<String>,
    ) -> Vec<SocketAddr> {
        let applies = |fixed: &&FixedBackend| {
            fixed.service == key.0 && fixed.service_port.is_none_or(|port| port == key.1)
        };
        let fixed = self.fixed.iter().find(applies);
        let (candidates, port) = match (fixed, &wanted.external_name) {
            (Some(fixed), _) => (vec![fixed.host.clone()], fixed.port),
            (None, Some(name)) => (vec![name.clone()], wanted.port),
            // The echo backend answers: a network whose DNS knows every name mustn't come before it.
            (None, None) if self.echo.is_some() => return Vec::new(),
            (None, None) => (service_names(&key.0), wanted.port),
        };
        let addresses = self.names.first_answer(candidates, asked);
        let with_port = addresses.into_iter().map(|ip| SocketAddr::new(ip, port));
        with_port.collect()
    }
}

/// What a Service is called in DNS, the shortest first: so containers of a compose file are found.
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

    #[test]
    fn a_fixed_backend_names_a_service_and_a_place() {
        let parsed: FixedBackend = "shop/cart:80=127.0.0.1:3000".parse().expect("well formed");
        assert_eq!(parsed.service, NamespacedName::new("shop", "cart"));
        assert_eq!(parsed.service_port, Some(80));
        assert_eq!((parsed.host.as_str(), parsed.port), ("127.0.0.1", 3000));
        let parsed: FixedBackend = "cart=[::1]:3000".parse().expect("well formed");
        assert_eq!(parsed.service, NamespacedName::new("default", "cart"));
        assert_eq!((parsed.service_port, parsed.host.as_str()), (None, "::1"));
    }

    #[test]
    fn what_is_no_fixed_backend_is_told_its_form() {
        for text in [
            "cart",
            "cart=host",
            "cart:x=host:1",
            "/cart=host:1",
            "a/b=host:99999",
        ] {
            let error = text.parse::<FixedBackend>().expect_err(text);
            assert!(error.contains("NAMESPACE/NAME[:PORT]=HOST:PORT"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_needs_no_dns() {
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
    async fn a_name_without_an_answer_is_no_endpoint_and_hides_no_echo_backend() {
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
    async fn a_fixed_backend_outside_the_folder_exists_before_dns_answers() {
        let fixed = "shop/cart:80=nowhere.invalid:3000".parse();
        let (wakes, _receiver) = crate::watch::wake_channel();
        let mut discovery = Discovery::new(vec![fixed.expect("well formed")], false, wakes);
        let found = discovery.find(&BTreeMap::new()).await;
        let key = (NamespacedName::new("shop", "cart"), 80);
        assert_eq!(found, [(key, vec![])].into());
    }
}
