//! 5,000 routes of one Gateway, until its status says so: loaded at the start, written while gatefold runs, and removed.

use super::new_routes::{file, folder, host_route};
use super::{megabytes, wait_for_attached_routes};
use crate::process::{MeasuredServer, Run};
use crate::support::load::LoadTarget;
use crate::under_load::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

const ROUTES: usize = 5_000;
/// Prints the figures.
///
/// # Errors
/// If gatefold can't be started, or its status doesn't become right.
pub fn measure(gatefold: &Path, backend: SocketAddr) -> anyhow::Result<()> {
    println!(
        "\n{ROUTES} routes of one Gateway, each in its own file, until attachedRoutes is right"
    );
    println!("{:<30} {:>8} {:>8} {:>5}", "", "s", "cpu s", "MB");
    let all = folder(ROUTES, backend)?;
    let began = Instant::now();
    let server = start(gatefold, all.path())?;
    wait_for(&server, ROUTES)?;
    print(
        "loaded at the start",
        began,
        server.processor_seconds()?,
        &server,
    )?;
    drop(server);

    let few = folder(0, backend)?;
    let server = start(gatefold, few.path())?;
    wait_for(&server, 0)?;
    let (began, before) = (Instant::now(), server.processor_seconds()?);
    for number in 0..ROUTES {
        Write::Renamed.write(few.path(), &file(number), &host_route(number))?;
    }
    let written = began.elapsed();
    wait_for(&server, ROUTES)?;
    print(
        "written while it runs",
        began,
        server.processor_seconds()? - before,
        &server,
    )?;

    let (began, before) = (Instant::now(), server.processor_seconds()?);
    for number in 0..ROUTES {
        fs::remove_file(few.path().join(file(number)))?;
    }
    let removed = began.elapsed();
    wait_for(&server, 0)?;
    print(
        "removed while it runs",
        began,
        server.processor_seconds()? - before,
        &server,
    )?;
    println!("Writing the files alone took {written:.2?}, removing them {removed:.2?}");
    Ok(())
}

fn start(gatefold: &Path, folder: &Path) -> anyhow::Result<MeasuredServer> {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let target = LoadTarget {
        plain: nowhere,
        tls: nowhere,
        host: String::new(),
        trust: None,
    };
    MeasuredServer::gatefold(gatefold, folder, target, Run::Plain)
}

/// Waits until the Gateway says that this number of routes is attached, besides the route of the load.
fn wait_for(server: &MeasuredServer, routes: usize) -> anyhow::Result<()> {
    wait_for_attached_routes(server, "gateways/edge", routes + 1)
}

fn print(what: &str, began: Instant, cpu: f64, server: &MeasuredServer) -> anyhow::Result<()> {
    let took = began.elapsed().as_secs_f64();
    let memory = megabytes(server)?;
    println!("{what:<30} {took:>8.2} {cpu:>8.2} {memory:>5.0}");
    Ok(())
}
