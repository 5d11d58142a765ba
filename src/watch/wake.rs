//! The channel that wakes the reload. Pending wakes are combined into one.

use gatefold_manifest::{ChangeHint, FolderScan, SettlingFiles};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Why the reload wakes: all reasons since it last did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wake {
    /// Which files may have changed.
    pub changed: ChangeHint,
    /// A scan of the folders, which isn't compared with the loaded files yet.
    pub scan: Option<FolderScan>,
    /// Whether a reload was requested (SIGHUP). Its result is logged even if nothing has changed.
    pub requested: bool,
    /// Whether endpoints from outside of the folders (DNS) have changed.
    pub discovered: bool,
}

impl Wake {
    /// Files may have changed.
    pub fn changed(changed: ChangeHint) -> Self {
        Wake {
            changed,
            ..Wake::default()
        }
    }

    /// The folders were scanned.
    pub fn scanned(scan: FolderScan) -> Self {
        Wake {
            scan: Some(scan),
            ..Wake::default()
        }
    }

    /// A reload was requested.
    pub fn requested() -> Self {
        Wake {
            changed: ChangeHint::Anything,
            requested: true,
            ..Wake::default()
        }
    }

    /// Endpoints from outside of the folders have changed.
    pub fn discovered() -> Self {
        Wake {
            discovered: true,
            ..Wake::default()
        }
    }

    /// A command of `--render` has ended. The loader takes what it printed.
    pub fn rendered() -> Self {
        Wake::default()
    }

    fn and(self, other: Wake) -> Wake {
        Wake {
            changed: self.changed.and(other.changed),
            scan: other.scan.or(self.scan),
            requested: self.requested || other.requested,
            discovered: self.discovered || other.discovered,
        }
    }
}

/// Sends wakes. All wakes that are sent during a reload are answered by one further reload.
#[derive(Clone, Debug)]
pub struct WakeSender(Arc<WakeChannel>);

/// Receives wakes.
#[derive(Debug)]
pub struct WakeReceiver(Arc<WakeChannel>);

#[derive(Debug, Default)]
struct WakeChannel {
    settling: SettlingFiles,
    pending: Mutex<Option<Wake>>,
    notify: Notify,
    ended: AtomicBool,
}

/// Creates both ends of the channel.
pub fn wake_channel() -> (WakeSender, WakeReceiver) {
    let channel = Arc::<WakeChannel>::default();
    (WakeSender(channel.clone()), WakeReceiver(channel))
}

impl WakeSender {
    /// Sends a wake.
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

    /// The state of the changed files, which the watcher and the loader share.
    pub fn settling_files(&self) -> SettlingFiles {
        self.0.settling.clone()
    }

    /// Whether the receiver was dropped.
    pub fn ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }
}

impl WakeReceiver {
    /// Waits for a wake. Cancel safe: no wake is lost if the future is dropped.
    pub async fn next(&mut self) -> Wake {
        loop {
            if let Some(wake) = self.take() {
                return wake;
            }
            self.0.notify.notified().await;
        }
    }

    /// Takes the pending wake. `None` if there is none.
    pub fn take(&mut self) -> Option<Wake> {
        let mut pending = self
            .0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pending.take()
    }
}

impl Drop for WakeReceiver {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn combines_pending_wakes() {
        let (sender, mut receiver) = wake_channel();
        for name in ["a.yaml", "b.yaml"] {
            sender.send(Wake::changed(ChangeHint::Files([name.into()].into())));
        }
        sender.send(Wake::discovered());
        let wake = receiver.next().await;
        let both = ChangeHint::Files(["a.yaml".into(), "b.yaml".into()].into());
        assert_eq!(wake.changed, both);
        assert!(wake.discovered && !wake.requested);
        assert_eq!(receiver.take(), None, "all of them were taken");
        sender.send(Wake::requested());
        assert!(receiver.next().await.requested);
        assert!(!sender.ended());
        drop(receiver);
        assert!(sender.ended());
    }
}
