//! Watching folders: whatever happens in them becomes a hint to look.
//!
//! In: paths of folders or files. Out: a [`Wake`] now and then, with what may have changed. No file is read
//! here, and no event is trusted: what has changed, if anything, only the loader tells. A look every two seconds
//! catches what the system doesn't tell of: network file systems, bind mounts, a queue that ran over.

mod links;
mod look;
mod pending;
mod retry;
mod scope;
mod signal;
#[cfg(test)]
mod tests;
mod wake;
mod watcher;

pub use look::RESCAN;
pub use wake::{Wake, Wakes, Woken, wakes};

use gatefold_manifest::Touched;
use look::{Ask, Look};
use notify::RecommendedWatcher;
use pending::Pending;
use retry::{Overruns, Retry};
use scope::Scope;
use signal::{Signal, signals};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tracing::warn;

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
        overruns: Overruns::default(),
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

struct Watch {
    ask: Ask,
    wakes: Wakes,
    sender: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    /// Dropping it ends its watches.
    watcher: Option<RecommendedWatcher>,
    /// What is watched.
    scope: Scope,
    /// When watches were last lost that the scope doesn't show; later where that is to be waited for.
    lost: Option<Instant>,
    overruns: Overruns,
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
        let now = Instant::now();
        if let Err(error) = &event {
            self.complain(error);
            // It may be of a new folder, which is watched by nobody but by a further try.
            self.retry.get_or_insert(Retry::after(None, now));
        }
        let overrun = event.as_ref().is_ok_and(|event| event.need_rescan());
        for signal in signals(event, &self.scope) {
            if signal == Signal::Lost {
                self.lost = Some(match overrun {
                    true => self.overruns.note(now),
                    false => now,
                });
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
