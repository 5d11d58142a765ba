//! 40,000 routes of 2,500 ListenerSets, each with an HTTPS listener of its own hostname: the time to load them, and until a new
//! route of one of them answers.

use super::{NewRoutes, attached_routes, megabytes, objects, titles, wait_for_attached_routes};
use crate::process::{MeasuredServer, Run};
use crate::scratch::Scratch;
use crate::support::load::{ClientKind, LoadTarget};
use crate::support::manifests::{endpoint_slice, gateway, route_with_rules, service};
use crate::support::tls::{Authority, secret};
use crate::under_load::{UnderLoad, Write};
use anyhow::{Context as _, bail};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

const SETS: usize = 2_500;
const ROUTES_OF_A_SET: usize = 16;
const NEW: usize = 50;

/// Prints the figures.
///
/// # Errors
/// If gatefold can't be started, or a new route doesn't answer.
pub fn measure(gatefold: &Path, backend: SocketAddr) -> anyhow::Result<()> {
    let routes = SETS * ROUTES_OF_A_SET;
    println!(
        "\n{routes} routes of {SETS} ListenerSets with HTTPS listeners, a file for each ListenerSet"
    );
    let authority = Authority::new();
    let folder = folder(&authority, backend)?;
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let target = LoadTarget {
        plain: nowhere,
        tls: nowhere,
        host: host(0),
        trust: Some(authority.trust()),
    };
    let began = Instant::now();
    let mut server = MeasuredServer::gatefold(gatefold, folder.path(), target, Run::Plain)?;
    server.wait_for(server.target.tls)?;
    // All statuses are published at once.
    let last = format!("listenersets/set-{}", SETS - 1);
    wait_for_attached_routes(&server, &last, ROUTES_OF_A_SET)?;
    let (took, cpu) = (began.elapsed(), server.processor_seconds()?);
    let sets = objects(&server, "listenersets")?;
    let sets = sets["items"].as_array().context("a list of ListenerSets")?;
    let attached: u64 = sets.iter().map(attached_routes).sum();
    if attached != routes as u64 {
        bail!("attachedRoutes of all ListenerSets is {attached}");
    }
    println!(
        "ready after {took:.2?}, {cpu:.2} s of processor time, {:.0} MB",
        megabytes(&server)?
    );
    let mut daemon = UnderLoad::of(server, ClientKind::TlsKept);
    let new = NewRoutes::measure(&mut daemon, NEW, |daemon, number| {
        add(daemon, &authority, folder.path(), number)
    })?;
    let memory = megabytes(&daemon.server)?;
    let failed = daemon.finish().failed();
    println!("{}  failed    MB", titles());
    println!("{}  {failed:>6} {memory:>5.0}", new.columns());
    Ok(())
}

/// Adds a route to one of the ListenerSets, and returns the time until it answers, in milliseconds.
fn add(
    daemon: &mut UnderLoad,
    authority: &Authority,
    folder: &Path,
    number: usize,
) -> anyhow::Result<f64> {
    let set = number * 7919 % SETS;
    let (host, path) = (host(set), format!("/new-{number}"));
    let (mut probe, _) = authority.connect(daemon.server.target.tls, &host)?;
    let text = route(&format!("new-{number}"), set, &path);
    let change = || Write::Renamed.write(folder, &format!("new-{number}.yaml"), &text);
    daemon.time(&format!("new route {number}"), change, || {
        match probe.get(&host, &path, &[])?.status {
            200 => Ok(true),
            404 => Ok(false),
            status => Err(io::Error::other(format!("status {status}"))),
        }
    })
}

fn folder(authority: &Authority, backend: SocketAddr) -> anyhow::Result<Scratch> {
    let folder = Scratch::new()?;
    let pair = authority.issue("*.example.com");
    let base = [
        gateway() + "  allowedListeners: {namespaces: {from: Same}}\n",
        service("one"),
        endpoint_slice("one", backend),
        secret("cert", &pair.certificate, &pair.key),
        // The host of the load.
        route("one", 0, "/"),
    ];
    fs::write(folder.path().join("base.yaml"), base.join("---\n"))?;
    for set in 0..SETS {
        let mut documents = vec![listener_set(set)];
        for number in 0..ROUTES_OF_A_SET {
            let name = format!("route-{set}-{number}");
            documents.push(route(&name, set, &format!("/{number}")));
        }
        // The load's route is one of its set.
        if set == 0 {
            documents.pop();
        }
        fs::write(
            folder.path().join(format!("set-{set}.yaml")),
            documents.join("---\n"),
        )?;
    }
    Ok(folder)
}

fn host(set: usize) -> String {
    format!("set-{set}.example.com")
}

fn listener_set(set: usize) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata:
  name: set-{set}
spec:
  parentRef: {{name: edge}}
  listeners:
    - name: https
      hostname: {}
      protocol: HTTPS
      port: 443
      tls: {{certificateRefs: [{{name: cert}}]}}
",
        host(set)
    )
}

/// A route of a ListenerSet for requests below a path.
fn route(name: &str, set: usize, path: &str) -> String {
    let rules = format!(
        "    - matches:
        - path: {{type: PathPrefix, value: {path}}}
      backendRefs:
        - {{name: one, port: 3000}}
"
    );
    route_with_rules(name, &host(set), &rules).replace(
        "    - name: edge\n",
        &format!("    - {{kind: ListenerSet, name: set-{set}}}\n"),
    )
}
