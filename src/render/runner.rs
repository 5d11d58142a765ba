//! Runs the commands of a daemon: once at its start, and again on request.
//!
//! In: requests, from the watcher of `--render-watch` and from SIGHUP. Out: texts for the loader, with a wake for the reload. Each
//! command has a thread of its own and runs at most once at a time. Requests that arrive meanwhile are answered by one more run.

use super::RenderedText;
use super::command::{RenderCommand, RenderOutcome};
use crate::watch::{Wake, WakeSender};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tracing::{debug, info};

/// After how long a command runs again if it has printed nothing and printed manifests before.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// The newest text of each command that the loader hasn't taken yet, in the order of commands.
#[derive(Clone, Debug, Default)]
pub struct RenderOutputs(Arc<Mutex<Vec<(String, RenderedText)>>>);

/// Requests that all commands run again. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RenderRequests(Arc<[SyncSender<()>]>);

/// The running commands of a daemon. They end when this is dropped.
#[derive(Debug)]
pub struct Renders {
    outputs: RenderOutputs,
    requests: RenderRequests,
    /// The number of commands whose first run hasn't ended.
    pending: watch::Receiver<usize>,
    stop: Arc<AtomicBool>,
    idle: Vec<(CommandRunner, Receiver<()>)>,
    threads: Vec<JoinHandle<()>>,
}

impl RenderOutputs {
    /// Takes the texts that are new.
    pub fn take(&self) -> Vec<(String, RenderedText)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, name: &str, text: RenderedText) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match texts.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = text,
            None => texts.push((name.to_owned(), text)),
        }
    }
}

impl RenderRequests {
    /// Requests a run of all commands. A running command runs once more.
    pub fn request(&self) {
        for command in self.0.iter() {
            // The channel is full if a request is pending already.
            let _ = command.try_send(());
        }
    }
}

impl Renders {
    /// Prepares all commands. None runs before [`start`](Self::start).
    pub fn new(commands: Vec<RenderCommand>, wakes: &WakeSender) -> Self {
        let (sender, pending) = watch::channel(commands.len());
        let sender = Arc::new(sender);
        let stop = Arc::new(AtomicBool::new(false));
        let outputs = RenderOutputs::default();
        let (mut requests, mut idle) = (Vec::new(), Vec::new());
        for command in commands {
            let (request, requested) = sync_channel(1);
            requests.push(request);
            let runner = CommandRunner {
                command,
                outputs: outputs.clone(),
                wakes: wakes.clone(),
                first: Some(FirstRun(sender.clone())),
                stop: stop.clone(),
                had_manifests: false,
            };
            idle.push((runner, requested));
        }
        Renders {
            outputs,
            requests: RenderRequests(requests.into()),
            pending,
            stop,
            idle,
            threads: Vec::new(),
        }
    }

    /// Starts all commands.
    ///
    /// # Errors
    /// If a thread can't be started.
    pub fn start(&mut self) -> std::io::Result<()> {
        for (runner, requested) in self.idle.drain(..) {
            let thread = std::thread::Builder::new().name("render".to_owned());
            let thread = thread.spawn(move || runner.run(&requested))?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// The texts for the loader.
    pub fn outputs(&self) -> RenderOutputs {
        self.outputs.clone()
    }

    /// Requests further runs.
    pub fn requests(&self) -> RenderRequests {
        self.requests.clone()
    }

    /// Waits until the first run of each command has ended.
    pub fn first_runs(&self) -> impl Future<Output = ()> + 'static {
        let mut pending = self.pending.clone();
        async move {
            // An error means that all threads have ended.
            let _ = pending.wait_for(|pending| *pending == 0).await;
        }
    }

    /// Stops all commands: from now on none runs. Doesn't wait for their end.
    pub fn stopper(&self) -> impl FnOnce() + Send + 'static {
        let (stop, requests) = (self.stop.clone(), self.requests.clone());
        move || {
            stop.store(true, Ordering::Relaxed);
            requests.request();
        }
    }
}

impl Drop for Renders {
    /// Waits until the commands are killed, which takes a moment.
    fn drop(&mut self) {
        self.stopper()();
        for thread in self.threads.drain(..) {
            // A panic has been logged.
            let _ = thread.join();
        }
    }
}

/// The first run of a command. It has ended when this is dropped, also by a panic.
#[derive(Debug)]
struct FirstRun(Arc<watch::Sender<usize>>);

impl Drop for FirstRun {
    fn drop(&mut self) {
        self.0.send_modify(|pending| *pending -= 1);
    }
}

/// The thread of one command.
#[derive(Debug)]
struct CommandRunner {
    command: RenderCommand,
    outputs: RenderOutputs,
    wakes: WakeSender,
    first: Option<FirstRun>,
    stop: Arc<AtomicBool>,
    /// Whether the last text isn't empty.
    had_manifests: bool,
}

impl CommandRunner {
    fn run(mut self, requested: &Receiver<()>) {
        while let Some(text) = self.text(requested) {
            self.outputs.put(self.command.name(), text);
            drop(self.first.take());
            self.wakes.send(Wake::rendered());
            if requested.recv().is_err() || self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Runs the command. `None` if gatefold ends.
    fn text(&mut self, requested: &Receiver<()>) -> Option<RenderedText> {
        let mut text = self.run_once()?;
        if self.had_manifests && is_empty(&text) {
            // As for a file that becomes empty: something may be in the middle of a change.
            info!(
                command = self.command.text(),
                "the command printed nothing; it runs again in a moment"
            );
            match requested.recv_timeout(CONFIRMATION) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
            text = self.run_once()?;
        }
        // A failure keeps the last good text in force.
        if text.is_ok() {
            self.had_manifests = !is_empty(&text);
        }
        Some(text)
    }

    fn run_once(&self) -> Option<RenderedText> {
        debug!(
            command = self.command.text(),
            "running a command of --render"
        );
        match self.command.run(&self.stop) {
            RenderOutcome::Printed(text) => Some(Ok(text)),
            RenderOutcome::Failed(failure) => Some(Err(failure)),
            RenderOutcome::Stopped => None,
        }
    }
}

fn is_empty(text: &RenderedText) -> bool {
    text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty())
}
