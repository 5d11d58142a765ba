//! What came of a load: counts, and failures with their circumstances.

use super::connection::Kind;
use super::trouble::Trouble;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

/// Failures beyond are only counted.
const SHOWN: usize = 10;

/// Counts of one kind of client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Requests that got the right answer.
    pub answered: usize,
    /// Connections that were tried.
    pub connections: usize,
    /// Connections that a server that ends never accepted.
    pub unaccepted: usize,
}

/// A request that failed.
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) client: usize,
    /// Which one of this client.
    pub(super) request: usize,
    /// How many requests its connection had answered.
    pub(super) reused: usize,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// The last change of the server before it failed.
    pub(super) change: Option<(String, Instant)>,
    pub(super) trouble: Trouble,
}

/// Everything.
pub struct Report {
    pub(super) began: Instant,
    pub(super) counts: BTreeMap<Kind, Counts>,
    pub(super) failed: usize,
    pub(super) failures: Vec<Failure>,
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

    pub(super) fn add(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < SHOWN {
            self.failures.push(failure);
        }
    }

    /// Requests that failed.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Counts of one kind.
    pub fn of(&self, kind: Kind) -> Counts {
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

impl Failure {
    fn describe(&self, load: Instant) -> String {
        let Failure {
            kind,
            client,
            request,
            reused,
            trouble,
            ..
        } = self;
        let connection = match reused {
            0 => "a new connection".to_owned(),
            answers => format!("a connection that had answered {answers}"),
        };
        let change = match &self.change {
            None => "nothing had changed".to_owned(),
            Some((what, at)) => {
                let ago = self.ended.saturating_duration_since(*at);
                format!("{ago:.1?} after {what}")
            }
        };
        format!(
            "{kind:?} client {client}, request {request}, on {connection}, {:.1?} into the load, after \
             {:.1?}; {change}: {trouble}",
            self.began.saturating_duration_since(load),
            self.ended.saturating_duration_since(self.began),
        )
    }
}
