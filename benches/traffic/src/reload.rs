//! The time from a file's write to the new answer, by the number of routes (one file each), under continuous load.

use crate::backend;
use crate::figures::quantile;
use crate::process::{MeasuredServer, Run};
use crate::scratch::Scratch;
use crate::support::DEADLINE;
use crate::support::client::Client;
use crate::support::load::{Answers200, ClientKind, LoadTarget, Plan, Report};
use crate::support::manifests::{endpoint_slice, gateway, service};
use anyhow::bail;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

const HOST: &str = "www.example.com";
/// The number of routes, and the target for the 99th percentile in milliseconds.
const SIZES: [(usize, Option<f64>); 3] = [(1, None), (1_000, Some(30.0)), (10_000, Some(120.0))];
const EDITS: usize = 200;
/// The load: the number of clients with persistent connections, and the interval between two requests of each.
const CLIENTS: usize = 16;
const PACE: Duration = Duration::from_millis(20);
/// The interval of the probe's requests.
const PROBE: Duration = Duration::from_micros(250);
/// The pause between an answer and the next edit, chosen so that edits happen at all phases of the daemon's regular scans.
const PAUSE: Duration = Duration::from_millis(37);

/// How a file is written.
#[derive(Clone, Copy)]
enum Write {
    /// A temporary file, renamed over the old one.
    Renamed,
    /// The file is truncated and written in place.
    InPlace,
}

/// Prints the figures.
///
/// # Errors
/// If something can't be started, or an edit has no effect.
pub fn measure(gatefold: &Path) -> anyhow::Result<()> {
    println!("From a file's write to the new answer, {EDITS} edits each, in milliseconds");
    println!(
        "{CLIENTS} clients send {:.0} requests per second in total",
        CLIENTS as f64 / PACE.as_secs_f64()
    );
    println!(
        "{:>7}  {:<9} {:>7} {:>7} {:>7}  {:<10} failed  cut",
        "routes", "write", "p50", "p99", "worst", "target p99"
    );
    let backend = backend::start()?;
    for (routes, target) in SIZES {
        for write in [Write::Renamed, Write::InPlace] {
            let folder = folder(routes, backend)?;
            let (times, report) = edits(gatefold, folder.path(), routes, write)?;
            let [p50, p99, worst] = [0.5, 0.99, 1.0].map(|share| quantile(&times, share));
            let (name, kept) = (write.name(), report.of(ClientKind::Kept));
            println!(
                "{routes:>7}  {name:<9} {p50:>7.1} {p99:>7.1} {worst:>7.1}  {:<10} {:>6} {:>4}",
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

impl Write {
    fn name(self) -> &'static str {
        match self {
            Write::Renamed => "renamed",
            Write::InPlace => "in place",
        }
    }

    fn write(self, folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
        let path = folder.join(name);
        match self {
            Write::InPlace => fs::write(path, text),
            Write::Renamed => {
                let temporary = folder.join(format!(".{name}"));
                fs::write(&temporary, text)?;
                fs::rename(temporary, path)
            }
        }
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
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let target = LoadTarget {
        plain: nowhere,
        tls: nowhere,
        host: HOST.to_owned(),
        trust: None,
    };
    let server = MeasuredServer::gatefold(gatefold, folder, target, Run::Plain)?;
    let plan = Plan::to(server.target.clone()).pace(PACE);
    let mut load = plan.clients(ClientKind::Kept, CLIENTS).start(Answers200);
    let mut probe = Client::connect(server.target.plain)?;
    let mut times = Vec::with_capacity(EDITS);
    for edit in 1..=EDITS {
        let number = edit * 7919 % routes;
        let began = Instant::now();
        load.changed(format!("edit {edit}"));
        write.write(folder, &file(number), &route(number, edit))?;
        wait_for(&mut probe, number, edit)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(PAUSE);
    }
    let report = load.stop();
    if report.failed() > 0 {
        println!("{report}");
    }
    Ok((times, report))
}

fn wait_for(probe: &mut Client, number: usize, edit: usize) -> anyhow::Result<()> {
    let end = Instant::now() + DEADLINE;
    let wanted = edit.to_string();
    loop {
        let answer = probe.get(HOST, &format!("/route-{number}"), &[])?;
        if answer.header("x-edit") == Some(&wanted) {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("edit {edit} of route {number} has no effect after {DEADLINE:?}");
        }
        std::thread::sleep(PROBE);
    }
}
