//! What is not in the folder: endpoints (`--backend`, DNS, the built-in echo backends) and stand-ins for certificates.
//!
//! In: the Services for which the graph found no endpoints, and the Secrets that it lacks. Out: what is known so far. A reload
//! never waits for DNS: names are resolved in the background, and a changed answer triggers a reload.

mod assumed;
mod certificates;
mod fixed_backend;
mod names;

pub(crate) use certificates::CertificateSource;
pub(crate) use fixed_backend::FixedBackend;

use crate::echo::EchoServices;
use crate::watch::WakeSender;
use certificates::StandInPairs;
use gatefold_graph::stand_in::{StandInCertificates, StandInServices, StandIns};
use gatefold_graph::{Graph, Wanted};
use gatefold_manifest::api::NamespacedName;
use names::Names;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// A Service's port.
type ServicePort = (NamespacedName, u16);

/// Where to look for what is not in the folder.
#[derive(Debug, Default)]
pub struct Sources {
    /// `--backend`.
    pub fixed: Vec<FixedBackend>,
    /// `--echo`.
    pub echo: bool,
    /// `--dev-certificates`.
    pub certificates: Option<CertificateSource>,
}

/// What was found outside the folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The addresses of Services.
    pub endpoints: Arc<BTreeMap<ServicePort, Vec<SocketAddr>>>,
    /// The stand-ins for objects that the folder lacks.
    pub stand_ins: StandIns,
}

impl Found {
    fn new(
        endpoints: BTreeMap<ServicePort, Vec<SocketAddr>>,
        services: StandInServices,
        echo: BTreeSet<ServicePort>,
        certificates: Option<StandInCertificates>,
    ) -> Self {
        Found {
            endpoints: Arc::new(endpoints),
            stand_ins: StandIns {
                services,
                echo: Arc::new(echo),
                certificates,
            },
        }
    }
}

impl Sources {
    /// The Services that exist although the folder doesn't contain them.
    pub fn services(&self) -> StandInServices {
        if self.echo {
            return StandInServices::All;
        }
        let named = self.fixed.iter().map(|fixed| fixed.service.clone());
        let named: BTreeSet<NamespacedName> = named.collect();
        if named.is_empty() {
            StandInServices::None
        } else {
            StandInServices::Named(Arc::new(named))
        }
    }
}

/// Finds what is not in the folder.
pub struct Discovery {
    fixed: Vec<FixedBackend>,
    services: StandInServices,
    echo: Option<EchoServices>,
    certificates: Option<CertificateSource>,
    names: Names,
}

impl Discovery {
    /// Creates a discovery that sends a wake-up to `wakes` when an address has changed. Must be called within a Tokio runtime.
    pub fn new(sources: Sources, wakes: WakeSender) -> Self {
        Discovery {
            services: sources.services(),
            echo: sources.echo.then(EchoServices::default),
            fixed: sources.fixed,
            certificates: sources.certificates,
            names: Names::new(wakes),
        }
    }

    /// Returns what is known before anything was looked for.
    pub fn initially(&self) -> Found {
        self.found(BTreeMap::new(), BTreeSet::new(), Arc::default())
    }

    /// Returns what is known of the things that a graph wants. The addresses of a Service come from the first source that
    /// applies: `--backend`, DNS, the echo backend. Except for an `ExternalName`, the echo backend comes before DNS. A `--backend`
    /// also defines a Service that is not in the folder, without addresses until DNS answers.
    pub async fn find(&mut self, graph: &Arc<Graph>) -> Found {
        let wanted = &graph.wanted;
        let mut endpoints = self.outside(wanted);
        let pairs = self.issue(graph).await;
        let echo = self.start_echo(wanted, &mut endpoints).await;
        self.found(endpoints, echo, pairs)
    }

    fn found(
        &self,
        endpoints: BTreeMap<ServicePort, Vec<SocketAddr>>,
        echo: BTreeSet<ServicePort>,
        pairs: StandInPairs,
    ) -> Found {
        let certificates = self.certificates.as_ref();
        let certificates = certificates.map(|source| source.stand_ins(pairs));
        Found::new(endpoints, self.services.clone(), echo, certificates)
    }

    /// Issues certificates on a blocking thread: the state of the development CA may be in a slow file system.
    async fn issue(&mut self, graph: &Arc<Graph>) -> StandInPairs {
        let Some(mut source) = self.certificates.take() else {
            return Arc::default();
        };
        let graph = graph.clone();
        let issued = tokio::task::spawn_blocking(move || {
            let pairs = source.issue(&graph);
            (source, pairs)
        });
        match issued.await {
            Ok((source, pairs)) => {
                self.certificates = Some(source);
                pairs
            }
            // A defect, or the runtime is shutting down.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Arc::default(),
            },
        }
    }

    /// Returns the addresses from `--backend` and DNS.
    fn outside(
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
        found
    }

    /// Starts echo backends for the wanted ports without addresses, and adds their addresses. Returns these ports.
    async fn start_echo(
        &mut self,
        wanted: &BTreeMap<ServicePort, Wanted>,
        endpoints: &mut BTreeMap<ServicePort, Vec<SocketAddr>>,
    ) -> BTreeSet<ServicePort> {
        let Some(echo) = &mut self.echo else {
            return BTreeSet::new();
        };
        let missing = wanted
            .iter()
            .filter(|(key, _)| !endpoints.contains_key(*key));
        let mut backends = BTreeMap::new();
        for (key, wanted) in missing {
            let source = self.certificates.as_mut();
            let certificate = source.and_then(|source| source.for_echo(wanted.tls.as_deref()?));
            backends.insert(key.clone(), certificate);
        }
        echo.start(&backends).await;
        let mut started = BTreeSet::new();
        for (key, address) in echo.addresses() {
            if backends.contains_key(key) {
                endpoints.insert(key.clone(), vec![address]);
                started.insert(key.clone());
            }
        }
        started
    }

    fn fixed_targets(&self) -> Vec<(ServicePort, String, u16)> {
        let fixed = self.fixed.iter();
        fixed
            .filter_map(|fixed| {
                let key = fixed.named_port()?;
                Some((key, fixed.host.clone(), fixed.port))
            })
            .collect()
    }

    /// Ends the echo backends that the snapshot in force does not use.
    pub fn retain(&mut self, used: &Found) {
        if let Some(echo) = &mut self.echo {
            echo.retain(&used.stand_ins.echo);
        }
    }

    fn by_name(
        &mut self,
        key: &ServicePort,
        wanted: &Wanted,
        queried: &mut BTreeSet<String>,
    ) -> Vec<SocketAddr> {
        let fixed = self.fixed.iter().find(|fixed| fixed.serves(key));
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
    use crate::development_ca::DevelopmentCa;
    use crate::state_dir::StateDir;
    use gatefold_graph::stand_in::Exposure;
    use std::pin::pin;
    use std::time::Duration;

    fn key() -> ServicePort {
        (NamespacedName::new("shop", "cart"), 80)
    }

    /// What a discovery with these flags finds at once for the port [`key`], if it is wanted.
    async fn find(backend: &str, echo: bool, is_wanted: bool) -> Found {
        let sources = Sources {
            fixed: vec![backend.parse().expect("well formed")],
            echo,
            certificates: None,
        };
        let (wakes, _receiver) = crate::watch::wake_channel();
        let wanted = Wanted {
            external_name: None,
            port: 80,
            tls: None,
        };
        let mut graph = Graph::default();
        graph.wanted.extend(is_wanted.then_some((key(), wanted)));
        Discovery::new(sources, wakes).find(&Arc::new(graph)).await
    }

    #[tokio::test]
    async fn a_locked_state_folder_does_not_block_other_tasks() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("state");
        let state = StateDir::choose(Some(&folder)).expect("the given folder");
        let lock = state.lock().expect("locked");
        let authority = DevelopmentCa::open(state).expect("a CA");
        let sources = Sources {
            certificates: Some(CertificateSource {
                authority,
                exposure: Exposure::Loopback,
            }),
            ..Sources::default()
        };
        let (wakes, _receiver) = crate::watch::wake_channel();
        let mut discovery = Discovery::new(sources, wakes);
        let mut graph = Graph::default();
        let names = BTreeSet::from(["shop.example".to_owned()]);
        let secret = NamespacedName::new("default", "pair");
        graph.wanted_certificates.insert(secret.clone(), names);
        let graph = Arc::new(graph);

        // Released in any case, so that a blocked task fails instead of hanging.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let holder = std::thread::spawn(move || {
            let _ = released.recv_timeout(Duration::from_secs(10));
            drop(lock);
        });
        let mut find = pin!(discovery.find(&graph));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut find).await;
        assert!(early.is_err(), "the task was blocked");
        drop(release);
        let found = find.await;
        holder.join().expect("no panic");
        let certificates = found.stand_ins.certificates.expect("a development CA");
        assert!(certificates.pairs.contains_key(&secret));
    }

    #[tokio::test]
    async fn an_ip_address_needs_no_dns() {
        let found = find("shop/cart=127.0.0.9:3000", false, true).await;
        let expected = SocketAddr::from(([127, 0, 0, 9], 3000));
        assert_eq!(found.endpoints[&key()], [expected]);
    }

    #[tokio::test]
    async fn a_name_without_an_answer_is_no_endpoint_and_does_not_hide_the_echo_backend() {
        for echo in [false, true] {
            let found = find("shop/cart:80=nowhere.invalid:3000", echo, true).await;
            assert_eq!(found.endpoints.contains_key(&key()), echo, "{found:?}");
            assert_eq!(found.stand_ins.echo.contains(&key()), echo, "{found:?}");
        }
    }

    #[tokio::test]
    async fn a_fixed_backend_that_is_not_in_the_folder_exists_before_dns_answers() {
        let found = find("shop/cart:80=nowhere.invalid:3000", false, false).await;
        assert_eq!(*found.endpoints, [(key(), vec![])].into());
    }
}
