//! Keeps the status that systemd shows up to date.

use super::announce::summary;
use crate::lifecycle::Lifecycle;
use crate::reload::{Published, Rounds};
use crate::systemd::Notifier;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::watch;

/// Notifies systemd of the start and of each reload. Call it once the first load is applied. It ends when the process no
/// longer serves.
pub(super) async fn send(
    notifier: Arc<Notifier>,
    published: Arc<ArcSwap<Published>>,
    mut rounds: watch::Receiver<Rounds>,
    mut lifecycle: watch::Receiver<Lifecycle>,
) {
    let mut answered = rounds.borrow_and_update().requested;
    notifier.ready(&summary(&published.load()));
    loop {
        tokio::select! {
            _ = lifecycle.wait_for(|state| *state != Lifecycle::Serving) => return,
            changed = rounds.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *rounds.borrow_and_update();
                let status = summary(&published.load());
                if now.requested > answered {
                    notifier.ready(&status);
                } else {
                    notifier.status(&status);
                }
                answered = now.requested;
            }
        }
    }
}
