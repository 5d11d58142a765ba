//! The regular look: what the system doesn't tell of is seen all the same.

use super::Told;
use super::scope::Scope;
use super::wake::{Wake, Wakes};
use gatefold_manifest::scan;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often the files are looked at without a hint.
pub const RESCAN: Duration = Duration::from_secs(2);

/// Looks at all files, which takes tens of milliseconds when they are many, on a thread of its own: neither an event
/// nor a reload waits for it, not even when a file system is dead.
pub(super) struct Look {
    pub(super) roots: Vec<PathBuf>,
    pub(super) wakes: Wakes,
    /// Told what is to be watched; absent when nothing is.
    pub(super) watch: Option<mpsc::Sender<Told>>,
}

/// Asks for a look before it is due. However often that is, one answers.
#[derive(Clone, Debug)]
pub(super) struct Ask(mpsc::SyncSender<()>);

impl Ask {
    pub(super) fn now(&self) {
        // Full means that somebody has asked already.
        let _ = self.0.try_send(());
    }
}

impl Look {
    /// Looks until the receiver of `wakes` is dropped.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub(super) fn spawn(self) -> std::io::Result<Ask> {
        let (asked, asks) = mpsc::sync_channel(1);
        let ask = Ask(asked);
        let own = ask.clone();
        std::thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || {
                // With a sender of its own it goes on when nobody is left to ask.
                let _own = own;
                while !self.wakes.ended() {
                    let _ = asks.recv_timeout(RESCAN);
                    self.look();
                }
            })?;
        Ok(ask)
    }

    fn look(&self) {
        let began = Instant::now();
        let scan = scan(&self.roots);
        let links = scan.links;
        self.wakes.send(Wake::seen(scan));
        if let Some(watch) = &self.watch {
            // One that has ended watches no more.
            let _ = watch.send(Told::Scope(Scope::of(&self.roots, links), began));
        }
    }
}
