//! The time from a file's write to the new answer, by the number of routes (one file each), under continuous load.

use crate::backend;
use crate::figures::quantile;
use crate::scratch::Scratch;
use crate::support::client::Client;
use crate::support::load::{ClientKind, Report};
use crate::support::manifests::{endpoint_slice, gateway, service};
use crate::under_load::{CLIENTS, UnderLoad, Write, introduction};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

const HOST: &str = "www.example.com";
/// The number of routes, and the target for the 99th percentile in milliseconds.
const SIZES: [(usize, Option<f64>); 3] = [(1, None), (3_000, Some(10.0)), (10_000, Some(30.0))];
const EDITS: usize = 400;

/// Prints the figures.
///
/// # Errors
/// If something can't be started, or an edit has no effect.
pub fn measure(gatefold: &Path) -> anyhow::Result<()> {
    println!("From a file's write to the new answer, {EDITS} edits each, in milliseconds");
    introduction();
    println!(
        "{:>7}  {:<9} {:>7} {:>7} {:>7} {:>7}  {:<10} failed  cut",
        "routes", "write", "p50", "p90", "p99", "worst", "target p99"
    );
    let backend = backend::start()?;
    for (routes, target) in SIZES {
        for write in Write::ALL {
            let folder = folder(routes, backend)?;
            let (times, report) = edits(gatefold, folder.path(), routes, write)?;
            let [p50, p90, p99, worst] = [0.5, 0.9, 0.99, 1.0].map(|share| quantile(&times, share));
            let (name, kept) = (write.name(), report.of(ClientKind::Kept));
            println!(
                "{routes:>7}  {name:<9} {p50:>7.1} {p90:>7.1} {p99:>7.1} {worst:>7.1}  {:<10} {:>6} {:>4}",
                verdict(p99, target),
                report.failed(),
                kept.connections - CLIENTS,
            );
        }
    }
    Ok(())
}

fn verdict(p99: f64, target: Option<f64>) -> String {
    match target {
        None => "-".to_owned(),
        Some(target) if p99 <= target => format!("{target} met"),
        Some(target) => format!("{target} missed"),
    }
}

fn folder(routes: usize, backend: SocketAddr) -> anyhow::Result<Scratch> {
    let folder = Scratch::new()?;
    let documents = [gateway(), service("one"), endpoint_slice("one", backend)];
    fs::write(folder.path().join("base.yaml"), documents.join("---\n"))?;
    for number in 0..routes {
        fs::write(folder.path().join(file(number)), route(number, 0))?;
    }
    Ok(folder)
}

fn file(number: usize) -> String {
    format!("route-{number}.yaml")
}

/// The first route also matches all requests that no other route matches, such as those of the load.
fn route(number: usize, edit: usize) -> String {
    let all = if number == 0 {
        "- path: {type: PathPrefix, value: /}"
    } else {
        ""
    };
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: route-{number}
spec:
  parentRefs:
    - name: edge
  hostnames:
    - {HOST}
  rules:
    - matches:
        - path: {{type: PathPrefix, value: /route-{number}}}
        {all}
      filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier:
            set: [{{name: x-edit, value: \"{edit}\"}}]
      backendRefs:
        - {{name: one, port: 3000}}
"
    )
}

/// Edits routes one after the other, spread over all of them. Returns the times in milliseconds, and the load's report.
fn edits(
    gatefold: &Path,
    folder: &Path,
    routes: usize,
    write: Write,
) -> anyhow::Result<(Vec<f64>, Report)> {
    let mut daemon = UnderLoad::start(gatefold, folder, ClientKind::Kept, HOST, None)?;
    let mut probe = Client::connect(daemon.server.target.plain)?;
    let mut times = Vec::with_capacity(EDITS);
    for edit in 1..=EDITS {
        let number = edit * 7919 % routes;
        let change = || write.write(folder, &file(number), &route(number, edit));
        let (path, wanted) = (format!("/route-{number}"), edit.to_string());
        let time = daemon.time(&format!("edit {edit} of route {number}"), change, || {
            let answer = probe.get(HOST, &path, &[])?;
            Ok(answer.header("x-edit") == Some(&wanted))
        })?;
        times.push(time);
    }
    Ok((times, daemon.finish()))
}
