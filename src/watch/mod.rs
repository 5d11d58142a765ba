//! Watching folders: whatever happens in them becomes a hint to look.
//!
//! In: paths of folders or files. Out: a [`Wake`] now and then. Nothing is read here, and no event is
//! trusted: what has changed, if anything, only a look at the files tells. A wake every two seconds catches
//! what the system doesn't tell of: network file systems, bind mounts, links that lead out of the folder, a
//! queue that ran over.

mod pending;

use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use pending::{Pending, Signal, signals};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{info, warn};

/// How often the files are looked at without a hint.
pub const RESCAN: Duration = Duration::from_secs(2);
/// How many links a watched path may go through.
const LINKS: usize = 16;

/// Why to look at the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something has happened in the folders.
    Changed,
    /// Nothing is known to have happened.
    Rescan,
    /// Somebody asked for a reload (SIGHUP).
    Requested,
    /// Endpoints from outside the folder (DNS) have changed.
    Discovered,
}

/// How changes are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the system's events, and by looking every two seconds.
    Events,
    /// Only by looking every two seconds (`--poll`).
    Poll,
}

/// The sending half: further reasons to wake may be added to it.
pub type Wakes = Sender<Wake>;

/// A channel for wakes. It holds few: one that finds it full adds nothing to those before it.
pub fn wakes() -> (Wakes, Receiver<Wake>) {
    channel(8)
}

/// Watches `roots` in a thread of its own until the receiver of `wakes` is dropped.
///
/// # Errors
/// When the thread can't be started.
pub fn spawn(roots: Vec<PathBuf>, mode: Mode, wakes: Wakes) -> std::io::Result<()> {
    let (sender, events) = mpsc::channel();
    let watch = Watch {
        roots,
        mode,
        wakes,
        sender,
        events,
        watcher: None,
        identities: Vec::new(),
        pending: Pending::default(),
    };
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || watch.run())
        .map(drop)
}

struct Watch {
    roots: Vec<PathBuf>,
    mode: Mode,
    wakes: Wakes,
    sender: mpsc::Sender<Signal>,
    events: mpsc::Receiver<Signal>,
    /// Dropping it ends its watches.
    watcher: Option<RecommendedWatcher>,
    /// What the roots were when the watches were set.
    identities: Vec<Option<(u64, u64)>>,
    pending: Pending,
}

impl Watch {
    fn run(mut self) {
        self.watch_anew();
        let mut rescan = Instant::now() + RESCAN;
        loop {
            let wake = match self.events.recv_timeout(left(rescan)) {
                Ok(signal) => {
                    self.pending.note(signal, Instant::now());
                    self.settle();
                    Wake::Changed
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    rescan = Instant::now() + RESCAN;
                    Wake::Rescan
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            if identities(&self.roots) != self.identities {
                self.watch_anew();
            }
            // A full channel holds wakes that haven't been answered: they will do.
            if let Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) =
                self.wakes.try_send(wake)
            {
                return;
            }
        }
    }

    /// Waits until the change seems to be over.
    fn settle(&mut self) {
        let began = Instant::now();
        loop {
            let due = self.pending.due(began);
            match self.events.recv_timeout(left(due)) {
                Ok(signal) => self.pending.note(signal, Instant::now()),
                Err(_) => break,
            }
            if Instant::now() >= due {
                break;
            }
        }
        self.pending = Pending::default();
    }

    /// Sets all watches again, since the roots are no longer what they were.
    fn watch_anew(&mut self) {
        self.identities = identities(&self.roots);
        if self.mode == Mode::Poll {
            return;
        }
        self.watcher = None;
        match self.watches() {
            Ok(watcher) => self.watcher = Some(watcher),
            Err(error) if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) => warn!(
                "the limit of watched folders is reached: changes are noticed by looking every {} s; \
                 raise the sysctl fs.inotify.max_user_watches to notice them at once",
                RESCAN.as_secs()
            ),
            Err(error) => warn!(
                %error,
                "can't watch for changes: they are noticed by looking every {} s",
                RESCAN.as_secs()
            ),
        }
    }

    fn watches(&self) -> notify::Result<RecommendedWatcher> {
        let sender = self.sender.clone();
        let tell = move |event: notify::Result<notify::Event>| {
            for signal in signals(event) {
                // The thread has ended, and with it the program's interest.
                let _ = sender.send(signal);
            }
        };
        let mut watcher = RecommendedWatcher::new(tell, Config::default())?;
        for root in &self.roots {
            for folder in surroundings(root) {
                // One that isn't there yet is seen from its parent, or by the next look.
                let _ = watcher.watch(&folder, RecursiveMode::NonRecursive);
            }
            match watcher.watch(root, RecursiveMode::Recursive) {
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {
                    info!(path = %root.display(), "isn't there; watching for it");
                }
                Err(error) if is_not_found(&error) => {}
                result => result?,
            }
        }
        Ok(watcher)
    }
}

fn is_not_found(error: &notify::Error) -> bool {
    matches!(&error.kind, notify::ErrorKind::Io(io) if io.kind() == std::io::ErrorKind::NotFound)
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Device and inode of each root: another one of the same name has none of our watches.
fn identities(roots: &[PathBuf]) -> Vec<Option<(u64, u64)>> {
    let identity = |root: &PathBuf| {
        let metadata = fs::metadata(root).ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    roots.iter().map(identity).collect()
}

/// The folder in which a root stands, and that of every link on the way to what it really is.
fn surroundings(root: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut path = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    for _ in 0..=LINKS {
        let Some(parent) = path.parent().map(Path::to_owned) else {
            break;
        };
        folders.insert(parent.clone());
        match fs::read_link(&path) {
            Ok(target) => path = parent.join(target),
            Err(_) => break,
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Waits for a wake other than the regular one.
    fn woken(wakes: &mut Receiver<Wake>) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            match wakes.try_recv() {
                Ok(Wake::Changed) => return true,
                Ok(_) => {}
                Err(_) => std::thread::yield_now(),
            }
        }
        false
    }

    fn watched(root: &Path) -> Receiver<Wake> {
        let (sender, mut wakes) = wakes();
        spawn(vec![root.to_owned()], Mode::Events, sender).expect("a thread");
        // The first regular wake comes when the watches are set.
        while wakes.try_recv().is_err() {
            std::thread::yield_now();
        }
        wakes
    }

    #[test]
    fn a_write_a_rename_and_a_removal_wake() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut wakes = watched(folder.path());
        let (file, temporary) = (
            folder.path().join("a.yaml"),
            folder.path().join(".a.yaml.tmp"),
        );
        fs::write(&file, "a: 1").expect("written");
        assert!(woken(&mut wakes), "a write in place");
        fs::write(&temporary, "a: 2").expect("written");
        assert!(woken(&mut wakes), "the temporary file");
        fs::rename(&temporary, &file).expect("renamed");
        assert!(woken(&mut wakes), "a rename into place");
        fs::remove_file(&file).expect("removed");
        assert!(woken(&mut wakes), "a removal");
    }

    #[test]
    fn the_swap_of_a_data_link_wakes() {
        let folder = tempfile::tempdir().expect("a folder");
        for version in ["..1", "..2"] {
            fs::create_dir(folder.path().join(version)).expect("a folder");
            fs::write(folder.path().join(version).join("a.yaml"), version).expect("written");
        }
        symlink("..1", folder.path().join("..data")).expect("a link");
        symlink("..data/a.yaml", folder.path().join("a.yaml")).expect("a link");
        let mut wakes = watched(folder.path());
        symlink("..2", folder.path().join("..data_tmp")).expect("a link");
        let renamed = fs::rename(
            folder.path().join("..data_tmp"),
            folder.path().join("..data"),
        );
        renamed.expect("swapped");
        assert!(woken(&mut wakes), "the swap");
    }

    #[test]
    fn a_root_that_is_replaced_is_watched_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let root = parent.path().join("manifests");
        fs::create_dir(&root).expect("a folder");
        let mut wakes = watched(&root);
        fs::rename(&root, parent.path().join("old")).expect("moved away");
        fs::create_dir(&root).expect("a new folder");
        assert!(woken(&mut wakes), "the replacement");
        // The watches are set anew at one of the next wakes; a write may come before that.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut seen = false;
        for round in 0.. {
            if seen || Instant::now() > deadline {
                break;
            }
            fs::write(root.join("a.yaml"), format!("a: {round}")).expect("written");
            seen = matches!(wakes.try_recv(), Ok(Wake::Changed));
        }
        assert!(seen, "a write in the new folder");
    }
}
