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
        loop {
            let reused = self.kept.as_ref().map_or(0, |(_, answers)| *answers);
            let asked = tokio::time::timeout(PATIENCE, self.ask(request)).await;
            let trouble = match asked.unwrap_or(Err(Trouble::Late(PATIENCE))) {
                Ok((answer, certificate)) => {
                    match self.judge.judge(&answer, &certificate, before) {
                        Ok(()) => {
                            self.shared.answered(self.kind);
                            return Next::GoOn;
                        }
                        Err(wrong) => Trouble::Wrong(wrong),
                    }
                }
                Err(trouble) => trouble,
            };
            self.kept = None;
            match (self.server, &trouble) {
                // It has closed a connection that had nothing to do; the request crossed that on the way.
                (Server::IsReplaced | Server::Ends, Trouble::Unanswered(_)) if reused > 0 => {
                    self.shared.count(self.kind, |counts| counts.repeated += 1);
                    continue;
                }
                (Server::Ends, Trouble::Refused(_)) => return Next::Stop,
                // The socket was closed while the connection was queued.
                (Server::Ends, Trouble::Unanswered(_) | Trouble::Handshake(_))
                    if self.is_refused().await =>
                {
                    self.shared
                        .count(self.kind, |counts| counts.unaccepted += 1);
                    return Next::Stop;
                }
                _ => {}
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
            return Next::GoOn;
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

    async fn is_refused(&self) -> bool {
        matches!(
            Connection::open(self.kind, &self.target).await,
            Err(Trouble::Refused(_))
        )
    }
}
