//! How reloads went, counted.

use prometheus_client::metrics::histogram::Histogram;
use std::time::{Duration, SystemTime};

/// Upper bounds of the histogram of reloads' durations, in seconds.
const BUCKETS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];

/// How a reload went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything that the files say is in force. What doesn't work in it (a reference to a Service that isn't
    /// there, a port that is taken) is a condition of its object, as it would be in a cluster.
    Success,
    /// Some files, objects or certificates can't be read. What was last good in them stays in force, everything else is new.
    Partial,
    /// Nothing new is in force.
    Failed,
}

impl Outcome {
    /// As metrics and `/status` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Partial => "partial",
            Outcome::Failed => "failed",
        }
    }
}

/// One reload.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Which configuration it was about.
    pub generation: u64,
    /// How it went.
    pub outcome: Outcome,
    /// When it ended.
    pub at: SystemTime,
    /// From the look at the files to the new answers.
    pub took: Duration,
    /// What changed, in words.
    pub changes: String,
}

/// All reloads until now. One that finds nothing new is none.
#[derive(Clone, Debug)]
pub struct Reloads {
    /// How many put everything into force.
    pub succeeded: u64,
    /// How many put a part into force.
    pub partial: u64,
    /// How many put nothing into force.
    pub failed: u64,
    /// The newest one.
    pub last: Option<Finished>,
    /// When the newest one ended that put everything into force.
    pub last_success: Option<SystemTime>,
    /// How long they took, in seconds. Shared by all copies.
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
    /// Counts one more.
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

    /// Whether the newest one put everything into force; so it is before the first.
    pub fn last_succeeded(&self) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|last| last.outcome == Outcome::Success)
    }
}
