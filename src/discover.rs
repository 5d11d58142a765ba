//! Endpoints that don't come from the folder: `--backend`, DNS, and the built-in echo backends.
//!
//! In: the Services that a graph found without endpoints. Out: addresses, as far as they are known by now.
//! Nobody waits for DNS: a name is asked for in the background, and a change wakes the reload.

use crate::echo::EchoServices;
use crate::graph::Wanted;
use crate::manifest::api::NamespacedName;
use crate::watch::{Wake, Wakes};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverOpts;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{debug, warn};

/// An answer of DNS is used at least and at most this long, whatever its TTL says.
const TTL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// When a name that gave no answer is asked for again, at first and at last. Addresses that it gave before stay in use.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// How many names are asked for at the same time.
const AT_ONCE: usize = 16;

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
    pub fn new(fixed: Vec<FixedBackend>, echo: bool, wakes: Wakes) -> Self {
        Discovery {
            fixed,
            echo: echo.then(EchoServices::default),
            names: Names::new(wakes),
        }
    }

    /// What is known of the wanted ones by now, the first that applies: `--backend`, DNS, the echo backend,
    /// which comes before DNS for all but an `ExternalName`. A `--backend` with a port is there for a Service
    /// that isn't in the folder, too.
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
            // A name that isn't known yet is no endpoint: the echo backend answers, or the finding says that none does.
            if !addresses.is_empty() {
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

/// What DNS says, asked for in the background.
struct Names {
    resolver: Option<Arc<TokioResolver>>,
    /// Places of those who may ask.
    places: Arc<Semaphore>,
    wakes: Wakes,
    /// By the names that are tried one after the other, joined.
    questions: BTreeMap<String, Question>,
}

struct Question {
    answer: Arc<Mutex<Vec<IpAddr>>>,
    task: AbortHandle,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Names {
    fn new(wakes: Wakes) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            limit(builder.options_mut());
            builder.build()
        });
        if let Err(error) = &resolver {
            warn!(%error, "the system's DNS configuration can't be read: no names are looked up");
        }
        Names {
            resolver: resolver.ok().map(Arc::new),
            places: Arc::new(Semaphore::new(AT_ONCE)),
            wakes,
            questions: BTreeMap::new(),
        }
    }

    /// The addresses of the first name that has any, as far as it is known.
    fn first_answer(&mut self, names: Vec<String>, asked: &mut BTreeSet<String>) -> Vec<IpAddr> {
        if let Some(Ok(address)) = names.first().map(|name| name.parse()) {
            return vec![address];
        }
        let Some(resolver) = &self.resolver else {
            return Vec::new();
        };
        let key = names.join(" ");
        asked.insert(key.clone());
        let wakes = &self.wakes;
        let question = self.questions.entry(key).or_insert_with(|| {
            let answer = Arc::<Mutex<Vec<IpAddr>>>::default();
            let asking = Asking {
                resolver: resolver.clone(),
                places: self.places.clone(),
                names,
                answer: answer.clone(),
                wakes: wakes.clone(),
            };
            Question {
                answer,
                task: tokio::spawn(asking.on_and_on()).abort_handle(),
            }
        });
        let answer = question.answer.lock();
        answer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn forget_others(&mut self, asked: &BTreeSet<String>) {
        self.questions.retain(|key, _| asked.contains(key));
    }
}

/// The resolver keeps answers as long as their TTLs say, that there is no such name for up to a day: asking again would
/// give the same.
fn limit(options: &mut ResolverOpts) {
    options.positive_max_ttl = Some(TTL.1);
    options.negative_max_ttl = Some(RETRY.0);
}

/// A question that is asked again and again, as the answers' TTLs say.
struct Asking {
    resolver: Arc<TokioResolver>,
    places: Arc<Semaphore>,
    names: Vec<String>,
    answer: Arc<Mutex<Vec<IpAddr>>>,
    wakes: Wakes,
}

impl Asking {
    async fn on_and_on(self) {
        let mut retry = RETRY.0;
        loop {
            let place = self.places.acquire().await;
            let found = first(&self.resolver, &self.names).await;
            drop(place);
            let pause = match found {
                Some((mut addresses, valid)) => {
                    addresses.sort_unstable();
                    addresses.dedup();
                    if replace(&self.answer, addresses) {
                        self.wakes.send(Wake::discovered());
                    }
                    retry = RETRY.0;
                    valid.clamp(TTL.0, TTL.1)
                }
                None => {
                    let pause = retry;
                    retry = (retry * 2).min(RETRY.1);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Whether the answer is another one now.
fn replace(answer: &Mutex<Vec<IpAddr>>, addresses: Vec<IpAddr>) -> bool {
    let mut known = answer.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = *known != addresses;
    *known = addresses;
    changed
}

async fn first(resolver: &TokioResolver, names: &[String]) -> Option<(Vec<IpAddr>, Duration)> {
    for name in names {
        match resolver.lookup_ip(name.as_str()).await {
            Ok(found) => {
                let addresses: Vec<IpAddr> = found.iter().collect();
                if !addresses.is_empty() {
                    let valid = found
                        .valid_until()
                        .saturating_duration_since(Instant::now());
                    return Some((addresses, valid));
                }
            }
            Err(error) => debug!(name, %error, "no address found"),
        }
    }
    None
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
        let (wakes, _receiver) = crate::watch::wakes();
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
            let (wakes, _receiver) = crate::watch::wakes();
            let mut discovery = Discovery::new(vec![fixed.expect("well formed")], echo, wakes);
            let found = discovery
                .find(&[(key.clone(), wanted.clone())].into())
                .await;
            assert_eq!(found.contains_key(&key), echo, "{found:?}");
        }
    }

    #[test]
    fn no_answer_is_kept_longer_than_until_it_is_asked_for_again() {
        let mut options = ResolverOpts::default();
        limit(&mut options);
        assert_eq!(options.negative_max_ttl, Some(RETRY.0));
        assert_eq!(options.positive_max_ttl, Some(TTL.1));
    }
}
