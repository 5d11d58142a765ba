//! Keep-alive messages for systemd's watchdog.

use super::Notifier;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Runs `daemon`, and meanwhile sends keep-alive messages to systemd's watchdog.
///
/// Each message is sent by the task that runs `daemon`, after another thread of the runtime has run a task, and `respond` has
/// resolved, which says that all threads that serve requests work. If a thread is stuck, no message is sent, and systemd
/// restarts the daemon. A folder that
/// can't be read (a dead network file system) is no reason for that: traffic continues without it.
pub async fn run_with_watchdog<T, R: Future<Output = ()>>(
    daemon: impl Future<Output = T>,
    respond: impl Fn() -> R,
    notifier: &Notifier,
) -> T {
    let Some(period) = notifier.watchdog() else {
        return daemon.await;
    };
    let mut daemon = pin!(daemon);
    // sd_watchdog_enabled(3) recommends half of the period; a third leaves room on a loaded machine.
    let mut due = interval((period / 3).max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            outcome = &mut daemon => return outcome,
            () = async {
                due.tick().await;
                // This fails only if the runtime is shut down.
                let _ = tokio::spawn(async {}).await;
                respond().await;
            } => notifier.alive(),
        }
    }
}
