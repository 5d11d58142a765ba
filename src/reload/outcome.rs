//! The results of reloads and their counters, for metrics and `/status`.

use prometheus_client::metrics::histogram::Histogram;
use std::time::{Duration, SystemTime};

/// Upper bounds of the buckets for reload durations, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];

/// The result of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole content of the files is in force. A reference to a missing Service or a port in use does not change
    /// that: it is reported in the conditions of its object, as in a cluster.
    Success,
    /// Some files, objects or certificates can't be read. Their last good versions stay in force; the rest is new.
    Partial,
    /// The new configuration is not in force.
    Failed,
}

impl Outcome {
    /// The name in metrics and `/status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Partial => "partial",
            Outcome::Failed => "failed",
        }
    }
}

/// A reload that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The generation of the configuration that it loaded.
    pub generation: u64,
    /// The result.
    pub outcome: Outcome,
    /// When it ended.
    pub at: SystemTime,
    /// The time from scanning the files until the new configuration was in force.
    pub took: Duration,
    /// A summary of the changed objects.
    pub changes: String,
}

/// Counters of all reloads so far. A scan that finds no change is not a reload.
#[derive(Clone, Debug)]
pub struct Reloads {
    /// The number of reloads with [`Outcome::Success`].
    pub succeeded: u64,
    /// The number of reloads with [`Outcome::Partial`].
    pub partial: u64,
    /// The number of reloads with [`Outcome::Failed`].
    pub failed: u64,
    /// The most recent reload.
    pub last: Option<Finished>,
    /// When the most recent successful reload ended.
    pub last_success: Option<SystemTime>,
    /// The durations in seconds. All clones share this histogram.
    pub durations: Histogram,
}

impl Default for Reloads {
    fn default() -> Self {
        Reloads {
            succeeded: 0,
            partial: 0,
            failed: 0,
            last: None,
            last_success: None,
            durations: Histogram::new(BUCKETS),
        }
    }
}

impl Reloads {
    /// Counts a reload.
    pub(super) fn add(&mut self, finished: Finished) {
        match finished.outcome {
            Outcome::Success => {
                self.succeeded += 1;
                self.last_success = Some(finished.at);
            }
            Outcome::Partial => self.partial += 1,
            Outcome::Failed => self.failed += 1,
        }
        self.durations.observe(finished.took.as_secs_f64());
        self.last = Some(finished);
    }

    /// Whether the most recent reload succeeded. True before the first reload.
    pub fn last_succeeded(&self) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|last| last.outcome == Outcome::Success)
    }
}
