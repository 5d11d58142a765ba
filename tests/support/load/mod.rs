//! Load: clients of every kind that ask a server all the time and forgive nothing.
//!
//! All clients run on one thread, each at its pace, so that some hundred requests a second cost little beside
//! the daemon. A failure is kept with its circumstances: which kind of client, which request, after how long,
//! and what had changed before.

mod client;
pub mod connection;
mod http1;
mod http2;
mod report;
pub mod trouble;

pub use connection::{Kind, Target};
pub use report::Report;

use super::client::Response;
use client::Client;
use report::{Counts, Failure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a client asks, when its plan doesn't say otherwise.
const PACE: Duration = Duration::from_millis(20);

/// Says whether an answer is right.
pub trait Judge: Send + Sync + 'static {
    /// Taken before a request (and the connection for it) begins, and given back with its answer.
    fn before(&self) -> u64 {
        0
    }

    /// The certificate is empty without TLS, and when the connection had answered before.
    ///
    /// # Errors
    /// What is wrong with the answer.
    fn judge(&self, answer: &Response, certificate: &[u8], before: u64) -> Result<(), String>;
}

/// What clients may expect of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// It stays: a connection that ends is a failure.
    Stays,
    /// Another process takes over: the old one may end its connections between requests; connecting always
    /// works.
    IsReplaced,
    /// It ends: the same, and at last connections are refused.
    Ends,
}

/// Which clients there shall be.
pub struct Plan {
    target: Target,
    path: String,
    pace: Duration,
    server: Server,
    clients: Vec<Kind>,
}

/// Clients at work. Dropped, they stop.
pub struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    report: Mutex<Report>,
    change: Mutex<Option<(String, Instant)>>,
}

impl Plan {
    /// No clients yet; they will ask for `/`.
    pub fn to(target: Target) -> Self {
        Plan {
            target,
            path: "/".to_owned(),
            pace: PACE,
            server: Server::Stays,
            clients: Vec::new(),
        }
    }

    /// Adds clients of a kind.
    pub fn clients(mut self, kind: Kind, count: usize) -> Self {
        self.clients.extend(std::iter::repeat_n(kind, count));
        self
    }

    /// Adds one client of every kind.
    pub fn every_kind(self) -> Self {
        Kind::ALL
            .into_iter()
            .fold(self, |plan, kind| plan.clients(kind, 1))
    }

    /// How often each client asks.
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    pub fn server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }

    /// Starts the clients and waits until each kind has been answered.
    #[track_caller]
    pub fn start(self, judge: impl Judge) -> Load {
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            report: Mutex::new(Report::new()),
            change: Mutex::new(None),
        });
        let mut kinds = self.clients.clone();
        kinds.dedup();
        let clients = self.into_clients(&shared, Arc::new(judge));
        let load = Load {
            thread: Some(std::thread::spawn(move || run(clients))),
            shared,
        };
        super::eventually("every client is answered", || {
            load.check();
            let report = load.shared.report();
            let answered = |kind: &Kind| report.of(*kind).answered > 0;
            kinds.iter().all(answered).then_some(())
        });
        load
    }

    fn into_clients(self, shared: &Arc<Shared>, judge: Arc<dyn Judge>) -> Vec<Client> {
        let clients = self.clients.iter().enumerate();
        let clients = clients.map(|(number, &kind)| Client {
            kind,
            number,
            target: self.target.clone(),
            path: self.path.clone(),
            pace: self.pace,
            server: self.server,
            judge: judge.clone(),
            shared: shared.clone(),
            kept: None,
            opened: false,
        });
        clients.collect()
    }
}

fn run(clients: Vec<Client>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let tasks: Vec<_> = clients
            .into_iter()
            .map(|client| tokio::spawn(client.run()))
            .collect();
        for task in tasks {
            task.await.expect("a client doesn't panic");
        }
    });
}

impl Load {
    /// Notes that the server was changed just now, for the report of failures.
    pub fn changed(&self, what: impl Into<String>) {
        *lock(&self.shared.change) = Some((what.into(), Instant::now()));
    }

    /// Fails the test when a request has failed.
    #[track_caller]
    pub fn check(&self) {
        let report = self.shared.report();
        if report.failed > 0 {
            let text = report.to_string();
            drop(report);
            panic!("{text}");
        }
    }

    /// What came of it so far, as text.
    pub fn report(&self) -> String {
        self.shared.report().to_string()
    }

    /// Stops the clients after the requests in hand, and fails the test when one has failed.
    #[track_caller]
    pub fn finish(mut self) -> Report {
        let report = self.stop();
        assert!(report.failed() == 0, "{report}");
        report
    }

    /// Waits until every client has stopped by itself, as they do when the server ends.
    #[track_caller]
    pub fn outlived(mut self) -> Report {
        self.join();
        self.finish()
    }

    /// Stops the clients after the requests in hand.
    pub fn stop(&mut self) -> Report {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.join();
        std::mem::replace(&mut *self.shared.report(), Report::new())
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the clients' thread");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn report(&self) -> MutexGuard<'_, Report> {
        lock(&self.report)
    }

    fn count(&self, kind: Kind, count: impl FnOnce(&mut Counts)) {
        count(self.report().counts.entry(kind).or_default());
    }

    fn answered(&self, kind: Kind) {
        self.count(kind, |counts| counts.answered += 1);
    }

    fn failed(&self, failure: Failure) {
        self.report().add(failure);
    }

    fn last_change(&self) -> Option<(String, Instant)> {
        lock(&self.change).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
