use super::announce::in_short;
use crate::lifecycle::Phase;
use crate::reload::{Published, Rounds};
use crate::systemd::Notifier;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::watch;

/// Tells systemd of the start and of each reload. Begins when the first load is in force, and ends when the
/// process serves no longer.
pub(super) async fn keep_informed(
    notifier: Arc<Notifier>,
    published: Arc<ArcSwap<Published>>,
    mut rounds: watch::Receiver<Rounds>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut answered = rounds.borrow_and_update().requested;
    notifier.ready(&in_short(&published.load()));
    loop {
        tokio::select! {
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            changed = rounds.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = *rounds.borrow_and_update();
                let status = in_short(&published.load());
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
