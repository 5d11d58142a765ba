//! Watches paths for changes of any file, not only of manifests.
//!
//! In: paths of folders and files. Out: a call after files have changed and then stayed the same for a moment. As for
//! manifests, an event is only a hint: the files are scanned, and also every two seconds without an event.

use super::scope::WatchScope;
use super::watcher;
use super::{RESCAN, WatchMode};
use gatefold_manifest::is_hidden;
use notify::RecommendedWatcher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tracing::warn;

/// Files count as complete once they have been unchanged for this long.
const STABLE: Duration = Duration::from_millis(100);
/// Upper bound on the wait for files that keep changing.
const AT_MOST: Duration = Duration::from_secs(2);
/// Maximum number of files that are scanned.
const FILES: usize = 100_000;

/// What identifies the content of each file: device, inode, size, and the time of the last change.
type FileStamps = BTreeMap<PathBuf, (u64, u64, u64, i64, i64)>;

/// Calls `changed` after files at or below `paths` have changed, until `ended` returns true.
///
/// # Errors
/// If a thread can't be started.
pub fn watch_any(
    paths: Vec<PathBuf>,
    mode: WatchMode,
    changed: impl Fn() + Send + 'static,
    ended: impl Fn() -> bool + Send + 'static,
) -> std::io::Result<()> {
    // Scanned before the thread starts, so that no later change is missed.
    let known = scan(&paths);
    let thread = std::thread::Builder::new().name("watch-any".to_owned());
    let run = move || {
        let mut watches = Watches::new(mode);
        let mut known = known;
        while !ended() {
            watches.follow(&paths);
            watches.wait(RESCAN);
            let now = scan(&paths);
            if now != known {
                known = settled(&paths, now);
                changed();
            }
        }
    };
    thread.spawn(run).map(drop)
}

/// Waits until the files stay the same.
fn settled(paths: &[PathBuf], mut known: FileStamps) -> FileStamps {
    let began = Instant::now();
    loop {
        std::thread::sleep(STABLE);
        let now = scan(paths);
        if now == known || began.elapsed() > AT_MOST {
            return now;
        }
        known = now;
    }
}

/// The watches of the operating system.
struct Watches {
    mode: WatchMode,
    scope: Option<WatchScope>,
    watcher: Option<RecommendedWatcher>,
    events: Option<Receiver<super::WatchMessage>>,
}

impl Watches {
    fn new(mode: WatchMode) -> Self {
        Watches {
            mode,
            scope: None,
            watcher: None,
            events: None,
        }
    }

    /// Sets the watches if they aren't set, or if paths or links have changed since.
    fn follow(&mut self, paths: &[PathBuf]) {
        if self.mode == WatchMode::Poll {
            return;
        }
        let scope = WatchScope::of(paths, true);
        if self.scope.as_ref() == Some(&scope) {
            return;
        }
        let (sender, events) = mpsc::channel();
        match watcher::watch(&scope, sender) {
            Ok((watcher, _)) => {
                (self.watcher, self.events) = (Some(watcher), Some(events));
            }
            Err(error) => {
                warn!(%error, "can't watch the paths of --render-watch: changes are noticed by a scan only");
            }
        }
        self.scope = Some(scope);
    }

    /// Waits for events, but not longer than `limit`.
    fn wait(&mut self, limit: Duration) {
        let Some(events) = &self.events else {
            return std::thread::sleep(limit);
        };
        match events.recv_timeout(limit) {
            Ok(_) => while events.try_recv().is_ok() {},
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                (self.scope, self.events) = (None, None);
                std::thread::sleep(limit);
            }
        }
    }
}

/// Finds all files at or below some paths, apart from hidden ones and those of editors.
fn scan(paths: &[PathBuf]) -> FileStamps {
    let (mut found, mut visited) = (FileStamps::new(), BTreeSet::new());
    for path in paths {
        add(path, &mut found, &mut visited);
    }
    found
}

fn add(path: &Path, found: &mut FileStamps, visited: &mut BTreeSet<(u64, u64)>) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    if !metadata.is_dir() {
        found.insert(path.to_owned(), stamp(&metadata));
        return;
    }
    // A loop of links ends here.
    if !visited.insert((metadata.dev(), metadata.ino())) {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if found.len() < FILES && !is_hidden(&entry.file_name()) {
            add(&entry.path(), found, visited);
        }
    }
}

fn stamp(metadata: &Metadata) -> (u64, u64, u64, i64, i64) {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_finds_files_of_any_name_but_hidden_ones() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("templates/.git")).expect("folders");
        std::os::unix::fs::symlink(folder.path(), at("templates/loop")).expect("a link");
        for name in [
            "values.txt",
            "templates/_helpers.tpl",
            "templates/.git/HEAD",
            "a.swp",
        ] {
            fs::write(at(name), "x").expect("written");
        }
        let roots = [folder.path().to_owned()];
        let before = scan(&roots);
        let names: Vec<&Path> = before.keys().map(PathBuf::as_path).collect();
        assert_eq!(names, [at("templates/_helpers.tpl"), at("values.txt")]);
        fs::write(at("values.txt"), "longer").expect("written");
        assert_ne!(scan(&roots), before);
    }
}
