//! Scans all files regularly, to find changes that no event reports.

use super::WatchMessage;
use super::scope::WatchScope;
use super::wake::{Wake, WakeSender};
use gatefold_manifest::scan;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often the files are scanned without a request.
pub const RESCAN: Duration = Duration::from_secs(2);

/// Scans all files. This takes tens of milliseconds for many files and may hang on a dead file system, so it has its own
/// thread: neither an event nor a reload waits for it.
pub(super) struct ScanThread {
    pub(super) roots: Vec<PathBuf>,
    pub(super) wakes: WakeSender,
    /// Receives what to watch. `None` if nothing is watched.
    pub(super) watch: Option<mpsc::Sender<WatchMessage>>,
}

/// Requests a scan before it is due. Several requests are answered by one scan.
#[derive(Clone, Debug)]
pub(super) struct ScanRequests(mpsc::SyncSender<()>);

impl ScanRequests {
    pub(super) fn request(&self) {
        // The channel is full if a request is pending already.
        let _ = self.0.try_send(());
    }
}

impl ScanThread {
    /// Starts the thread, which ends when the receiver of `wakes` is dropped.
    ///
    /// # Errors
    /// If the thread can't be started.
    pub(super) fn spawn(self) -> std::io::Result<ScanRequests> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let requests = ScanRequests(sender);
        let own = requests.clone();
        std::thread::Builder::new()
            .name("scan".to_owned())
            .spawn(move || {
                // The thread keeps a sender, so that it continues when all others are dropped.
                let _own = own;
                while !self.wakes.ended() {
                    let _ = receiver.recv_timeout(RESCAN);
                    self.scan();
                }
            })?;
        Ok(requests)
    }

    fn scan(&self) {
        let began = Instant::now();
        let scan = scan(&self.roots);
        let links = scan.links;
        self.wakes.send(Wake::scanned(scan));
        if let Some(watch) = &self.watch {
            // Fails only if the watch thread has ended.
            let _ = watch.send(WatchMessage::Scope(
                WatchScope::of(&self.roots, links),
                began,
            ));
        }
    }
}
