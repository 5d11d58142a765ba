//! Reload: from a wake to new traffic and new statuses.
//!
//! In: wakes. Out: a [`Snapshot`] for requests, sockets that fit it, and a [`Published`] for the admin API
//! and the log. One task owns everything; what costs time runs beside the runtime's threads. Whatever goes
//! wrong on the way, what was in force stays in force.

mod changes;
mod log;
mod outcome;
mod published;
mod retired;
mod stages;

pub use changes::Changes;
pub use outcome::{Finished, Outcome, Reloads};
pub use published::{Generations, ListenerState, Published};
pub use stages::Settings;

use crate::discover::{Discovery, FixedBackend};
use crate::lifecycle::Lifecycle;
use crate::upgrade::SocketsRequest;
use crate::watch::{Wake, Wakes, Woken};
use arc_swap::ArcSwap;
use gatefold_dataplane::Snapshot;
use gatefold_diagnostic::Code;
use gatefold_graph::Graph;
use gatefold_listen::{HttpApp, Sockets};
use gatefold_manifest::Busy;
use log::ReloadLog;
use retired::Retired;
use stages::{Built, Discovered, Look, Stages};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::sync::{oneshot, watch};
use tracing::error;

/// Everything that changes when the manifests do.
pub struct Reload<A> {
    /// Absent while a stage runs beside.
    stages: Option<Stages>,
    discovery: Discovery,
    /// The endpoints from elsewhere that are in force.
    discovered: Discovered,
    sockets: Sockets<A>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    published: Arc<ArcSwap<Published>>,
    graph: Arc<Graph>,
    rounds: watch::Sender<Rounds>,
    /// When to look at files again that seemed to be half-written.
    look_again: Option<Instant>,
    old_graphs: Retired<Graph>,
    old_snapshots: Retired<Snapshot>,
    old_published: Retired<Published>,
}

/// How often there was something new to show, and how often a reload that was asked for has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// How many [`Published`] there were.
    pub published: u64,
    /// How many [requests to reload](Wake::requested) were answered.
    pub requested: u64,
}

impl<A: HttpApp> Reload<A> {
    /// Nothing is loaded yet. Call it within a Tokio runtime.
    pub fn new(
        settings: Settings,
        backends: Vec<FixedBackend>,
        echo: bool,
        wakes: Wakes,
        sockets: Sockets<A>,
        snapshot: Arc<ArcSwap<Snapshot>>,
    ) -> Self {
        Reload {
            stages: Some(Stages::new(settings, wakes.busy())),
            discovery: Discovery::new(backends, echo, wakes),
            discovered: Discovered::default(),
            sockets,
            snapshot,
            published: Arc::default(),
            graph: Arc::default(),
            rounds: watch::Sender::default(),
            look_again: None,
            old_graphs: Retired::default(),
            old_snapshots: Retired::default(),
            old_published: Retired::default(),
        }
    }

    /// What is in force, for everybody who wants to show it.
    pub fn published(&self) -> Arc<ArcSwap<Published>> {
        self.published.clone()
    }

    /// Tells when there is something new to show.
    pub fn rounds(&self) -> watch::Receiver<Rounds> {
        self.rounds.subscribe()
    }

    /// Looks at the files at every wake, as long as the process is [`Lifecycle::Serving`]; then closes the sockets
    /// and waits `grace` for requests to end. Gives how many connections were still open. The first load is
    /// the caller's, by [`Reload::reload`].
    ///
    /// A successor may borrow the sockets; until it has taken over or has given up nothing is reloaded, so
    /// that both have the same ones.
    pub async fn run(
        mut self,
        mut woken: Woken,
        mut loans: Receiver<SocketsRequest>,
        mut phase: watch::Receiver<Lifecycle>,
        grace: Duration,
    ) -> usize {
        let mut lease: Option<oneshot::Receiver<()>> = None;
        loop {
            let rests = lease.is_some();
            let retry = self.sockets.retry_after();
            let wake = tokio::select! {
                // The phase first: a lease ends when the successor has taken over, too.
                biased;
                _ = phase.wait_for(|phase| *phase != Lifecycle::Serving) => break,
                () = end_of(&mut lease) => {
                    lease = None;
                    continue;
                }
                // One while another has them is refused by being dropped.
                Some(loan) = loans.recv() => {
                    if !rests {
                        lease = self.lend(loan);
                    }
                    continue;
                }
                // What is due first: wakes may come without end.
                () = at(self.look_again), if !rests => Some(Wake::default()),
                () = after(retry), if !rests => None,
                wake = woken.next(), if !rests => Some(wake),
            };
            let work = async {
                match wake {
                    Some(wake) => self.reload(wake).await,
                    None => self.retry_sockets().await,
                }
            };
            // A folder that hangs (a dead network file system) must not hold up the end.
            tokio::select! {
                biased;
                _ = phase.wait_for(|phase| *phase != Lifecycle::Serving) => break,
                () = work => {}
            }
        }
        // Who asks for the sockets from now on is refused at once.
        drop(loans);
        self.sockets.shutdown(grace).await
    }

    fn lend(&self, loan: SocketsRequest) -> Option<oneshot::Receiver<()>> {
        match self.sockets.lend() {
            Ok(sockets) => Some(loan.grant(sockets)),
            Err(error) => {
                error!(%error, "can't lend the sockets to a successor");
                None
            }
        }
    }

    /// Looks at the files, and does what a change asks for.
    pub async fn reload(&mut self, wake: Wake) {
        let began = Instant::now();
        let requested = wake.requested;
        let known = self.discovered.clone();
        let look = self.beside(move |stages| stages.load_and_build(&wake, known));
        match look.await {
            Ok(Look { built, again }) => {
                self.look_again = again;
                if let Some(built) = built {
                    self.apply(built, began).await;
                }
            }
            Err(panic) => {
                // The regular look comes all the same; a time that is past would never end.
                self.look_again = None;
                self.failed(&panic, began);
            }
        }
        if requested {
            self.rounds.send_modify(|rounds| rounds.requested += 1);
        }
        self.old_graphs.sweep();
        self.old_snapshots.sweep();
        self.old_published.sweep();
    }

    /// Looks for endpoints that the folder doesn't have, builds anew if others were found than are known, and
    /// puts the graph into force.
    async fn apply(&mut self, mut built: Built, began: Instant) {
        let discovered = Arc::new(self.discovery.find(&built.graph.wanted).await);
        let before = self.published.load_full();
        let known = discovered.clone();
        let same_endpoints = before.ready && known == self.discovered;
        let outcome = self.beside(move |stages| {
            if known != built.discovered {
                built = stages.build(known);
            }
            let changes = Changes::between(&before.loaded.resources, &built.loaded.resources);
            // An equal result swaps nothing. That it is equal shows before it is made.
            let equal = same_endpoints && changes.is_empty();
            let snapshot = (!equal).then(|| stages.compiler.compile(&built.graph));
            (built, changes, snapshot)
        });
        let (built, changes, snapshot) = match outcome.await {
            Ok(outcome) => outcome,
            Err(panic) => return self.failed(&panic, began),
        };
        let snapshot = snapshot.map_or_else(|| self.snapshot.load_full(), Arc::new);
        self.sockets.prepare(snapshot.ports.keys().copied());
        self.old_snapshots.keep(self.snapshot.swap(snapshot));
        self.sockets.commit().await;
        let took = began.elapsed();
        self.discovery.retain(&discovered);
        self.discovered = discovered;
        let old = std::mem::replace(&mut self.graph, built.graph.clone());
        self.old_graphs.keep(old);
        let failures = self.sockets.failures().clone();
        let in_words = changes.to_string();
        let next = move |before: &Published| before.followed_by(built, failures, took, in_words);
        self.publish(next, move |log, before, after| {
            log.reloaded(before, after, &changes);
        })
        .await;
    }

    async fn retry_sockets(&mut self) {
        if !self.sockets.retry() {
            return;
        }
        let graph = self.graph.clone();
        let failures = self.sockets.failures().clone();
        self.publish(
            move |before| before.bound_again(&graph, failures),
            ReloadLog::bound,
        )
        .await;
    }

    /// Shows what is in force now, first to the admin API, then in the log.
    async fn publish(
        &mut self,
        next: impl FnOnce(&Published) -> Published + Send + 'static,
        log: impl FnOnce(&mut ReloadLog, &Published, &Published) + Send + 'static,
    ) {
        let before = self.published.load_full();
        let previous = before.clone();
        match self.beside(move |_| Arc::new(next(&previous))).await {
            Ok(next) => {
                self.show(next.clone());
                // What can't be logged is in force all the same.
                let _ = self
                    .beside(move |stages| log(&mut stages.log, &before, &next))
                    .await;
            }
            Err(panic) => self.failed(&panic, Instant::now()),
        }
    }

    /// Keeps what is in force, and says that something newer couldn't be.
    fn failed(&mut self, panic: &str, began: Instant) {
        let next = self.published.load().failed(panic, began.elapsed());
        self.show(Arc::new(next));
        error!(
            code = Code::ReloadFailed.as_str(),
            error = panic,
            "the reload failed, which is a defect of gatefold; what was in force stays"
        );
    }

    fn show(&mut self, next: Arc<Published>) {
        self.old_published.keep(self.published.swap(next));
        self.rounds.send_modify(|rounds| rounds.published += 1);
    }

    /// Runs a stage on a thread of its own. A panic in it becomes its message.
    async fn beside<T: Send + 'static>(
        &mut self,
        run: impl FnOnce(&mut Stages) -> T + Send + 'static,
    ) -> Result<T, String> {
        let Some(mut stages) = self.stages.take() else {
            return Err("the stages are gone".to_owned());
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
            // Only when the runtime is shut down under it.
            Err(error) => (
                Stages::new(settings, Busy::default()),
                Err(error.to_string()),
            ),
        };
        self.stages = Some(stages);
        outcome
    }
}

/// Resolves when a lease is over; never when there is none.
async fn end_of(lease: &mut Option<oneshot::Receiver<()>>) {
    match lease {
        // Over is over, whether somebody says so or not.
        Some(lease) => drop(lease.await),
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

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_manifest::Touched;
    use gatefold_proxy as proxy;
    use std::net::Ipv4Addr;

    const MANIFESTS: &str = "\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {gatewayClassName: c, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec: {parentRefs: [{name: edge}], hostnames: [shop.example.com]}
";

    #[tokio::test]
    async fn an_equal_result_swaps_nothing_and_another_one_does() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("edge.yaml");
        std::fs::write(&file, MANIFESTS).expect("written");
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let app = proxy::build(snapshot.clone(), proxy::Options::default());
        let settings = Settings {
            roots: vec![folder.path().to_owned()],
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            // The system chooses.
            port_map: [(80, 0)].into(),
            ..Settings::default()
        };
        let (wakes, _woken) = crate::watch::wakes();
        let sockets = Sockets::new(app, snapshot.clone(), gatefold_listen::Options::default());
        let mut reload = Reload::new(settings, vec![], false, wakes, sockets, snapshot.clone());
        reload.reload(Wake::requested()).await;
        let first = snapshot.load_full();
        assert_eq!(first.ports.len(), 1, "the listener is served");

        std::fs::write(&file, format!("# a comment\n{MANIFESTS}")).expect("written");
        reload.reload(Wake::touched(Touched::Anything)).await;
        assert_eq!(reload.published().load().generations.applied, 2);
        assert!(Arc::ptr_eq(&first, &snapshot.load_full()), "a comment");

        let other = MANIFESTS.replace("shop.example.com", "other.example.com");
        std::fs::write(&file, other).expect("written");
        reload.reload(Wake::touched(Touched::Anything)).await;
        assert!(!Arc::ptr_eq(&first, &snapshot.load_full()), "a hostname");
    }
}
