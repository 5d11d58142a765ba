//! Watching folders: whatever happens in them becomes a hint to look.
//!
//! In: paths of folders or files. Out: a [`Wake`] now and then, with what may have changed. No file is read
//! here, and no event is trusted: what has changed, if anything, only the loader tells. A look every two seconds
//! catches what the system doesn't tell of: network file systems, bind mounts, a queue that ran over.

mod links;
mod look;
mod pending;
mod scope;
mod signal;
mod wake;
mod watcher;

pub use look::RESCAN;
pub use wake::{Wake, Wakes, Woken, wakes};

use crate::manifest::Touched;
use look::{Ask, Look};
use notify::RecommendedWatcher;
use pending::Pending;
use scope::Scope;
use signal::{Signal, signals};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tracing::warn;

/// When watches are tried again that couldn't be set, at first and at last.
const RETRY: (Duration, Duration) = (RESCAN, Duration::from_secs(60));
/// How many events are noted before it is seen what is due.
const AT_ONCE: usize = 1_000;

/// How changes are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the system's events, and by looking every two seconds.
    Events,
    /// Only by looking every two seconds (`--poll`).
    Poll,
}

/// Watches `roots` in threads of their own until the receiver of `wakes` is dropped.
///
/// # Errors
/// When a thread can't be started.
pub fn spawn(roots: Vec<PathBuf>, mode: Mode, wakes: Wakes) -> std::io::Result<()> {
    let (sender, told) = mpsc::channel();
    let look = Look {
        roots: roots.clone(),
        wakes: wakes.clone(),
        watch: (mode == Mode::Events).then(|| sender.clone()),
    };
    let ask = look.spawn()?;
    if mode == Mode::Poll {
        return Ok(());
    }
    let watch = Watch {
        ask,
        pending: Pending::new(wakes.busy()),
        wakes,
        sender,
        told,
        watcher: None,
        scope: Scope::default(),
        lost: None,
        retry: None,
        complained: false,
    };
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || watch.run(&roots))
        .map(drop)
}

type Event = notify::Result<notify::Event>;

/// What the thread that watches is told.
enum Told {
    /// Something has happened.
    Event(Event),
    /// What is to be watched, as it was seen by a look that began then.
    Scope(Scope, Instant),
}

/// The next try, and how long it was waited for.
#[derive(Clone, Copy, Debug)]
struct Retry {
    at: Instant,
    pause: Duration,
}

impl Retry {
    fn after(before: Option<Duration>, now: Instant) -> Self {
        let pause = before.map_or(RETRY.0, |before| (before * 2).min(RETRY.1));
        Retry {
            at: now + pause,
            pause,
        }
    }
}

struct Watch {
    ask: Ask,
    wakes: Wakes,
    sender: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    /// Dropping it ends its watches.
    watcher: Option<RecommendedWatcher>,
    /// What is watched.
    scope: Scope,
    /// When watches were last lost that the scope doesn't show.
    lost: Option<Instant>,
    /// When those are tried again that couldn't be set.
    retry: Option<Retry>,
    pending: Pending,
    /// Whether it was said that events can't be relied on, and still can't.
    complained: bool,
}

impl Watch {
    fn run(mut self, roots: &[PathBuf]) {
        self.watch_anew(Scope::of(roots, true));
        // What happened until the watches were set is told by nobody.
        self.ask.now();
        while !self.wakes.ended() {
            let until = self.pending.due();
            let until = until.unwrap_or_else(|| Instant::now() + RESCAN);
            match self.told.recv_timeout(left(until)) {
                Ok(told) => self.note(told),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            let touched = self.pending.take(Instant::now());
            self.wake(touched);
        }
    }

    /// Notes what was told, and what was told meanwhile: seeing what is due costs more than noting.
    fn note(&mut self, first: Told) {
        self.note_one(first);
        for _ in 1..AT_ONCE {
            let Ok(next) = self.told.try_recv() else {
                return;
            };
            self.note_one(next);
        }
    }

    fn note_one(&mut self, told: Told) {
        match told {
            Told::Event(event) => self.note_event(event),
            Told::Scope(scope, began) => self.note_scope(scope, began),
        }
    }

    fn note_event(&mut self, event: Event) {
        if let Err(error) = &event {
            self.complain(error);
        }
        let now = Instant::now();
        for signal in signals(event, &self.scope) {
            if signal == Signal::Lost {
                self.lost = Some(now);
            }
            self.pending.note(signal, now);
        }
    }

    /// Links and folders may have become other ones, which have none of our watches. What happened there until they are
    /// set is told by nobody.
    fn note_scope(&mut self, scope: Scope, began: Instant) {
        // A look that began before shows what was there before.
        let lost = self.lost.is_some_and(|at| at < began);
        if lost || scope != self.scope {
            self.watch_anew(scope);
            self.wakes.send(Wake::touched(Touched::Anything));
        } else if self.retry.is_some_and(|retry| retry.at <= began) {
            self.watch_anew(scope);
            self.ask.now();
        }
    }

    fn wake(&mut self, touched: Touched) {
        if touched == Touched::Nothing {
            return;
        }
        if touched == Touched::Anything {
            self.ask.now();
        }
        self.wakes.send(Wake::touched(touched));
    }

    /// Sets all watches again, since the roots are no longer what they were.
    fn watch_anew(&mut self, scope: Scope) {
        (self.scope, self.lost) = (scope, None);
        let sender = self.sender.clone();
        let scope = &self.scope;
        // The new ones stand before the old ones go: there is no gap to miss an event in. What is watched with may
        // panic when a thread of its own has ended; the regular look, and the next try, are there all the same.
        let watcher = &mut self.watcher;
        let watching = std::panic::AssertUnwindSafe(|| {
            let (new, errors) = watcher::watching(scope, sender)?;
            drop(watcher.replace(new));
            Ok(errors)
        });
        let failure = match std::panic::catch_unwind(watching) {
            Ok(Ok(errors)) => errors.into_iter().next(),
            Ok(Err(error)) => Some(error),
            Err(_) => Some(notify::Error::generic(
                "the thread of the watches has ended",
            )),
        };
        match failure {
            None => (self.retry, self.complained) = (None, false),
            Some(error) => {
                self.complain(&error);
                let before = self.retry.map(|retry| retry.pause);
                self.retry = Some(Retry::after(before, Instant::now()));
            }
        }
    }

    /// Says once that events can't be relied on.
    fn complain(&mut self, error: &notify::Error) {
        if std::mem::replace(&mut self.complained, true) {
            return;
        }
        let seconds = RESCAN.as_secs();
        if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) {
            warn!(
                "the limit of watched folders is reached: changes in some are noticed only by looking every \
                 {seconds} s; raise the sysctl fs.inotify.max_user_watches to notice them at once"
            );
        } else {
            warn!(%error, "can't watch for changes: they are noticed by looking every {seconds} s");
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Waits for a wake about anything, or about files; not for a regular one.
    fn woken(woken: &mut Woken) -> Touched {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            match woken.take() {
                Some(wake) if wake.touched != Touched::Nothing => return wake.touched,
                _ => std::thread::yield_now(),
            }
        }
        panic!("no wake came");
    }

    fn watched(root: &Path) -> Woken {
        let (wakes, mut woken) = wakes();
        spawn(vec![root.to_owned()], Mode::Events, wakes).expect("a thread");
        // The first look comes when the watches are set.
        while woken.take().is_none() {
            std::thread::yield_now();
        }
        woken
    }

    #[test]
    fn a_write_a_rename_and_a_removal_name_their_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut wakes = watched(folder.path());
        let (file, temporary) = (folder.path().join("a.yaml"), folder.path().join("sedAbCd"));
        let named = Touched::Files([file.clone()].into());
        fs::write(&file, "a: 1").expect("written");
        assert_eq!(woken(&mut wakes), named, "a write in place");
        fs::write(&temporary, "a: 2").expect("written");
        fs::rename(&temporary, &file).expect("renamed");
        assert_eq!(woken(&mut wakes), named, "a rename into place");
        fs::remove_file(&file).expect("removed");
        assert_eq!(woken(&mut wakes), named, "a removal");
    }

    #[test]
    fn the_swap_of_a_data_link_touches_anything() {
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
        assert_eq!(woken(&mut wakes), Touched::Anything);
    }

    #[test]
    fn a_write_behind_a_link_that_leads_out_names_the_link() {
        let (folder, outside) = (tempfile::tempdir(), tempfile::tempdir());
        let (folder, outside) = (folder.expect("a folder"), outside.expect("another"));
        let (target, link) = (outside.path().join("a.conf"), folder.path().join("a.yaml"));
        fs::write(&target, "a: 1").expect("written");
        symlink(&target, &link).expect("a link");
        let mut wakes = watched(folder.path());
        let named = Touched::Files([link.clone()].into());
        fs::write(&target, "a: 2").expect("written");
        assert_eq!(woken(&mut wakes), named, "a write in place");
        let (other, temporary) = (outside.path().join("b"), outside.path().join("c"));
        fs::write(&other, "no concern").expect("written");
        fs::write(&temporary, "a: 3").expect("written");
        fs::rename(&temporary, &target).expect("renamed");
        assert_eq!(woken(&mut wakes), named, "a rename into place");
    }

    /// Writes a file until a wake names it: watches may be set again at this moment.
    fn assert_watched(wakes: &mut Woken, file: &Path) {
        let deadline = Instant::now() + Duration::from_secs(10);
        for round in 0.. {
            assert!(
                Instant::now() < deadline,
                "{} isn't watched",
                file.display()
            );
            fs::write(file, format!("a: {round}")).expect("written");
            if woken(wakes) == Touched::Files([file.to_owned()].into()) {
                return;
            }
        }
    }

    /// The system takes the watch of the folder away with the link.
    #[test]
    fn a_folder_is_watched_on_when_a_link_to_it_goes() {
        let root = tempfile::tempdir().expect("a folder");
        let (real, link) = (root.path().join("real"), root.path().join("link"));
        fs::create_dir(&real).expect("a folder");
        symlink("real", &link).expect("a link");
        let mut wakes = watched(root.path());
        fs::remove_file(&link).expect("removed");
        assert_eq!(woken(&mut wakes), Touched::Anything, "the removal");
        assert_watched(&mut wakes, &real.join("a.yaml"));
    }

    #[test]
    fn a_root_that_cannot_be_watched_takes_no_other_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, root) = (folder.path().join("file"), folder.path().join("root"));
        fs::write(&file, "").expect("written");
        fs::create_dir(&root).expect("a folder");
        let (wakes, mut woken) = wakes();
        let roots = vec![file.join("below"), root.clone()];
        spawn(roots, Mode::Events, wakes).expect("a thread");
        while woken.take().is_none() {
            std::thread::yield_now();
        }
        assert_watched(&mut woken, &root.join("a.yaml"));
    }

    #[test]
    fn watches_that_cannot_be_set_are_tried_again_ever_more_rarely() {
        let now = Instant::now();
        let mut retry = Retry::after(None, now);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pauses.push((retry.at - now).as_secs());
            retry = Retry::after(Some(retry.pause), now);
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_root_that_is_replaced_is_watched_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let root = parent.path().join("manifests");
        fs::create_dir(&root).expect("a folder");
        let mut wakes = watched(&root);
        fs::rename(&root, parent.path().join("old")).expect("moved away");
        fs::create_dir(&root).expect("a new folder");
        assert_eq!(woken(&mut wakes), Touched::Anything, "the replacement");
        assert_watched(&mut wakes, &root.join("a.yaml"));
        // Removed and made again at once it may even have its old inode.
        fs::remove_dir_all(&root).expect("removed");
        fs::create_dir(&root).expect("a new folder");
        assert_watched(&mut wakes, &root.join("b.yaml"));
    }
}
