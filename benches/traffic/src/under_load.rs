//! gatefold under continuous load, and the time from a change of its folder to the answer.

use crate::process::{MeasuredServer, Run};
use crate::support::DEADLINE;
use crate::support::load::{Answers200, ClientKind, Load, LoadTarget, Plan, Report};
use anyhow::{Context as _, bail};
use rustls::ClientConfig;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The load: the number of clients with persistent connections, and the interval between two requests of each.
pub const CLIENTS: usize = 16;
const PACE: Duration = Duration::from_millis(20);
/// The interval of the probe's requests.
const PROBE: Duration = Duration::from_micros(250);
/// The pause between an answer and the next change, chosen so that changes happen at all phases of the daemon's regular scans.
const PAUSE: Duration = Duration::from_millis(37);

/// How a file is written.
#[derive(Clone, Copy)]
pub enum Write {
    /// A temporary file, renamed over the old one.
    Renamed,
    /// The file is truncated and written in place.
    InPlace,
}

impl Write {
    pub const ALL: [Write; 2] = [Write::Renamed, Write::InPlace];

    pub fn name(self) -> &'static str {
        match self {
            Write::Renamed => "renamed",
            Write::InPlace => "in place",
        }
    }

    /// Writes a file.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(self, folder: &Path, name: &str, text: &str) -> io::Result<()> {
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

/// Prints what the load is.
pub fn introduction() {
    println!(
        "{CLIENTS} clients send {:.0} requests per second in total",
        CLIENTS as f64 / PACE.as_secs_f64()
    );
}

/// A running gatefold with its load.
pub struct UnderLoad {
    pub server: MeasuredServer,
    load: Load,
}

impl UnderLoad {
    /// Starts gatefold and the load: requests for `/` of a host, with clients of one kind. With TLS, `trust` is the clients'
    /// configuration.
    ///
    /// # Errors
    /// If gatefold can't be started.
    pub fn start(
        gatefold: &Path,
        folder: &Path,
        kind: ClientKind,
        host: &str,
        trust: Option<Arc<ClientConfig>>,
    ) -> anyhow::Result<Self> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let target = LoadTarget {
            plain: nowhere,
            tls: nowhere,
            host: host.to_owned(),
            trust,
        };
        let server = MeasuredServer::gatefold(gatefold, folder, target, Run::Plain)?;
        Ok(UnderLoad::of(server, kind))
    }

    /// Starts the load of a running gatefold.
    pub fn of(server: MeasuredServer, kind: ClientKind) -> Self {
        let plan = Plan::to(server.target.clone()).pace(PACE);
        let load = plan.clients(kind, CLIENTS).start(Answers200);
        UnderLoad { server, load }
    }

    /// Changes the folder, and probes until the change is in force. Returns the time from just before the change to the end of
    /// the first new answer, in milliseconds. Then pauses.
    ///
    /// # Errors
    /// If the change or a probe fails, or the change has no effect in time.
    pub fn time(
        &mut self,
        name: &str,
        change: impl FnOnce() -> io::Result<()>,
        mut is_in_force: impl FnMut() -> io::Result<bool>,
    ) -> anyhow::Result<f64> {
        self.load.changed(name);
        let began = Instant::now();
        change()?;
        while !is_in_force().with_context(|| format!("no answer after {name}"))? {
            if began.elapsed() > DEADLINE {
                bail!("{name} has no effect after {DEADLINE:?}");
            }
            std::thread::sleep(PROBE);
        }
        let took = began.elapsed();
        std::thread::sleep(PAUSE);
        Ok(took.as_secs_f64() * 1e3)
    }

    /// Stops the load and gatefold. Prints the failed requests.
    pub fn finish(mut self) -> Report {
        let report = self.load.stop();
        if report.failed() > 0 {
            println!("{report}");
        }
        report
    }
}
