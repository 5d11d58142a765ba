//! What one changed file costs, stage by stage, by the number of routes (one file each).
//!
//! `./x bench stages`: the middle and the worst of a number of edits. `look` is the regular look at all files, which an
//! edit doesn't wait for. Nothing of the daemon runs: how long it takes from a write to a new answer, `./x bench
//! reload` measures.

use gatefold::reload::Changes;
use gatefold::status::{Applied, Statuses, report};
use gatefold_compile::Compiler;
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
        println!("{size} routes, one file each; after one of them has changed:");
        for (stage, taken) in &mut times {
            taken.sort_unstable();
            let middle = taken.get(taken.len() / 2).copied().unwrap_or_default();
            let worst = taken.last().copied().unwrap_or_default();
            println!(
                "    {stage:<10} {:>8} ms, at most {:>8} ms",
                milliseconds(middle),
                milliseconds(worst)
            );
        }
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

/// The stages as the daemon runs them, again and again.
fn edits(folder: &Path, size: usize) -> Vec<(&'static str, Vec<Duration>)> {
    let environment = Environment {
        reachable: vec![Ipv4Addr::LOCALHOST.into()],
        ..Environment::default()
    };
    let mut loader = Loader::new([folder.to_owned()]);
    let mut loaded = loader.load();
    let mut graph = build_after(&Graph::default(), &loaded.resources, &environment);
    let mut compiler = Compiler::default();
    let mut snapshot = compiler.compile(&graph);
    let mut statuses = Statuses::default();
    let stages = [
        "look", "load", "build", "compare", "compile", "report", "drop",
    ];
    let mut times = stages.map(|stage| (stage, Vec::new()));
    for edit in 0..EDITS {
        let file = write_route(folder, edit * 7919 % size, &format!("/edit-{edit}"));
        let mut marks = vec![Instant::now()];
        let _ = scan(&[folder.to_owned()]);
        marks.push(Instant::now());
        let next = changed(loader.update_files(&[file].into()));
        marks.push(Instant::now());
        let built = build_after(&graph, &next.resources, &environment);
        marks.push(Instant::now());
        let changes = Changes::between(&loaded.resources, &next.resources);
        marks.push(Instant::now());
        let compiled = compiler.compile(&built);
        marks.push(Instant::now());
        let reported = report(
            &built,
            &Applied::default(),
            &statuses,
            OffsetDateTime::UNIX_EPOCH,
        );
        marks.push(Instant::now());
        assert_eq!(changes.changed.len(), 1, "one route has changed");
        drop((
            std::mem::replace(&mut graph, built),
            std::mem::replace(&mut loaded, next),
        ));
        drop((
            std::mem::replace(&mut snapshot, compiled),
            std::mem::replace(&mut statuses, reported),
        ));
        marks.push(Instant::now());
        for ((_, taken), pair) in times.iter_mut().zip(marks.windows(2)) {
            taken.push(pair[1] - pair[0]);
        }
    }
    times.into()
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
