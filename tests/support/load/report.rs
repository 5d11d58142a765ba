//! The results of a load: counts, and failures with their circumstances.

use super::connection::ClientKind;
use super::request_error::RequestError;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// Maximum number of failures that are shown. Further ones are only counted.
const SHOWN: usize = 10;

/// Counts of one kind of client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Requests with a correct answer.
    pub answered: usize,
    /// Attempted connections.
    pub connections: usize,
    /// Connections that an ending server did not accept.
    pub unaccepted: usize,
}

/// A request that failed.
pub(super) struct FailedRequest {
    pub(super) kind: ClientKind,
    pub(super) client: usize,
    /// The number of the request within its client.
    pub(super) request: usize,
    /// The number of earlier answers on its connection.
    pub(super) reused: usize,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// The last change of the server before the failure.
    pub(super) change: Option<(String, Instant)>,
    pub(super) error: RequestError,
}

/// Counts and failures of all clients.
pub struct Report {
    pub(super) began: Instant,
    pub(super) counts: BTreeMap<ClientKind, Counts>,
    pub(super) failed: usize,
    pub(super) failures: Vec<FailedRequest>,
}

impl Report {
    pub(super) fn new() -> Self {
        Report {
            began: Instant::now(),
            counts: BTreeMap::new(),
            failed: 0,
            failures: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, failure: FailedRequest) {
        self.failed += 1;
        if self.failures.len() < SHOWN {
            self.failures.push(failure);
        }
    }

    /// The number of failed requests.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// The counts of one kind of client.
    pub fn of(&self, kind: ClientKind) -> Counts {
        self.counts.get(&kind).copied().unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, counts) in &self.counts {
            write!(
                f,
                "{kind:?}: {} answered on {} connections",
                counts.answered, counts.connections
            )?;
            if counts.unaccepted > 0 {
                write!(f, ", {} not accepted", counts.unaccepted)?;
            }
            writeln!(f)?;
        }
        if self.failed > 0 {
            writeln!(f, "{} requests failed; the first:", self.failed)?;
        }
        for failure in &self.failures {
            writeln!(f, "- {}", failure.describe(self.began))?;
        }
        Ok(())
    }
}

impl FailedRequest {
    fn describe(&self, load: Instant) -> String {
        let FailedRequest {
            kind,
            client,
            request,
            reused,
            error,
            ..
        } = self;
        let connection = match reused {
            0 => "a new connection".to_owned(),
            answers => format!("a connection that had answered {answers}"),
        };
        let change = match &self.change {
            None => "no change before".to_owned(),
            Some((what, at)) => {
                let ago = self.ended.saturating_duration_since(*at);
                format!("{ago:.1?} after {what}")
            }
        };
        format!(
            "{kind:?} client {client}, request {request}, on {connection}, {:.1?} into the load, after \
             {:.1?}; {change}: {error}",
            self.began.saturating_duration_since(load),
            self.ended.saturating_duration_since(self.began),
        )
    }
}
