//! What thousands of routes cost, in the scenarios of <https://github.com/howardjohn/gateway-api-bench>: new routes among 3,000
//! and 10,000, 5,000 routes attached to one Gateway, and 40,000 routes of 2,500 ListenerSets.
//!
//! Time runs from the write of a file, where the original's runs from the request to the Kubernetes API.

mod attached_routes;
mod listener_sets;
mod new_routes;

use crate::backend;
use crate::figures::quantile;
use crate::process::MeasuredServer;
use crate::support::client::Client;
use crate::under_load::{self, UnderLoad};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the load runs alone, to measure what it costs.
const LOAD_ALONE: Duration = Duration::from_secs(1);

/// The interval between two readings of a status.
const PROBE: Duration = Duration::from_millis(1);
/// Time limit until a status is right.
const PATIENCE: Duration = Duration::from_secs(60);

/// A scenario.
#[derive(Clone, Copy)]
pub enum Scenario {
    NewRoutes,
    AttachedRoutes,
    ListenerSets,
}

impl Scenario {
    pub const USAGE: &str = "scale [new-routes | attached-routes | listener-sets]...";
    const ALL: [Scenario; 3] = [
        Scenario::NewRoutes,
        Scenario::AttachedRoutes,
        Scenario::ListenerSets,
    ];

    /// Parses the words of the command line. Without words, these are all scenarios.
    ///
    /// # Errors
    /// If a word isn't the name of a scenario.
    pub fn parse(words: &[&str]) -> anyhow::Result<Vec<Self>> {
        if words.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        let scenarios = words.iter().map(|word| match *word {
            "new-routes" => Ok(Scenario::NewRoutes),
            "attached-routes" => Ok(Scenario::AttachedRoutes),
            "listener-sets" => Ok(Scenario::ListenerSets),
            _ => bail!("there is no scenario {word:?}. Usage: {}", Self::USAGE),
        });
        scenarios.collect()
    }
}

/// Prints the figures.
///
/// # Errors
/// If something can't be started, or a change has no effect.
pub fn measure(gatefold: &Path, scenarios: &[Scenario]) -> anyhow::Result<()> {
    under_load::introduction();
    println!(
        "`cpu` of a new route is the processor time of gatefold without that of the load, but with that of the probe, which\n\
         sends a request every 250 microseconds until the route answers"
    );
    let backend = backend::start()?;
    for scenario in scenarios {
        match scenario {
            Scenario::NewRoutes => new_routes::measure(gatefold, backend)?,
            Scenario::AttachedRoutes => attached_routes::measure(gatefold, backend)?,
            Scenario::ListenerSets => listener_sets::measure(gatefold, backend)?,
        }
    }
    Ok(())
}

/// Times of new routes, with what they cost gatefold.
struct NewRoutes {
    /// Milliseconds from a file's write to the first answer.
    times: Vec<f64>,
    /// Processor time of one new route, in milliseconds.
    cost: f64,
}

impl NewRoutes {
    /// Adds routes one after the other, while the load runs. `add` returns the time of one.
    fn measure(
        daemon: &mut UnderLoad,
        count: usize,
        mut add: impl FnMut(&mut UnderLoad, usize) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Self> {
        let before = daemon.server.processor_seconds()?;
        std::thread::sleep(LOAD_ALONE);
        let share = (daemon.server.processor_seconds()? - before) / LOAD_ALONE.as_secs_f64();
        let (before, began) = (daemon.server.processor_seconds()?, Instant::now());
        let times = (0..count).map(|number| add(daemon, number));
        let times = times.collect::<anyhow::Result<Vec<_>>>()?;
        let used = daemon.server.processor_seconds()? - before;
        let cost = (used - share * began.elapsed().as_secs_f64()) * 1e3 / count as f64;
        Ok(NewRoutes { times, cost })
    }

    /// The figures as columns.
    fn columns(&self) -> String {
        let [p50, p99, worst] = [0.5, 0.99, 1.0].map(|share| quantile(&self.times, share));
        format!("{p50:>7.1} {p99:>7.1} {worst:>7.1} {:>7.1}", self.cost)
    }
}

/// The titles of [`NewRoutes::columns`].
fn titles() -> String {
    format!(
        "{:>7} {:>7} {:>7} {:>7}",
        "p50 ms", "p99", "worst", "cpu ms"
    )
}

/// Memory in megabytes.
fn megabytes(server: &MeasuredServer) -> anyhow::Result<f64> {
    Ok(server.memory()? as f64 / 1e6)
}

/// Reads objects from the admin API: those of this path below `/apis/gateway.networking.k8s.io/v1/namespaces/default`.
fn objects(server: &MeasuredServer, path: &str) -> anyhow::Result<Value> {
    let admin = server.admin.context("gatefold has an admin API")?;
    let path = format!("/apis/gateway.networking.k8s.io/v1/namespaces/default/{path}");
    let answer = Client::connect(admin)?.get("localhost", &path, &[])?;
    Ok(serde_json::from_slice(&answer.body)?)
}

/// Waits until a Gateway or a ListenerSet says that this number of routes is attached.
fn wait_for_attached_routes(
    server: &MeasuredServer,
    path: &str,
    wanted: usize,
) -> anyhow::Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let attached = attached_routes(&objects(server, path)?);
        if attached == wanted as u64 {
            return Ok(());
        }
        if Instant::now() > end {
            bail!("attachedRoutes of {path} is {attached} after {PATIENCE:?}");
        }
        std::thread::sleep(PROBE);
    }
}

/// The number of routes that a Gateway or a ListenerSet says are attached to its listeners.
fn attached_routes(object: &Value) -> u64 {
    let listeners = object["status"]["listeners"].as_array();
    let counts = listeners.into_iter().flatten();
    counts
        .filter_map(|listener| listener["attachedRoutes"].as_u64())
        .sum()
}
