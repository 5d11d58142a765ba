//! The threads that serve connections.
//!
//! In: accepted connections. Out: each on one thread for all of its life. A worker has its own Tokio runtime and its own
//! application, thus its own pool of connections to endpoints: a request never wakes another thread and shares no lock with
//! one. Everything else (reloads, the admin API) runs elsewhere, so that it never delays a request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The workers of a process. Their threads end when this is dropped.
#[derive(Debug)]
pub struct Workers<A> {
    /// Never empty.
    all: Vec<Worker<A>>,
    /// Counts the sockets, so that each is accepted from by another worker.
    sockets: AtomicUsize,
}

/// A thread that serves connections.
#[derive(Debug)]
struct Worker<A> {
    app: Arc<A>,
    runtime: Handle,
    connections: Arc<AtomicUsize>,
    /// Ends the thread when it is dropped. `None` on the runtime of a test.
    _stop: Option<oneshot::Sender<()>>,
}

/// The index of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerId(usize);

/// Counts a connection of a worker until it is dropped.
#[derive(Debug)]
struct ServedConnection(Arc<AtomicUsize>);

impl<A: Send + Sync + 'static> Workers<A> {
    /// Starts a thread for each application.
    ///
    /// # Errors
    ///
    /// If the operating system refuses a thread, or there is no application.
    pub fn start(apps: impl IntoIterator<Item = Arc<A>>) -> io::Result<Self> {
        let all = apps.into_iter().enumerate();
        let all = all.map(|(index, app)| Worker::start(index, app));
        let all: Vec<_> = all.collect::<io::Result<_>>()?;
        if all.is_empty() {
            return Err(io::Error::other("there must be at least one worker"));
        }
        Ok(Workers {
            all,
            sockets: AtomicUsize::new(0),
        })
    }

    /// Serves all connections on the current runtime instead of a thread of its own.
    #[cfg(test)]
    pub(crate) fn on_current_runtime(app: Arc<A>) -> Self {
        Workers {
            all: vec![Worker {
                app,
                runtime: Handle::current(),
                connections: Arc::default(),
                _stop: None,
            }],
            sockets: AtomicUsize::new(0),
        }
    }

    /// Resolves when every worker has run a task.
    pub fn respond(&self) -> impl Future<Output = ()> + Send + use<A> {
        let tasks: Vec<_> = self
            .all
            .iter()
            .map(|worker| worker.runtime.spawn(async {}))
            .collect();
        async {
            for task in tasks {
                // This fails only if the runtime is shut down.
                let _ = task.await;
            }
        }
    }

    /// Chooses the worker that accepts the connections of the next socket.
    pub(crate) fn for_socket(&self) -> WorkerId {
        WorkerId(self.sockets.fetch_add(1, Ordering::Relaxed) % self.all.len())
    }

    /// Chooses the worker for the next connection: the one with the fewest, and `accepting` if there are several.
    pub(crate) fn for_connection(&self, accepting: WorkerId) -> WorkerId {
        let connections = |index: usize| match self.all.get(index) {
            Some(worker) => worker.connections.load(Ordering::Relaxed),
            None => usize::MAX,
        };
        let key = |&index: &usize| (connections(index), index != accepting.0);
        (0..self.all.len())
            .min_by_key(key)
            .map_or(accepting, WorkerId)
    }

    /// The runtime of a worker.
    pub(crate) fn runtime(&self, id: WorkerId) -> &Handle {
        &self.worker(id).runtime
    }

    /// Serves a connection in a task of its own on a worker.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        id: WorkerId,
        serve: impl FnOnce(Arc<A>) -> F,
    ) -> JoinHandle<()> {
        let worker = self.worker(id);
        let served = ServedConnection::of(&worker.connections);
        let serving = serve(worker.app.clone());
        worker.runtime.spawn(async move {
            let _served = served;
            serving.await;
        })
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "ids come from this object, and the list never changes"
    )]
    fn worker(&self, id: WorkerId) -> &Worker<A> {
        &self.all[id.0]
    }
}

impl<A> Worker<A> {
    fn start(index: usize, app: Arc<A>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || {
                // The sender never sends, so this is an error when it is dropped.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })?;
        Ok(Worker {
            app,
            runtime: handle,
            connections: Arc::default(),
            _stop: Some(stop),
        })
    }
}

impl ServedConnection {
    fn of(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        ServedConnection(connections.clone())
    }
}

impl Drop for ServedConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Poll;

    #[test]
    fn connection_goes_to_the_worker_with_the_fewest() {
        let workers = Workers::start([Arc::new(()), Arc::new(()), Arc::new(())]).expect("threads");
        let accepting = workers.for_socket();
        let (ended, was_ended) = mpsc::channel::<()>();
        let mut held = Vec::new();
        let mut serve = |id| {
            let (end, ends) = oneshot::channel::<()>();
            let ended = ended.clone();
            held.push(Some(end));
            workers.spawn(id, |_| async move {
                let _ = ends.await;
                let _ = ended.send(());
            });
        };
        let mut chosen = Vec::new();
        for _ in 0..6 {
            let id = workers.for_connection(accepting);
            serve(id);
            chosen.push(id.0);
        }
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2], "connections are spread evenly");
        // The second worker's first connection ends.
        held[1] = None;
        was_ended.recv().expect("the end of a connection");
        let count = |index: usize| workers.all[index].connections.load(Ordering::Relaxed);
        while count(1) > 1 {
            thread::yield_now();
        }
        assert_eq!(workers.for_connection(accepting), WorkerId(1));
    }

    #[test]
    fn each_connection_gets_the_application_of_its_worker() {
        let workers = Workers::start([Arc::new("a"), Arc::new("b")]).expect("threads");
        let (sender, apps) = mpsc::channel();
        for id in [WorkerId(1), WorkerId(0)] {
            let sender = sender.clone();
            workers.spawn(id, |app| async move {
                let thread = thread::current().name().map(str::to_owned);
                let _ = sender.send((*app, thread));
            });
            let expected = [("a", "worker-0"), ("b", "worker-1")][id.0];
            let (app, thread) = apps.recv().expect("the task ran");
            assert_eq!((app, thread.as_deref()), (expected.0, Some(expected.1)));
        }
    }

    #[test]
    fn a_stuck_worker_does_not_respond() {
        let workers = Workers::start([Arc::new(()), Arc::new(())]).expect("threads");
        let (release, released) = mpsc::channel::<()>();
        let (stuck, is_stuck) = mpsc::channel();
        workers.spawn(WorkerId(1), |_| async move {
            let _ = stuck.send(());
            let _ = released.recv();
        });
        is_stuck.recv().expect("the worker runs the task");
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let mut response = Box::pin(workers.respond());
        runtime.block_on(async {
            // The other worker has run whatever it was given before this task.
            let _ = workers.spawn(WorkerId(0), |_| async {}).await;
            let response =
                std::future::poll_fn(|context| Poll::Ready(response.as_mut().poll(context)));
            assert!(response.await.is_pending(), "a worker is stuck");
        });
        drop(release);
        runtime.block_on(response);
    }

    #[test]
    fn threads_end_when_the_workers_are_dropped() {
        let workers = Workers::start([Arc::new(())]).expect("a thread");
        let (held, dropped) = mpsc::channel::<()>();
        workers.spawn(WorkerId(0), |_| async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(workers);
        assert!(dropped.recv().is_err(), "the runtime drops its tasks");
    }
}
