//! One client's life: a request at every tick, each answer judged.

use super::connection::{Connection, Kind, Target};
use super::report::Failure;
use super::trouble::Trouble;
use super::{Judge, Server, Shared};
use crate::support::client::Response;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;

/// Nobody waits longer for an answer.
const PATIENCE: Duration = crate::support::DEADLINE;

pub(super) struct Client {
    pub(super) kind: Kind,
    pub(super) number: usize,
    pub(super) target: Target,
    pub(super) path: String,
    pub(super) pace: Duration,
    pub(super) server: Server,
    pub(super) judge: Arc<dyn Judge>,
    pub(super) shared: Arc<Shared>,
    /// What is kept between requests, with the number of its answers.
    pub(super) kept: Option<(Connection, usize)>,
    /// Whether the request in hand has a connection of its own.
    pub(super) opened: bool,
}

/// Whether a client goes on.
#[derive(PartialEq)]
enum Next {
    GoOn,
    /// The server is gone, as it may.
    Stop,
}

impl Client {
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
        let asked = tokio::time::timeout(PATIENCE, self.ask(request)).await;
        let judged = match asked.unwrap_or(Err(Trouble::Late(PATIENCE))) {
            Ok((answer, certificate)) => self
                .judge
                .judge(&answer, &certificate, before)
                .map_err(Trouble::Wrong),
            Err(trouble) => Err(trouble),
        };
        let Err(trouble) = judged else {
            self.shared.answered(self.kind);
            return Next::GoOn;
        };
        self.kept = None;
        if self.server == Server::Ends && self.has_ended(&trouble).await {
            return Next::Stop;
        }
        self.shared.failed(Failure {
            kind: self.kind,
            client: self.number,
            request,
            reused,
            began,
            ended: Instant::now(),
            change: self.shared.last_change(),
            trouble,
        });
        Next::GoOn
    }

    /// Whether a server that may end was gone before it accepted the connection: that was refused, or its socket
    /// was closed while the connection was queued.
    async fn has_ended(&mut self, trouble: &Trouble) -> bool {
        match trouble {
            Trouble::Refused(_) => true,
            Trouble::Unanswered(_) | Trouble::Handshake(_) if self.opened => {
                let again = Connection::open(self.kind, &self.target).await;
                let refused = matches!(again, Err(Trouble::Refused(_)));
                if refused {
                    self.shared
                        .count(self.kind, |counts| counts.unaccepted += 1);
                }
                refused
            }
            _ => false,
        }
    }

    /// Sends one request, on the connection that is kept or on a new one.
    async fn ask(&mut self, request: usize) -> Result<(Response, Vec<u8>), Trouble> {
        let mut kept = self.kept.take();
        // As clients do: a connection that is closed isn't used again. Where that may not happen it is used,
        // and fails.
        if self.server != Server::Stays {
            kept.take_if(|(connection, _)| connection.is_over());
        }
        self.opened = kept.is_none();
        let (mut connection, answers) = match kept {
            Some(kept) => kept,
            None => {
                self.shared
                    .count(self.kind, |counts| counts.connections += 1);
                (Connection::open(self.kind, &self.target).await?, 0)
            }
        };
        let name = format!("{:?}-{}-{request}", self.kind, self.number);
        let answer = connection.get(&self.target.host, &self.path, &name).await?;
        let certificate = match answers {
            0 => connection.certificate.clone(),
            _ => Vec::new(),
        };
        let over = connection.ends_with(&answer);
        if over && self.server == Server::Stays {
            return Err(Trouble::Closing);
        }
        if !over && !self.kind.is_fresh() {
            self.kept = Some((connection, answers + 1));
        }
        Ok((answer, certificate))
    }
}
