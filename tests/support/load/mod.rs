//! Load: clients of every kind that send requests continuously and accept no failure.
//!
//! All clients run on one thread, so that some hundred requests per second cost little compared with the daemon. A failure
//! is recorded with its circumstances: the kind of client, the request, the time, and the last change before it.

mod client;
pub mod connection;
mod http1;
mod http2;
mod report;
pub mod request;
pub mod request_error;

pub use connection::{ClientKind, LoadTarget};
pub use report::Report;

use super::client::Response;
use client::LoadClient;
use report::{Counts, FailedRequest};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The default interval between two requests of a client.
const PACE: Duration = Duration::from_millis(20);

/// Decides whether an answer is correct.
pub trait Judge: Send + Sync + 'static {
    /// A value that is read before a request and its connection begin, and passed to [`judge`](Self::judge) with the answer.
    fn before(&self) -> u64 {
        0
    }

    /// Judges an answer. The certificate is empty without TLS, and for later answers of a connection.
    ///
    /// # Errors
    /// Describes why the answer is wrong.
    fn judge(&self, answer: &Response, certificate: &[u8], before: u64) -> Result<(), String>;
}

/// Accepts every answer with status 200.
pub struct Answers200;

impl Judge for Answers200 {
    fn judge(&self, answer: &Response, _: &[u8], _: u64) -> Result<(), String> {
        match answer.status {
            200 => Ok(()),
            status => Err(format!("status {status}")),
        }
    }
}

/// What clients may expect from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerLifetime {
    /// The server stays. Closing a connection is a failure.
    Stays,
    /// Another process replaces the server. The old one may close connections between requests; connecting always works.
    IsReplaced,
    /// The server ends. The same, but connections are refused in the end.
    Ends,
}

/// The clients of a load.
pub struct Plan {
    target: LoadTarget,
    path: String,
    pace: Duration,
    server: ServerLifetime,
    clients: Vec<ClientKind>,
}

/// Running clients. They stop when this is dropped.
pub struct Load {
    shared: Arc<LoadState>,
    thread: Option<JoinHandle<()>>,
}

struct LoadState {
    stop: AtomicBool,
    report: Mutex<Report>,
    change: Mutex<Option<(String, Instant)>>,
}

impl Plan {
    /// Creates a plan without clients, for requests of `/`.
    pub fn to(target: LoadTarget) -> Self {
        Plan {
            target,
            path: "/".to_owned(),
            pace: PACE,
            server: ServerLifetime::Stays,
            clients: Vec::new(),
        }
    }

    /// Adds clients of a kind.
    pub fn clients(mut self, kind: ClientKind, count: usize) -> Self {
        self.clients.extend(std::iter::repeat_n(kind, count));
        self
    }

    /// Adds one client of every kind.
    pub fn every_kind(self) -> Self {
        ClientKind::ALL
            .into_iter()
            .fold(self, |plan, kind| plan.clients(kind, 1))
    }

    /// Sets the interval between two requests of a client.
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// Sets what clients may expect from the server.
    pub fn server(mut self, server: ServerLifetime) -> Self {
        self.server = server;
        self
    }

    /// Starts the clients and waits until each kind has been answered.
    #[track_caller]
    pub fn start(self, judge: impl Judge) -> Load {
        let shared = Arc::new(LoadState {
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
            let answered = |kind: &ClientKind| report.of(*kind).answered > 0;
            kinds.iter().all(answered).then_some(())
        });
        load
    }

    fn into_clients(self, shared: &Arc<LoadState>, judge: Arc<dyn Judge>) -> Vec<LoadClient> {
        let apart = self.pace / u32::try_from(self.clients.len().max(1)).unwrap_or(u32::MAX);
        let starts = (0_u32..).map(|number| apart * number);
        let clients = self.clients.iter().enumerate().zip(starts);
        let clients = clients.map(|((number, &kind), start)| LoadClient {
            kind,
            number,
            start,
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

fn run(clients: Vec<LoadClient>) {
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
            task.await.expect("a client must not panic");
        }
    });
}

impl Load {
    /// Records a change of the server, for the report of failures.
    pub fn changed(&self, what: impl Into<String>) {
        *lock(&self.shared.change) = Some((what.into(), Instant::now()));
    }

    /// Fails the test if a request has failed.
    #[track_caller]
    pub fn check(&self) {
        let report = self.shared.report();
        if report.failed > 0 {
            let text = report.to_string();
            drop(report);
            panic!("{text}");
        }
    }

    /// The report so far as text.
    pub fn report(&self) -> String {
        self.shared.report().to_string()
    }

    /// Stops the clients after their current requests, and fails the test if a request has failed.
    #[track_caller]
    pub fn finish(mut self) -> Report {
        let report = self.stop();
        assert!(report.failed() == 0, "{report}");
        report
    }

    /// Waits until every client has stopped because the server has ended, and fails the test if a request has failed.
    #[track_caller]
    pub fn wait_until_stopped(mut self) -> Report {
        self.join();
        self.finish()
    }

    /// Stops the clients after their current requests.
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

impl LoadState {
    fn report(&self) -> MutexGuard<'_, Report> {
        lock(&self.report)
    }

    fn count(&self, kind: ClientKind, count: impl FnOnce(&mut Counts)) {
        count(self.report().counts.entry(kind).or_default());
    }

    fn answered(&self, kind: ClientKind) {
        self.count(kind, |counts| counts.answered += 1);
    }

    fn failed(&self, failure: FailedRequest) {
        self.report().add(failure);
    }

    fn last_change(&self) -> Option<(String, Instant)> {
        lock(&self.change).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
