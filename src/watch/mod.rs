//! Watches folders and wakes the reload when files may have changed.
//!
//! In: paths of folders or files. Out: a [`Wake`] with a hint which files may have changed, and the events that
//! [`SettlingFiles`] needs. Never reads a file and never decides what has changed: only the loader does. All files are
//! scanned every two seconds, because the operating system doesn't report every change: on network file systems, in bind
//! mounts, and when its queue of events overflows.

mod any_change;
mod event;
mod links;
mod rescan;
mod retry;
mod scope;
#[cfg(test)]
mod tests;
mod wake;
mod watcher;

pub use any_change::watch_any;
pub use rescan::RESCAN;
pub use wake::{Wake, WakeReceiver, WakeSender, wake_channel};

use event::{EventResult, Observation, interpret};
use gatefold_manifest::{ChangeHint, FileEvent, SettlingFiles};
use notify::RecommendedWatcher;
use rescan::{ScanRequests, ScanThread};
use retry::{Overflows, WatchRetry};
use scope::WatchScope;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tracing::warn;

/// How many messages are handled before due files are looked up, which costs more than handling a message.
const BATCH: usize = 1_000;

/// How changes are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// By events of the operating system, and by a scan every two seconds.
    Events,
    /// Only by a scan every two seconds (`--poll`).
    Poll,
}

/// Watches `roots` in background threads until the receiver of `wakes` is dropped.
///
/// # Errors
/// If a thread can't be started.
pub fn spawn(roots: Vec<PathBuf>, mode: WatchMode, wakes: WakeSender) -> std::io::Result<()> {
    let (sender, messages) = mpsc::channel();
    let scans = ScanThread {
        roots: roots.clone(),
        wakes: wakes.clone(),
        watch: (mode == WatchMode::Events).then(|| sender.clone()),
    };
    let scans = scans.spawn()?;
    if mode == WatchMode::Poll {
        return Ok(());
    }
    let watch = WatchThread {
        scans,
        settling: wakes.settling_files(),
        wakes,
        sender,
        messages,
        watcher: None,
        scope: WatchScope::default(),
        lost: None,
        overflows: Overflows::default(),
        retry: None,
        warned: false,
    };
    std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || watch.run(&roots))
        .map(drop)
}

/// A message to the watch thread.
enum WatchMessage {
    /// The operating system has reported an event.
    Event(EventResult),
    /// What to watch, according to a scan that began at this time.
    Scope(WatchScope, Instant),
}

struct WatchThread {
    scans: ScanRequests,
    settling: SettlingFiles,
    wakes: WakeSender,
    sender: mpsc::Sender<WatchMessage>,
    messages: mpsc::Receiver<WatchMessage>,
    /// Dropping it ends its watches.
    watcher: Option<RecommendedWatcher>,
    /// What is watched.
    scope: WatchScope,
    /// When watches or events were last lost. The watches are set again after the first scan that begins later.
    lost: Option<Instant>,
    overflows: Overflows,
    /// When to retry setting watches. `None` if all of them are set.
    retry: Option<WatchRetry>,
    /// Whether a warning has been logged that events are incomplete, and they still are.
    warned: bool,
}

impl WatchThread {
    fn run(mut self, roots: &[PathBuf]) {
        self.set_watches(WatchScope::of(roots, true));
        // No event reports what happened before the watches were set.
        self.scans.request();
        while !self.wakes.ended() {
            let due = self.settling.lock().due();
            let until = due.unwrap_or_else(|| Instant::now() + RESCAN);
            match self.messages.recv_timeout(remaining(until)) {
                Ok(message) => self.handle_batch(message),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            let changed = self.settling.lock().take_due(Instant::now());
            self.wake(changed);
        }
    }

    /// Handles a message and those that have arrived after it.
    fn handle_batch(&mut self, first: WatchMessage) {
        self.receive(first);
        for _ in 1..BATCH {
            let Ok(next) = self.messages.try_recv() else {
                return;
            };
            self.receive(next);
        }
    }

    fn receive(&mut self, message: WatchMessage) {
        match message {
            WatchMessage::Event(event) => self.record(event),
            WatchMessage::Scope(scope, began) => self.compare_scope(scope, began),
        }
    }

    fn record(&mut self, event: EventResult) {
        let now = Instant::now();
        if let Err(error) = &event {
            self.warn_once(error);
            // The error may concern a new folder, which isn't watched until the watches are set again.
            self.retry.get_or_insert(WatchRetry::after(None, now));
        }
        let overflow = event.as_ref().is_ok_and(|event| event.need_rescan());
        for observation in interpret(event, &self.scope) {
            let event = match observation {
                Observation::Event(event) => event,
                Observation::WatchesLost => {
                    self.lost = Some(if overflow {
                        self.overflows.record(now)
                    } else {
                        now
                    });
                    FileEvent::FoldersChanged
                }
            };
            self.settling.lock().record(event, now);
        }
    }

    /// Sets the watches again if a scan found other links or folders than those that are watched, or if watches were lost.
    /// No event reports what happened there in the meantime.
    fn compare_scope(&mut self, scope: WatchScope, began: Instant) {
        // A scan that began before the loss shows the earlier state.
        let lost = self.lost.is_some_and(|at| at < began);
        if lost || scope != self.scope {
            self.set_watches(scope);
            self.wakes.send(Wake::changed(ChangeHint::Anything));
        } else if self.retry.is_some_and(|retry| retry.at <= began) {
            self.set_watches(scope);
            self.scans.request();
        }
    }

    fn wake(&mut self, changed: ChangeHint) {
        if changed == ChangeHint::Nothing {
            return;
        }
        if changed == ChangeHint::Anything {
            self.scans.request();
        }
        self.wakes.send(Wake::changed(changed));
    }

    /// Replaces all watches by those of `scope`.
    fn set_watches(&mut self, scope: WatchScope) {
        (self.scope, self.lost) = (scope, None);
        let sender = self.sender.clone();
        let scope = &self.scope;
        // The new watches are set before the old ones are dropped, so that no event is missed. The watcher may panic if
        // its internal thread has ended; then the regular scans and the next retry remain.
        let watcher = &mut self.watcher;
        let setting = std::panic::AssertUnwindSafe(|| {
            let (new, errors) = watcher::watch(scope, sender)?;
            drop(watcher.replace(new));
            Ok(errors)
        });
        let failure = match std::panic::catch_unwind(setting) {
            Ok(Ok(errors)) => errors.into_iter().next(),
            Ok(Err(error)) => Some(error),
            Err(_) => Some(notify::Error::generic(
                "the thread that receives events has ended",
            )),
        };
        match failure {
            None => (self.retry, self.warned) = (None, false),
            Some(error) => {
                self.warn_once(&error);
                let before = self.retry.map(|retry| retry.pause);
                self.retry = Some(WatchRetry::after(before, Instant::now()));
            }
        }
    }

    /// Logs once that events are incomplete.
    fn warn_once(&mut self, error: &notify::Error) {
        if std::mem::replace(&mut self.warned, true) {
            return;
        }
        let seconds = RESCAN.as_secs();
        if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) {
            warn!(
                "the limit of watched folders is reached: changes in some folders are noticed only by a scan every \
                 {seconds} s; raise the sysctl fs.inotify.max_user_watches to notice them at once"
            );
        } else {
            warn!(%error, "can't watch for changes: they are noticed only by a scan every {seconds} s");
        }
    }
}

fn remaining(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
