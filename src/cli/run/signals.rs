use crate::cli::USAGE;
use crate::watch::{Wake, Wakes};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch::Sender;
use tracing::{error, info};

/// SIGHUP reloads; SIGTERM and SIGINT end politely, and at once when they come again.
pub(super) fn obey(wakes: Wakes, stop: Sender<bool>) -> std::io::Result<impl Future<Output = ()>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        loop {
            let name = tokio::select! {
                _ = hangup.recv() => {
                    info!("SIGHUP: reloading");
                    // Nobody listens any more only when the daemon ends.
                    let _ = wakes.send(Wake::Requested).await;
                    continue;
                }
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if *stop.borrow() {
                error!("{name} again: gatefold ends at once");
                std::process::exit(i32::from(USAGE) + 128);
            }
            info!("{name}: no new connections; requests that are under way may finish");
            let _ = stop.send(true);
        }
    })
}
