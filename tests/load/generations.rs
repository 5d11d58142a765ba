//! A configuration that changes as a whole, and whose generation is visible in the answers.

use crate::support::backend::TestBackend;
use crate::support::client::{Client, Response};
use crate::support::daemon::Daemon;
use crate::support::eventually;
use crate::support::folder::Folder;
use crate::support::load::{Judge, Load, LoadTarget, Plan};
use crate::support::manifests::{endpoint_slice, gateway_with, service};
use crate::support::tls::{Authority, Pair, secret};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const HOST: &str = "www.example.com";
/// The response header with the generation.
const GENERATION: &str = "x-generation";
/// Each generation uses two of them, so that consecutive generations have none in common.
const BACKENDS: [&str; 6] = ["ash", "birch", "cedar", "elm", "fir", "gum"];
const CERTIFICATES: usize = 5;

/// An HTTP and an HTTPS listener, which never change.
pub const LISTENERS: &str = "    - {name: http, protocol: HTTP, port: 80}
    - {name: https, protocol: HTTPS, port: 443, tls: {certificateRefs: [{name: cert}]}}\n";

/// A folder whose file `generation.yaml` changes, and the data to judge its answers.
pub struct NumberedGenerations {
    pub folder: Folder,
    pub authority: Authority,
    backends: Vec<TestBackend>,
    pairs: Vec<Pair>,
    progress: Arc<GenerationProgress>,
}

/// The newest written generation, and the newest one that is known to be in force.
struct GenerationProgress {
    written: AtomicU64,
    in_force: AtomicU64,
    certificates: Vec<Vec<u8>>,
}

/// Accepts answers of exactly one generation that is not outdated.
struct ByGeneration(Arc<GenerationProgress>);

impl NumberedGenerations {
    /// Creates the folder with the first generation.
    pub fn new() -> Self {
        let authority = Authority::new();
        let pairs: Vec<_> = (0..CERTIFICATES).map(|_| authority.issue(HOST)).collect();
        let generations = NumberedGenerations {
            folder: Folder::with([("gateway.yaml", gateway_with(LISTENERS))]),
            backends: BACKENDS.map(TestBackend::start).into(),
            progress: Arc::new(GenerationProgress {
                written: AtomicU64::new(0),
                in_force: AtomicU64::new(0),
                certificates: pairs.iter().map(|pair| pair.der.clone()).collect(),
            }),
            authority,
            pairs,
        };
        generations
            .folder
            .write("generation.yaml", generations.manifests(0));
        generations
    }

    /// A plan without clients for a daemon with this folder.
    pub fn plan(&self, daemon: &Daemon) -> Plan {
        self.plan_at(daemon.socket(80), daemon)
    }

    /// Starts one client of every kind for a daemon with this folder.
    #[track_caller]
    pub fn load(&self, daemon: &Daemon) -> Load {
        self.plan(daemon).every_kind().start(self.judge())
    }

    /// A plan without clients, with another listener without TLS.
    pub fn plan_at(&self, plain: SocketAddr, daemon: &Daemon) -> Plan {
        Plan::to(LoadTarget {
            plain,
            tls: daemon.socket(443),
            host: HOST.to_owned(),
            trust: Some(self.authority.trust()),
        })
    }

    /// The judge of the answers.
    pub fn judge(&self) -> impl Judge {
        ByGeneration(self.progress.clone())
    }

    /// All manifests of a generation in one file, so that they change together.
    pub fn manifests(&self, generation: u64) -> String {
        let [blue, green] = at(generation).map(|at| self.backends[at].address());
        let pair = &self.pairs[generation as usize % CERTIFICATES];
        let (one, two) = weights(generation);
        let route = format!(
            "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: www
spec:
  parentRefs:
    - name: edge
  hostnames:
    - {HOST}
  rules:
    - matches:
        - path: {{type: Exact, value: /only-in-{generation}}}
      backendRefs:
        - {{name: blue, port: 3000}}
    - filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier:
            set: [{{name: {GENERATION}, value: \"{generation}\"}}]
      backendRefs:
        - {{name: blue, port: 3000, weight: {one}}}
        - {{name: green, port: 3000, weight: {two}}}
"
        );
        let documents = [
            route,
            service("blue"),
            service("green"),
            endpoint_slice("blue", blue),
            endpoint_slice("green", green),
            secret("cert", &pair.certificate, &pair.key),
        ];
        documents.join("---\n")
    }

    /// Writes the next generation.
    pub fn write_next(&self, load: &Load) -> u64 {
        let next = self.announce();
        self.folder.write("generation.yaml", self.manifests(next));
        load.changed(format!("generation {next} was written"));
        next
    }

    /// Announces that the next generation may appear from now on. The caller writes it.
    pub fn announce(&self) -> u64 {
        self.progress.written.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Waits until a generation answers. From then on, no older generation may answer.
    #[track_caller]
    pub fn wait_for(&self, generation: u64, probe: &mut Client) {
        eventually(&format!("generation {generation} is in force"), || {
            let answer = probe
                .get(HOST, "/", &[])
                .expect("the probe's connection must stay open");
            (answer.header(GENERATION) == Some(&generation.to_string())).then_some(())
        });
        self.progress
            .in_force
            .fetch_max(generation, Ordering::SeqCst);
    }
}

/// The backends of the two Services.
fn at(generation: u64) -> [usize; 2] {
    [2 * generation, 2 * generation + 1].map(|at| at as usize % BACKENDS.len())
}

fn weights(generation: u64) -> (u64, u64) {
    (1 + generation % 3, generation % 4)
}

impl Judge for ByGeneration {
    fn before(&self) -> u64 {
        self.0.in_force.load(Ordering::SeqCst)
    }

    fn judge(&self, answer: &Response, certificate: &[u8], before: u64) -> Result<(), String> {
        let possible = before..=self.0.written.load(Ordering::SeqCst);
        let backend = answer.text();
        let named = answer.header(GENERATION).and_then(|it| it.parse().ok());
        let Some(generation) = named.filter(|_| answer.status == 200) else {
            return Err(format!(
                "status {} without a generation: {backend:?}",
                answer.status
            ));
        };
        if !possible.contains(&generation) {
            return Err(format!(
                "generation {generation}, but {possible:?} were possible"
            ));
        }
        let [blue, green] = at(generation).map(|at| BACKENDS[at]);
        let green = Some(green).filter(|_| weights(generation).1 > 0);
        if backend != blue && Some(backend.as_str()) != green {
            return Err(format!(
                "headers of generation {generation} with an answer of {backend}"
            ));
        }
        let fits = |at: u64| self.0.certificates[at as usize % CERTIFICATES] == certificate;
        if !certificate.is_empty() && !possible.clone().any(fits) {
            return Err(format!(
                "a certificate of none of the generations {possible:?}"
            ));
        }
        Ok(())
    }
}
