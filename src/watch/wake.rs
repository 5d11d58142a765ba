//! Reasons to look at the files, put together until somebody looks.

use gatefold_manifest::{Busy, Fingerprints, Touched};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Why to look at the files: all reasons since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// What may have changed in the folders.
    pub touched: Touched,
    /// What somebody has seen in the folders, who doesn't know what is new about it.
    pub seen: Option<Fingerprints>,
    /// Somebody asked for a reload (SIGHUP): one that finds nothing new is to be seen, too.
    pub requested: bool,
    /// Endpoints from outside the folder (DNS) have changed.
    pub discovered: bool,
}

impl Wake {
    /// Something may have changed in the folders.
    pub fn touched(touched: Touched) -> Self {
        Wake {
            touched,
            ..Wake::default()
        }
    }

    /// What somebody has seen in the folders.
    pub fn seen(scan: Fingerprints) -> Self {
        Wake {
            seen: Some(scan),
            ..Wake::default()
        }
    }

    /// Somebody asked for a reload.
    pub fn requested() -> Self {
        Wake {
            touched: Touched::Anything,
            requested: true,
            ..Wake::default()
        }
    }

    /// Endpoints from outside the folder have changed.
    pub fn discovered() -> Self {
        Wake {
            discovered: true,
            ..Wake::default()
        }
    }

    fn and(self, other: Wake) -> Wake {
        Wake {
            touched: self.touched.and(other.touched),
            seen: other.seen.or(self.seen),
            requested: self.requested || other.requested,
            discovered: self.discovered || other.discovered,
        }
    }
}

/// The sending half; everybody who knows a reason has one. However many there are, they are answered by one
/// look, so a look that takes long is followed by one more and not by many.
#[derive(Clone, Debug)]
pub struct Wakes(Arc<Shared>);

/// The receiving half.
#[derive(Debug)]
pub struct Woken(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    busy: Busy,
    pending: Mutex<Option<Wake>>,
    notify: Notify,
    ended: AtomicBool,
}

/// Both halves.
pub fn wakes() -> (Wakes, Woken) {
    let shared = Arc::<Shared>::default();
    (Wakes(shared.clone()), Woken(shared))
}

impl Wakes {
    /// Adds a reason.
    pub fn send(&self, wake: Wake) {
        let mut pending = self
            .0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *pending = Some(match pending.take() {
            Some(before) => before.and(wake),
            None => wake,
        });
        drop(pending);
        self.0.notify.notify_one();
    }

    /// Files that are half-written: whoever knows of some says so here, and no look reads them.
    pub fn busy(&self) -> Busy {
        self.0.busy.clone()
    }

    /// Whether nobody looks any more.
    pub fn ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }
}

impl Woken {
    /// Waits for a reason, and takes all there are. Nothing is lost when it is given up half-way.
    pub async fn next(&mut self) -> Wake {
        loop {
            if let Some(wake) = self.take() {
                return wake;
            }
            self.0.notify.notified().await;
        }
    }

    /// All reasons there are by now.
    pub fn take(&mut self) -> Option<Wake> {
        let mut pending = self
            .0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pending.take()
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reasons_that_come_during_a_look_are_answered_by_one_more() {
        let (wakes, mut woken) = wakes();
        for name in ["a.yaml", "b.yaml"] {
            wakes.send(Wake::touched(Touched::Files([name.into()].into())));
        }
        wakes.send(Wake::discovered());
        let wake = woken.next().await;
        let both = Touched::Files(["a.yaml".into(), "b.yaml".into()].into());
        assert_eq!(wake.touched, both);
        assert!(wake.discovered && !wake.requested);
        assert_eq!(woken.take(), None, "all of them were taken");
        wakes.send(Wake::requested());
        assert!(woken.next().await.requested);
        assert!(!wakes.ended());
        drop(woken);
        assert!(wakes.ended());
    }
}
