//! Keys that have to be fetched for SecurityPolicies (`remoteJWKS`).
//!
//! In: the providers of the evaluated policies. Out: a node for each place of keys, with the endpoints to connect to. Providers
//! that name the same place share the keys, and so do the nodes of successive graphs. Fetching is up to the daemon.

use super::backend_tls::BackendTlsNode;
use crate::Build;
use crate::backend::endpoints::{ServicePortKey, ServicePorts, tcp_port};
use crate::backend::service::backend_tls;
use gatefold_dataplane::filter::security::jwt::remote_keys::RemoteKeys;
use gatefold_diagnostic::{Place, ResourceId};
use http::Uri;
use rustls_pki_types::CertificateDer;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The place of keys. Equal places have the same keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JwksSource {
    /// The URL.
    pub uri: String,
    /// The Services to connect to. Empty for the host of the URL.
    pub services: Vec<JwksService>,
}

/// A Service with keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JwksService {
    /// Its port.
    pub port: ServicePortKey,
    /// Its share of the fetches, relative to the sum of all weights.
    pub weight: u32,
    /// Whether it is only used if the others fail.
    pub fallback: bool,
}

/// The keys at a place, and how to fetch them. If providers differ in the times, the shortest are used.
#[derive(Clone, Debug)]
pub struct RemoteJwksNode {
    /// The URL: its scheme is `http` or `https`, and it has a host.
    pub uri: Uri,
    /// The keys, which the daemon puts there.
    pub keys: Arc<RemoteKeys>,
    /// When to fetch.
    pub schedule: FetchSchedule,
    /// The endpoints of each Service of the source.
    pub endpoints: Vec<JwksEndpoints>,
    /// The authorities that the system trusts, for an `https` URL. `None` if it has none.
    pub authorities: Option<Arc<[CertificateDer<'static>]>>,
    /// Where the providers name the place.
    pub named_at: Vec<(Place, ResourceId)>,
}

/// When keys are fetched, and how long a fetch may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchSchedule {
    /// The time from a successful fetch to the next one (API: `cacheDuration`).
    pub refresh: Duration,
    /// The time from a failed fetch to the next one (API: `failedRefetchDuration`). `None` for pauses that grow.
    pub retry: Option<Duration>,
    /// The time limit for connecting (API: `backendSettings.timeout.tcp.connectTimeout`).
    pub connect: Duration,
    /// The time limit of a fetch (API: `backendSettings.timeout.http.requestTimeout`).
    pub total: Duration,
}

/// The endpoints of a Service with keys.
#[derive(Clone, Debug, PartialEq)]
pub struct JwksEndpoints {
    /// Their addresses.
    pub addresses: Arc<[SocketAddr]>,
    /// How connections to them are secured.
    pub tls: BackendTlsNode,
}

impl JwksSource {
    /// Returns the ports of its Services.
    pub fn service_ports(&self) -> impl Iterator<Item = &ServicePortKey> {
        self.services.iter().map(|service| &service.port)
    }
}

impl FetchSchedule {
    /// Returns the shorter one of each time.
    fn shortest(self, other: FetchSchedule) -> FetchSchedule {
        let retries = self.retry.into_iter().chain(other.retry);
        FetchSchedule {
            refresh: self.refresh.min(other.refresh),
            retry: retries.min(),
            connect: self.connect.min(other.connect),
            total: self.total.min(other.total),
        }
    }
}

/// The URL, and the Services if there are any.
impl fmt::Display for JwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)?;
        for (index, service) in self.services.iter().enumerate() {
            let separator = if index == 0 { " at" } else { "," };
            let (name, port) = &service.port;
            write!(f, "{separator} {name}:{port}")?;
            if service.weight != 1 {
                write!(f, " x{}", service.weight)?;
            }
            if service.fallback {
                f.write_str(" as fallback")?;
            }
        }
        Ok(())
    }
}

/// The keys that the policies of a graph need. Collected while policies are evaluated.
#[derive(Default)]
pub(super) struct KeySets<'a> {
    before: Option<&'a BTreeMap<JwksSource, RemoteJwksNode>>,
    found: RefCell<BTreeMap<JwksSource, RemoteJwksNode>>,
}

impl<'a> KeySets<'a> {
    /// Continues with the keys of the previous graph.
    pub(super) fn after(before: &'a BTreeMap<JwksSource, RemoteJwksNode>) -> Self {
        KeySets {
            before: Some(before),
            found: RefCell::default(),
        }
    }

    /// Adds a provider's keys, and returns where they will be.
    pub(super) fn add(
        &self,
        source: JwksSource,
        (uri, schedule): (Uri, FetchSchedule),
        named_at: (Place, ResourceId),
    ) -> Arc<RemoteKeys> {
        let before = self.before.and_then(|before| before.get(&source));
        let mut found = self.found.borrow_mut();
        let node = found.entry(source).or_insert_with(|| RemoteJwksNode {
            uri,
            keys: before.map(|it| it.keys.clone()).unwrap_or_default(),
            schedule,
            endpoints: Vec::new(),
            authorities: None,
            named_at: Vec::new(),
        });
        node.schedule = node.schedule.shortest(schedule);
        if !node.named_at.contains(&named_at) {
            node.named_at.push(named_at);
        }
        node.keys.clone()
    }

    pub(super) fn take(&self) -> BTreeMap<JwksSource, RemoteJwksNode> {
        self.found.take()
    }
}

/// Returns the keys that the policies need, with the endpoints to connect to. Policies must have been evaluated.
pub(crate) fn resolve<'a>(
    ports: &mut ServicePorts<'a>,
    build: &Build<'a>,
) -> BTreeMap<JwksSource, RemoteJwksNode> {
    let mut nodes = build.security.take_key_sets();
    for (source, node) in &mut nodes {
        let endpoints = source.service_ports().map(|key| {
            let service = build.resources.services.get(&key.0);
            let port = service.and_then(|service| Some((service, tcp_port(service, key.1)?)));
            let resolved = ports.look_up(key, port);
            JwksEndpoints {
                addresses: resolved.endpoints.clone(),
                tls: backend_tls(&key.0, &resolved, build),
            }
        });
        node.endpoints = endpoints.collect();
        node.authorities = build.environment.system_authorities.clone();
    }
    nodes
}
