//! Signals.

use super::successor;
use crate::cli::USAGE;
use crate::lifecycle::Lifecycle;
use crate::render::RenderRequests;
use crate::systemd::Notifier;
use crate::telemetry::{access_log, flush};
use crate::watch::{Wake, WakeSender};
use gatefold_dataplane::access_log::LineSinks;
use rustix::process::Signal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Sender;
use tracing::{error, info};

/// Upper bound on the wait for a blocked reader of the log when the process exits immediately.
const LOG_TIMEOUT: Duration = Duration::from_millis(200);

/// Whether a successor can replace this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upgrades {
    /// `--upgrade-socket` is set.
    Possible,
    /// It isn't set.
    Impossible,
}

impl Upgrades {
    /// Upgrades over the socket of `--upgrade-socket`.
    pub(super) fn over(socket: Option<&Path>) -> Self {
        match socket {
            Some(_) => Upgrades::Possible,
            None => Upgrades::Impossible,
        }
    }
}

/// Registers the signal handlers, and returns the task that acts on signals. Once this returns, no signal has its default
/// effect.
///
/// SIGHUP opens the files of access logs again, reloads, and runs the commands of `--render` again. SIGTERM and SIGINT drain and end the process; the second one ends it immediately. SIGUSR2 starts a successor
/// if upgrades are possible. SIGUSR1 and SIGXFSZ (a log file has reached the limit of `ulimit -f`) are ignored, since their
/// default effect would end the process.
pub(super) fn handle(
    wakes: WakeSender,
    lifecycle: Sender<Lifecycle>,
    notifier: Arc<Notifier>,
    upgrades: Upgrades,
    renders: RenderRequests,
    sinks: LineSinks,
) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut first_user = signal(SignalKind::user_defined1())?;
    let mut second_user = signal(SignalKind::user_defined2())?;
    let mut file_size = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
    Ok(async move {
        let mut ending = false;
        loop {
            let name = tokio::select! {
                _ = hangup.recv() => {
                    access_log::reopen(&sinks);
                    notifier.reloading();
                    wakes.send(Wake::requested());
                    renders.request();
                    info!("SIGHUP: reloading");
                    continue;
                }
                _ = second_user.recv() => {
                    upgrade(upgrades);
                    continue;
                }
                _ = first_user.recv() => {
                    info!("SIGUSR1: ignored");
                    continue;
                }
                // The write has failed, and the log counts the lost lines.
                _ = file_size.recv() => continue,
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if ending {
                exit(name, &sinks);
            }
            ending = true;
            drain(name, &lifecycle, &notifier);
        }
    })
}

/// Ends the process once the requests in flight are finished.
fn drain(signal: &str, lifecycle: &Sender<Lifecycle>, notifier: &Notifier) {
    // If a successor has replaced this process, it is about to end anyway.
    if Lifecycle::leave(lifecycle, Lifecycle::Draining) {
        notifier.stopping();
    }
    info!("{signal}: accepting no new connections, finishing the requests in flight");
}

/// Ends the process without waiting for requests.
fn exit(signal: &str, sinks: &LineSinks) -> ! {
    error!("second {signal}: gatefold ends immediately");
    access_log::flush(sinks, LOG_TIMEOUT);
    flush(LOG_TIMEOUT);
    std::process::exit(i32::from(USAGE) + 128);
}

fn upgrade(upgrades: Upgrades) {
    match upgrades {
        Upgrades::Impossible => {
            info!("SIGUSR2: ignored, since an upgrade needs --upgrade-socket");
        }
        Upgrades::Possible => {
            if let Err(error) = successor::start() {
                error!(%error, "SIGUSR2: can't start a new gatefold; this one continues");
            }
        }
    }
}
