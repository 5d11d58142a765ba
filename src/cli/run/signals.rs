use super::successor;
use crate::cli::USAGE;
use crate::lifecycle::Phase;
use crate::systemd::Notifier;
use crate::telemetry::flush;
use crate::watch::{Wake, WakeSender};
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Sender;
use tracing::{error, info};

/// How long the end at once waits for a reader of the log that takes nothing.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Whether a successor can take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrades {
    /// There is an `--upgrade-socket`.
    Possible,
    /// There is none.
    Impossible,
}

impl Upgrades {
    pub(super) fn by(socket: Option<&Path>) -> Self {
        match socket {
            Some(_) => Upgrades::Possible,
            None => Upgrades::Impossible,
        }
    }
}

/// SIGHUP reloads; SIGTERM and SIGINT end politely, and at once when they come again; SIGUSR2 starts a successor
/// where there may be one. SIGUSR1 and SIGXFSZ (a log file has reached the limit of `ulimit -f`), which would kill a
/// process that doesn't know them, do nothing.
///
/// From the moment that this returns no signal takes its default course.
pub(super) fn obey(
    wakes: WakeSender,
    phase: Sender<Phase>,
    notifier: Arc<Notifier>,
    upgrades: Upgrades,
) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut first_user = signal(SignalKind::user_defined1())?;
    let mut second_user = signal(SignalKind::user_defined2())?;
    let mut file_size = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    Ok(async move {
        let mut told = false;
        loop {
            let name = tokio::select! {
                _ = hangup.recv() => {
                    notifier.reloading();
                    wakes.send(Wake::requested());
                    info!("SIGHUP: reloading");
                    continue;
                }
                _ = first_user.recv() => {
                    info!("SIGUSR1 means nothing to gatefold");
                    continue;
                }
                _ = second_user.recv() => {
                    upgrade(upgrades);
                    continue;
                }
                // The write has failed, and its lines are counted.
                _ = file_size.recv() => continue,
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if told {
                error!("{name} again: gatefold ends at once");
                flush(AT_ONCE);
                std::process::exit(i32::from(USAGE) + 128);
            }
            told = true;
            // One that a successor has replaced is about to end anyway.
            if Phase::leave(&phase, Phase::Draining) {
                notifier.stopping();
            }
            info!("{name}: no new connections; requests that are under way may finish");
        }
    })
}

fn upgrade(upgrades: Upgrades) {
    match upgrades {
        Upgrades::Impossible => {
            info!("SIGUSR2: without --upgrade-socket there is no upgrade, so nothing is done");
        }
        Upgrades::Possible => {
            if let Err(error) = successor::start() {
                error!(%error, "SIGUSR2: no new gatefold can be started: this one goes on");
            }
        }
    }
}
