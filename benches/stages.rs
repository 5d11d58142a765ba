//! The time of each stage of a reload after one changed file, by the number of routes (one file each).
//!
//! Run with `./x bench stages`; it prints the median and the maximum of a number of edits. `scan` is the regular scan of all
//! files, which an edit does not wait for. The daemon does not run here: `./x bench reload` measures the time from a write
//! to the new answer.

use gatefold::reload::Changes;
use gatefold::status::{Applied, Statuses, report};
use gatefold_compile::Compiler;
use gatefold_dataplane::Snapshot;
use gatefold_graph::{Environment, Graph, build_after};
use gatefold_manifest::{Loaded, Loader, Update, scan};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SIZES: [usize; 3] = [1, 1_000, 10_000];
const EDITS: usize = 40;

fn main() {
    for size in SIZES {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write_all(folder.path(), size);
        let mut times = edits(folder.path(), size);
        println!("{size} routes, one file each; one of them has changed:");
        for (stage, taken) in &mut times {
            taken.sort_unstable();
            let median = taken.get(taken.len() / 2).copied().unwrap_or_default();
            let worst = taken.last().copied().unwrap_or_default();
            println!(
                "    {stage:<10} {:>8} ms, at most {:>8} ms",
                milliseconds(median),
                milliseconds(worst)
            );
        }
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// The measured stages, in the order of their marks.
const STAGES: [&str; 7] = [
    "scan", "load", "build", "compare", "compile", "report", "drop",
];

/// Runs the stages once for each edit.
fn edits(folder: &Path, size: usize) -> Vec<(&'static str, Vec<Duration>)> {
    let mut reload = StagedReload::new(folder);
    let mut times = STAGES.map(|stage| (stage, Vec::new()));
    for edit in 0..EDITS {
        let file = write_route(folder, edit * 7919 % size, &format!("/edit-{edit}"));
        let marks = reload.reload(folder, file);
        for ((_, taken), pair) in times.iter_mut().zip(marks.windows(2)) {
            taken.push(pair[1] - pair[0]);
        }
    }
    times.into()
}

/// The state that the daemon keeps between reloads.
struct StagedReload {
    environment: Environment,
    loader: Loader,
    loaded: Loaded,
    graph: Graph,
    compiler: Compiler,
    snapshot: Snapshot,
    statuses: Statuses,
}

impl StagedReload {
    /// Loads a folder for the first time.
    fn new(folder: &Path) -> Self {
        let environment = Environment {
            reachable: vec![Ipv4Addr::LOCALHOST.into()],
            ..Environment::default()
        };
        let mut loader = Loader::new([folder.to_owned()]);
        let loaded = loader.load();
        let graph = build_after(&Graph::default(), &loaded.resources, &environment);
        let mut compiler = Compiler::default();
        let snapshot = compiler.compile(&graph);
        StagedReload {
            environment,
            loader,
            loaded,
            graph,
            compiler,
            snapshot,
            statuses: Statuses::default(),
        }
    }

    /// Runs the stages like the daemon after a changed file. Returns the times before and after each stage.
    fn reload(&mut self, folder: &Path, file: PathBuf) -> Vec<Instant> {
        let mut marks = vec![Instant::now()];
        let _ = scan(&[folder.to_owned()]);
        marks.push(Instant::now());
        let next = changed(self.loader.update_files(&[file].into()));
        marks.push(Instant::now());
        let built = build_after(&self.graph, &next.resources, &self.environment);
        marks.push(Instant::now());
        let changes = Changes::between(&self.loaded.resources, &next.resources);
        marks.push(Instant::now());
        let compiled = self.compiler.compile(&built);
        marks.push(Instant::now());
        let applied = Applied::default();
        let reported = report(&built, &applied, &self.statuses, OffsetDateTime::UNIX_EPOCH);
        marks.push(Instant::now());
        assert_eq!(changes.changed.len(), 1, "one route must have changed");
        self.graph = built;
        self.loaded = next;
        self.snapshot = compiled;
        self.statuses = reported;
        marks.push(Instant::now());
        marks
    }
}

fn changed(update: Update) -> Loaded {
    match update {
        Update::New(loaded) => loaded,
        Update::Same => panic!("a file has changed"),
    }
}

fn write_all(folder: &Path, size: usize) {
    let gateway = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {gatewayClassName: any, listeners: [{name: http, protocol: HTTP, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: 3000}]
";
    fs::write(folder.join("gateway.yaml"), gateway).expect("written");
    for route in 0..size {
        write_route(folder, route, "/");
    }
}

fn write_route(folder: &Path, route: usize, path: &str) -> PathBuf {
    let text = format!(
        "\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: route-{route}
spec:
  parentRefs:
    - name: edge
  hostnames:
    - host-{route}.example.com
  rules:
    - matches:
        - path: {{type: PathPrefix, value: {path}}}
      backendRefs:
        - name: shop
          port: 80
"
    );
    let (new, file) = (
        folder.join(".new"),
        folder.join(format!("route-{route:05}.yaml")),
    );
    fs::write(&new, text).expect("written");
    fs::rename(&new, &file).expect("renamed");
    file
}
