//! Reload: runs the stages from load to report, and puts the result into force.
//!
//! In: wakes. Out: a [`Snapshot`] for requests, sockets that match it, and a [`Published`] for the admin API
//! and the log. One task owns all of this state. Expensive stages run on a blocking thread, never on a thread
//! that serves requests. If a stage fails, the configuration that was in force stays in force.

mod changes;
mod log;
mod outcome;
mod published;
mod retired;
mod stages;
#[cfg(test)]
mod tests;

pub use crate::environment::settings::{PortSharing, PrivilegedPorts, Settings};
pub use changes::Changes;
pub use outcome::{Finished, Outcome, Reloads};
pub use published::{Generations, ListenerState, Published, SocketsState};

use crate::environment::discovery::{Discovery, Found, Sources};
use crate::issuer_fetch::IssuerFetches;
use crate::lifecycle::Lifecycle;
use crate::telemetry::access_log;
use crate::upgrade::SocketsRequest;
use crate::watch::{Wake, WakeReceiver, WakeSender};
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_dataplane::access_log::LineSinks;
use gatefold_dataplane::durations::Durations;
use gatefold_diagnostic::Code;
use gatefold_listen::{HttpApp, Sockets, Workers};
use gatefold_manifest::SettlingFiles;
use log::ReloadLog;
use retired::Retired;
use stages::{Built, ScanResult, Stages};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};
use tracing::{error, info};

/// The task that reloads the configuration, with everything that a reload changes.
pub struct Reload<A> {
    /// `None` while a stage runs on a blocking thread.
    stages: Option<Stages>,
    discovery: Discovery,
    /// What was found outside the folder and is in force.
    found: Found,
    issuer_fetches: IssuerFetches,
    sockets: Sockets<A>,
    /// Where access logs write their lines.
    sinks: LineSinks,
    durations: Durations,
    /// Whether the log says that routes or backends share a histogram.
    has_reported_full: bool,
    snapshot: Arc<ArcSwap<Snapshot>>,
    published: Arc<ArcSwap<Published>>,
    rounds: watch::Sender<Rounds>,
    /// When to read the files again that seemed to be half-written.
    rescan_at: Option<Instant>,
    old_snapshots: Retired<Snapshot>,
    old_published: Retired<Published>,
}

/// Counts what the reload task has done, so that other tasks can wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// The number of [`Published`] values so far.
    pub published: u64,
    /// The number of requested reloads that have ended.
    pub requested: u64,
}

/// What the task does next.
enum Task {
    Reload(Wake),
    RetrySockets,
    ReportKeys,
}

impl<A: HttpApp> Reload<A> {
    /// Creates the task's state without loading anything. Must be called within a Tokio runtime.
    pub fn new(
        settings: Settings,
        sources: Sources,
        wakes: WakeSender,
        sockets: Sockets<A>,
        snapshot: Arc<ArcSwap<Snapshot>>,
        issuer_fetches: IssuerFetches,
    ) -> Self {
        let (sinks, durations) = (settings.sinks.clone(), settings.durations.clone());
        let stages = Some(Stages::new(settings, wakes.settling_files()));
        let discovery = Discovery::new(sources, wakes);
        Reload {
            stages,
            sinks,
            durations,
            has_reported_full: false,
            found: discovery.initially(),
            discovery,
            issuer_fetches,
            sockets,
            snapshot,
            published: Arc::default(),
            rounds: watch::Sender::default(),
            rescan_at: None,
            old_snapshots: Retired::default(),
            old_published: Retired::default(),
        }
    }

    /// The configuration in force, for the admin API and the log.
    pub fn published(&self) -> Arc<ArcSwap<Published>> {
        self.published.clone()
    }

    /// The threads that serve connections.
    pub fn workers(&self) -> Arc<Workers<A>> {
        self.sockets.workers().clone()
    }

    /// Notifies when a new [`Published`] is in force or a requested reload has ended.
    pub fn rounds(&self) -> watch::Receiver<Rounds> {
        self.rounds.subscribe()
    }

    /// Reloads at every wake while the process is `Lifecycle::Serving`. Then closes the sockets and waits up to
    /// `grace` for requests to end. Returns the number of connections that were still open. The caller does the
    /// first load with [`Reload::reload`].
    ///
    /// A successor may request the sockets. Nothing is reloaded until the handover ends, so that both processes have the same
    /// sockets.
    pub async fn run(
        mut self,
        mut woken: WakeReceiver,
        mut requests: Receiver<SocketsRequest>,
        mut lifecycle: watch::Receiver<Lifecycle>,
        grace: Duration,
    ) -> usize {
        let mut handover: Option<oneshot::Receiver<()>> = None;
        let mut key_changes = self.issuer_fetches.changes();
        loop {
            let paused = handover.is_some();
            let retry = self.sockets.retry_after();
            let task = tokio::select! {
                // Checked first, because a successful handover ends, too.
                biased;
                _ = lifecycle.wait_for(|state| *state != Lifecycle::Serving) => break,
                () = end_of(&mut handover) => {
                    handover = None;
                    continue;
                }
                // A second request for the sockets is refused by dropping it.
                Some(request) = requests.recv() => {
                    if !paused {
                        handover = self.lend(request);
                    }
                    continue;
                }
                // Before wakes, because a stream of wakes must not delay what is due.
                () = at(self.rescan_at), if !paused => Task::Reload(Wake::default()),
                () = after(retry), if !paused => Task::RetrySockets,
                Ok(()) = key_changes.changed(), if !paused => Task::ReportKeys,
                wake = woken.next(), if !paused => Task::Reload(wake),
            };
            // A folder that hangs (a dead network file system) must not delay the shutdown.
            tokio::select! {
                biased;
                _ = lifecycle.wait_for(|state| *state != Lifecycle::Serving) => break,
                () = self.run_task(task) => {}
            }
        }
        // Dropping the receiver refuses every further request for the sockets at once.
        drop(requests);
        self.sockets.shutdown(grace).await
    }

    async fn run_task(&mut self, task: Task) {
        match task {
            Task::Reload(wake) => self.reload(wake).await,
            Task::RetrySockets => self.retry_sockets().await,
            Task::ReportKeys => self.report_keys().await,
        }
    }

    fn lend(&self, request: SocketsRequest) -> Option<oneshot::Receiver<()>> {
        match self.sockets.lend() {
            Ok(sockets) => Some(request.grant(sockets)),
            Err(error) => {
                error!(%error, "can't lend the sockets to a successor process");
                None
            }
        }
    }

    /// Scans the files, and puts the configuration into force if anything has changed.
    pub async fn reload(&mut self, wake: Wake) {
        let began = Instant::now();
        let requested = wake.requested;
        let known = self.found.clone();
        let scan = self.run_stage(move |stages| stages.load_and_build(&wake, known));
        match scan.await {
            Ok(ScanResult { built, rescan_at }) => {
                self.rescan_at = rescan_at;
                if let Some(built) = built {
                    self.apply(built, began).await;
                }
            }
            Err(panic) => {
                // The periodic scan still runs. A due time in the past would cause an endless loop.
                self.rescan_at = None;
                self.failed(&panic, began);
            }
        }
        if requested {
            self.rounds.send_modify(|rounds| rounds.requested += 1);
        }
        self.old_snapshots.sweep();
        self.old_published.sweep();
    }

    /// Finds what the folder doesn't contain, rebuilds the graph if that differs from what it was built with, and puts the graph into
    /// force.
    async fn apply(&mut self, mut built: Built, began: Instant) {
        let found = self.discovery.find(&built.graph).await;
        let before = self.published.load_full();
        let known = found.clone();
        let is_first = !before.ready;
        let same_found = before.ready && known == self.found;
        let outcome = self.run_stage(move |stages| {
            if known != built.found {
                built = stages.build(known);
            }
            let changes = Changes::between(&before.loaded.resources, &built.loaded.resources);
            // An equal configuration keeps its snapshot. Comparing the inputs avoids compiling it.
            let equal = same_found && changes.is_empty();
            let snapshot = (!equal).then(|| stages.compiler.compile(&built.graph));
            (built, changes, snapshot)
        });
        let (built, changes, snapshot) = match outcome.await {
            Ok(outcome) => outcome,
            Err(panic) => return self.failed(&panic, began),
        };
        let snapshot = snapshot.map_or_else(|| self.snapshot.load_full(), Arc::new);
        self.issuer_fetches.update(&snapshot);
        if is_first {
            self.issuer_fetches.first_results().await;
        }
        access_log::start_writers(&self.sinks);
        self.report_full_histograms();
        self.sockets.prepare(snapshot.ports.keys().copied());
        self.old_snapshots.keep(self.snapshot.swap(snapshot));
        self.sockets.commit().await;
        let took = began.elapsed();
        self.discovery.retain(&found);
        self.found = found;
        let failures = self.sockets.failures().clone();
        let in_words = changes.to_string();
        let next = move |before: &Published| before.followed_by(built, failures, took, in_words);
        self.publish(next, move |log, before, after| {
            log.reloaded(before, after, &changes);
        })
        .await;
    }

    /// Reports once that there are too many routes or backends for a histogram each.
    fn report_full_histograms(&mut self) {
        let full = self.durations.routes.is_full() || self.durations.backends.is_full();
        if full && !self.has_reported_full {
            self.has_reported_full = true;
            info!(
                "there are too many routes or backends for a histogram of durations each: the others share the series `other`"
            );
        }
    }

    async fn retry_sockets(&mut self) {
        if self.sockets.retry() {
            self.publish_current_state().await;
        }
    }

    /// Publishes what is known of fetched keys.
    async fn report_keys(&mut self) {
        if self.published.load().ready {
            self.publish_current_state().await;
        }
    }

    /// Publishes what has changed between two reloads: the state of sockets, and of fetched keys.
    async fn publish_current_state(&mut self) {
        let failures = self.sockets.failures().clone();
        self.publish(
            move |before| before.with_current_state(failures),
            ReloadLog::state_changed,
        )
        .await;
    }

    /// Publishes the configuration in force, first to the admin API, then to the log.
    async fn publish(
        &mut self,
        next: impl FnOnce(&Published) -> Published + Send + 'static,
        log: impl FnOnce(&mut ReloadLog, &Published, &Published) + Send + 'static,
    ) {
        let before = self.published.load_full();
        let previous = before.clone();
        match self.run_stage(move |_| Arc::new(next(&previous))).await {
            Ok(next) => {
                self.show(next.clone());
                // A failure to log does not affect the configuration in force.
                let _ = self
                    .run_stage(move |stages| log(&mut stages.log, &before, &next))
                    .await;
            }
            Err(panic) => self.failed(&panic, Instant::now()),
        }
    }

    /// Keeps the configuration in force, and reports that a newer one could not be applied.
    fn failed(&mut self, panic: &str, began: Instant) {
        let next = self.published.load().failed(panic, began.elapsed());
        self.show(Arc::new(next));
        error!(
            code = Code::ReloadFailed.as_str(),
            error = panic,
            "the reload failed because of a defect in gatefold; the previous configuration stays in force"
        );
    }

    fn show(&mut self, next: Arc<Published>) {
        self.old_published.keep(self.published.swap(next));
        self.rounds.send_modify(|rounds| rounds.published += 1);
    }

    /// Runs a stage on a blocking thread. A panic in the stage is returned as its message.
    async fn run_stage<T: Send + 'static>(
        &mut self,
        run: impl FnOnce(&mut Stages) -> T + Send + 'static,
    ) -> Result<T, String> {
        let Some(mut stages) = self.stages.take() else {
            return Err("another stage is still running".to_owned());
        };
        let settings = stages.settings().clone();
        let task = tokio::task::spawn_blocking(move || {
            let run = std::panic::AssertUnwindSafe(|| run(&mut stages));
            let outcome = std::panic::catch_unwind(run).map_err(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                text.unwrap_or("a panic without a message").to_owned()
            });
            (stages, outcome)
        });
        let (stages, outcome) = match task.await {
            Ok(done) => done,
            // Only if the runtime is shutting down.
            Err(error) => (
                Stages::new(settings, SettlingFiles::default()),
                Err(error.to_string()),
            ),
        };
        self.stages = Some(stages);
        outcome
    }
}

/// Resolves when the handover ends; never if there is none.
async fn end_of(handover: &mut Option<oneshot::Receiver<()>>) {
    match handover {
        // It also ends if the sender is dropped without a message.
        Some(handover) => drop(handover.await),
        None => std::future::pending().await,
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

async fn after(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
