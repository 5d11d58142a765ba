use super::Notifier;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Does what `life` does, and meanwhile tells systemd's watchdog that it goes on.
///
/// Each ping is sent by the task that runs `life`, after a worker thread of the runtime has done something
/// too: a task that is stuck or threads that all block send none, and systemd starts the daemon again. A
/// folder that can't be read (a dead network file system) is no reason to: traffic goes on without it.
pub async fn watched<T>(life: impl Future<Output = T>, notifier: &Notifier) -> T {
    let Some(period) = notifier.watchdog() else {
        return life.await;
    };
    let mut life = pin!(life);
    // Half of it is what sd_watchdog_enabled(3) recommends; a third leaves room for a loaded machine.
    let mut due = interval((period / 3).max(Duration::from_millis(1)));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            outcome = &mut life => return outcome,
            () = async {
                due.tick().await;
                // It fails only when the runtime is shut down.
                let _ = tokio::spawn(async {}).await;
            } => notifier.alive(),
        }
    }
}
