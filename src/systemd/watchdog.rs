//! Keep-alive messages for systemd's watchdog.

use super::Notifier;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Runs `daemon`, and meanwhile sends keep-alive messages to systemd's watchdog.
///
/// Each message is sent by the task that runs `daemon`, after another thread of the runtime has run a task and `respond` has
/// resolved, which shows that all threads that serve requests work. If a thread is stuck, no message is sent, and systemd
/// restarts the daemon. A folder that can't be read (a dead network file system) is no reason for that: traffic continues
/// without it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::os::unix::net::UnixDatagram;

    /// Runs the watchdog until it has had time for many messages, and returns whether it has sent one.
    async fn sends_messages<R: Future<Output = ()>>(respond: impl Fn() -> R) -> bool {
        let period = Duration::from_secs(3);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        systemd.set_nonblocking(true).expect("nonblocking");
        let notifier = Notifier::watched(&path, period);
        let daemon = tokio::time::sleep(10 * period);
        run_with_watchdog(daemon, respond, &notifier).await;
        systemd.recv(&mut [0; 16]).is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn sends_nothing_while_a_thread_that_serves_requests_is_stuck() {
        assert!(sends_messages(|| ready(())).await, "all threads work");
        assert!(!sends_messages(pending).await, "a thread is stuck");
    }
}
