use super::successor;
use crate::cli::USAGE;
use crate::lifecycle::Phase;
use crate::systemd::Notifier;
use crate::watch::{Wake, Wakes};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Sender;
use tracing::{error, info};

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
/// where there may be one. SIGUSR1, which would kill a process that doesn't know it, does nothing.
///
/// From the moment that this returns no signal takes its default course.
pub(super) fn obey(
    wakes: Wakes,
    phase: Sender<Phase>,
    notifier: Arc<Notifier>,
    upgrades: Upgrades,
) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut first_user = signal(SignalKind::user_defined1())?;
    let mut second_user = signal(SignalKind::user_defined2())?;
    Ok(async move {
        let mut told = false;
        loop {
            let name = tokio::select! {
                _ = hangup.recv() => {
                    info!("SIGHUP: reloading");
                    notifier.reloading();
                    wakes.send(Wake::requested());
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
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if told {
                error!("{name} again: gatefold ends at once");
                std::process::exit(i32::from(USAGE) + 128);
            }
            told = true;
            info!("{name}: no new connections; requests that are under way may finish");
            // One that a successor has replaced is about to end anyway.
            if Phase::leave(&phase, Phase::Draining) {
                notifier.stopping();
            }
        }
    })
}

fn upgrade(upgrades: Upgrades) {
    match upgrades {
        Upgrades::Impossible => {
            info!("SIGUSR2: without --upgrade-socket there is no upgrade, so nothing is done");
        }
        Upgrades::Possible => {
            info!("SIGUSR2: upgrading");
            if let Err(error) = successor::start() {
                error!(%error, "no new gatefold can be started: this one goes on");
            }
        }
    }
}
