//! A client: sends a request at every tick, and judges each answer.

use super::connection::{ClientKind, LoadConnection, LoadTarget};
use super::report::FailedRequest;
use super::request_error::RequestError;
use super::{Judge, LoadState, ServerLifetime};
use crate::support::client::Response;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// Time limit of a request.
const PATIENCE: Duration = crate::support::DEADLINE;

pub(super) struct LoadClient {
    pub(super) kind: ClientKind,
    pub(super) number: usize,
    pub(super) target: LoadTarget,
    pub(super) path: String,
    pub(super) pace: Duration,
    /// When the first request is sent, after the start of the load. The starts of the clients are spread over `pace`, so that
    /// their requests don't come in bursts.
    pub(super) start: Duration,
    pub(super) server: ServerLifetime,
    pub(super) judge: Arc<dyn Judge>,
    pub(super) shared: Arc<LoadState>,
    /// The persistent connection, with the number of its answers.
    pub(super) kept: Option<(LoadConnection, usize)>,
    /// Whether the current request uses a new connection.
    pub(super) opened: bool,
}

/// Whether a client continues.
#[derive(PartialEq)]
enum Next {
    Continue,
    /// The server has ended, which the plan allows.
    Stop,
}

impl LoadClient {
    pub(super) async fn run(mut self) {
        let start = tokio::time::Instant::now() + self.start;
        let mut ticks = tokio::time::interval_at(start, self.pace);
        // Skipping ticks, unlike moving them, leaves the clients spread.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for request in 1_usize.. {
            ticks.tick().await;
            if self.shared.stop.load(Ordering::Relaxed) || self.request(request).await == Next::Stop
            {
                return;
            }
        }
    }

    async fn request(&mut self, request: usize) -> Next {
        let began = Instant::now();
        let before = self.judge.before();
        let reused = self.kept.as_ref().map_or(0, |(_, answers)| *answers);
        let exchange = tokio::time::timeout(PATIENCE, self.ask(request)).await;
        let judged = match exchange.unwrap_or(Err(RequestError::Timeout(PATIENCE))) {
            Ok((answer, certificate)) => self
                .judge
                .judge(&answer, &certificate, before)
                .map_err(RequestError::WrongAnswer),
            Err(error) => Err(error),
        };
        let Err(error) = judged else {
            self.shared.answered(self.kind);
            return Next::Continue;
        };
        self.kept = None;
        if self.server == ServerLifetime::Ends && self.has_ended(&error).await {
            return Next::Stop;
        }
        self.shared.failed(FailedRequest {
            kind: self.kind,
            client: self.number,
            request,
            reused,
            began,
            ended: Instant::now(),
            change: self.shared.last_change(),
            error,
        });
        Next::Continue
    }

    /// Whether the server ended before it accepted the connection: the connection was refused, or the listening socket was
    /// closed while the connection was queued.
    async fn has_ended(&mut self, error: &RequestError) -> bool {
        match error {
            RequestError::Refused(_) => true,
            RequestError::Unanswered(_) | RequestError::Handshake(_) if self.opened => {
                let retried = LoadConnection::open(self.kind, &self.target).await;
                let refused = matches!(retried, Err(RequestError::Refused(_)));
                if refused {
                    self.shared
                        .count(self.kind, |counts| counts.unaccepted += 1);
                }
                refused
            }
            _ => false,
        }
    }

    /// Sends one request on the persistent connection or on a new one.
    async fn ask(&mut self, request: usize) -> Result<(Response, Vec<u8>), RequestError> {
        let mut kept = self.kept.take();
        // Clients don't reuse a closed connection. If the server must not close connections, it is used nevertheless,
        // and the request fails.
        if self.server != ServerLifetime::Stays {
            kept.take_if(|(connection, _)| connection.is_over());
        }
        self.opened = kept.is_none();
        let (mut connection, answers) = match kept {
            Some(kept) => kept,
            None => {
                self.shared
                    .count(self.kind, |counts| counts.connections += 1);
                (LoadConnection::open(self.kind, &self.target).await?, 0)
            }
        };
        let name = format!("{:?}-{}-{request}", self.kind, self.number);
        let answer = connection.get(&self.target.host, &self.path, &name).await?;
        let certificate = match answers {
            0 => connection.certificate.clone(),
            _ => Vec::new(),
        };
        let over = connection.ends_with(&answer);
        if over && self.server == ServerLifetime::Stays {
            return Err(RequestError::Closed);
        }
        if !over && !self.kind.is_fresh() {
            self.kept = Some((connection, answers + 1));
        }
        Ok((answer, certificate))
    }
}
