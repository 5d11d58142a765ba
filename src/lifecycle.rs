//! The states of the process between its start and its end.

use tokio::sync::watch::Sender;

/// The state of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifecycle {
    /// It accepts connections, or is about to.
    #[default]
    Serving,
    /// A successor has its sockets and accepts connections. Requests in flight finish.
    HandedOver,
    /// It was asked to end. Requests in flight finish.
    Draining,
}

impl Lifecycle {
    /// Changes from `Serving` to `next` and returns true. In any other state nothing changes, since only the first reason to
    /// end counts.
    pub fn leave(state: &Sender<Lifecycle>, next: Lifecycle) -> bool {
        state.send_if_modified(|state| {
            let serving = *state == Lifecycle::Serving;
            if serving {
                *state = next;
            }
            serving
        })
    }
}
