//! Keys that have to be fetched for SecurityPolicies (`remoteJWKS`).
//!
//! In: the providers of the evaluated policies. Out: a node for each place of keys, with the endpoints to connect to. Providers
//! that name the same place share the keys, and so do the nodes of successive graphs. Fetching is up to the daemon.

use super::issuer_backends::{self, IssuerBackend, IssuerEndpoints};
use crate::Build;
use crate::backend::endpoints::{ServicePortKey, ServicePorts};
use gatefold_dataplane::filter::security::jwt::remote_keys::RemoteKeys;
use gatefold_dataplane::issuer_fetch::FetchLimits;
use gatefold_diagnostic::{Place, ResourceId};
use http::Uri;
use rustls_pki_types::CertificateDer;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The place of keys. Equal places have the same keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JwksSource {
    /// The URL.
    pub uri: String,
    /// The Services to connect to. Empty for the host of the URL.
    pub backends: Vec<IssuerBackend>,
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
    pub endpoints: Vec<IssuerEndpoints>,
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
    /// The time limits of a fetch (API: `backendSettings.timeout`).
    pub limits: FetchLimits,
}

impl JwksSource {
    /// Returns the ports of its Services.
    pub fn service_ports(&self) -> impl Iterator<Item = &ServicePortKey> {
        self.backends.iter().map(|backend| &backend.port)
    }
}

impl FetchSchedule {
    /// Returns the shorter one of each time.
    fn shortest(self, other: FetchSchedule) -> FetchSchedule {
        let retries = self.retry.into_iter().chain(other.retry);
        FetchSchedule {
            refresh: self.refresh.min(other.refresh),
            retry: retries.min(),
            limits: self.limits.shorter(other.limits),
        }
    }
}

/// The URL, and the Services if there are any.
impl fmt::Display for JwksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)?;
        issuer_backends::write(&self.backends, f)
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
        node.endpoints = issuer_backends::endpoints(&source.backends, ports, build);
        node.authorities = build.environment.system_authorities.clone();
    }
    nodes
}
