//! Where the process stands between its start and its end.

use tokio::sync::watch::Sender;

/// Where the process stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It accepts connections, or is about to.
    #[default]
    Serving,
    /// A successor has its sockets and accepts connections: requests that are under way may finish.
    HandedOver,
    /// It was told to end: requests that are under way may finish.
    Draining,
}

impl Phase {
    /// Goes on to `next`. One that doesn't serve any more stays where it is, since only the first reason to end
    /// counts; gives whether it was that.
    pub fn leave(phase: &Sender<Phase>, next: Phase) -> bool {
        phase.send_if_modified(|phase| {
            let serving = *phase == Phase::Serving;
            if serving {
                *phase = next;
            }
            serving
        })
    }
}
