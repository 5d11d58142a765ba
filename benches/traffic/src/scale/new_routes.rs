//! The time until a new route answers, in a new file among thousands of others, under load.

use super::{NewRoutes, megabytes, titles};
use crate::scratch::Scratch;
use crate::support::client::Client;
use crate::support::load::ClientKind;
use crate::support::manifests::{endpoint_slice, gateway, route, route_with_rules, service};
use crate::under_load::{UnderLoad, Write};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The numbers of routes, with the target for the 99th percentile in milliseconds.
const SIZES: [(usize, f64); 2] = [(3_000, 10.0), (10_000, 30.0)];
const NEW: usize = 200;
/// The host of the load.
const HOST: &str = "one.example.com";

/// Prints the figures.
///
/// # Errors
/// If something can't be started, or a new route doesn't answer.
pub fn measure(gatefold: &Path, backend: SocketAddr) -> anyhow::Result<()> {
    println!("\nFrom the write of a new file to the first answer of its route, {NEW} new routes");
    println!(
        "{:>7}  {:<9} {}  {:>6}  failed    MB",
        "routes",
        "write",
        titles(),
        "target"
    );
    for (routes, target) in SIZES {
        for write in Write::ALL {
            let folder = folder(routes, backend)?;
            let mut daemon =
                UnderLoad::start(gatefold, folder.path(), ClientKind::Kept, HOST, None)?;
            let mut probe = Client::connect(daemon.server.target.plain)?;
            let mut wrong = 0;
            let new = NewRoutes::measure(&mut daemon, NEW, |daemon, number| {
                let number = routes + number;
                let change = || write.write(folder.path(), &file(number), &host_route(number));
                daemon.time(&format!("route {number}"), change, || {
                    let answer = probe.get(&host(number), &format!("/{number}"), &[])?;
                    // Until the route is in force there is no route, never a broken one.
                    wrong += usize::from(!matches!(answer.status, 200 | 404));
                    Ok(answer.status == 200)
                })
            })?;
            let memory = megabytes(&daemon.server)?;
            let failed = daemon.finish().failed() + wrong;
            let (name, columns) = (write.name(), new.columns());
            println!("{routes:>7}  {name:<9} {columns}  {target:>6}  {failed:>6} {memory:>5.0}");
        }
    }
    Ok(())
}

/// A Gateway with this number of routes, each in its own file, and the route of the load.
pub(super) fn folder(routes: usize, backend: SocketAddr) -> anyhow::Result<Scratch> {
    let folder = Scratch::new()?;
    let one = [
        gateway(),
        service("one"),
        endpoint_slice("one", backend),
        route("one", HOST),
    ];
    fs::write(folder.path().join("base.yaml"), one.join("---\n"))?;
    for number in 0..routes {
        fs::write(folder.path().join(file(number)), host_route(number))?;
    }
    Ok(folder)
}

pub(super) fn file(number: usize) -> String {
    format!("route-{number}.yaml")
}

fn host(number: usize) -> String {
    format!("{number}-route.example.com")
}

/// A route with a hostname of its own, two rules and two filters, as in the original. The original's second rule names a Service
/// that doesn't exist.
pub(super) fn host_route(number: usize) -> String {
    let rule = |path: &str| {
        format!(
            "    - matches:
        - path: {{type: PathPrefix, value: {path}}}
      filters:
        - type: RequestHeaderModifier
          requestHeaderModifier: {{add: [{{name: added-header, value: added-value}}]}}
        - type: ResponseHeaderModifier
          responseHeaderModifier: {{add: [{{name: added-resp-header, value: added-resp-value}}]}}
      backendRefs:
        - {{name: one, port: 3000}}
"
        )
    };
    let rules = rule(&format!("/{number}")) + &rule("/");
    route_with_rules(&format!("route-{number}"), &host(number), &rules)
}
