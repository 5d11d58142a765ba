//! Keys that are fetched from an issuer while requests are served.

use super::key_set::{KeySet, SkippedKey};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::Arc;

/// The keys of an issuer, as last fetched. Requests read them without waiting; the daemon replaces them. None until the first
/// fetch succeeds.
#[derive(Debug, Default)]
pub struct RemoteKeys {
    keys: ArcSwapOption<KeySet>,
    report: ArcSwap<FetchReport>,
}

/// What is wrong with the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchReport {
    /// Why the last fetch failed. `None` if it succeeded, or there was none.
    pub failure: Option<String>,
    /// The keys of the last successful fetch that aren't used.
    pub skipped: Vec<SkippedKey>,
}

impl RemoteKeys {
    /// Replaces the keys. Returns whether the report has changed.
    pub fn set(&self, keys: KeySet, skipped: Vec<SkippedKey>) -> bool {
        self.keys.store(Some(Arc::new(keys)));
        self.put(FetchReport {
            failure: None,
            skipped,
        })
    }

    /// Records that a fetch has failed. The keys stay in force. Returns whether the report has changed.
    pub fn fail(&self, why: String) -> bool {
        self.put(FetchReport {
            failure: Some(why),
            skipped: self.report().skipped.clone(),
        })
    }

    /// Returns what is wrong with the keys.
    pub fn report(&self) -> Arc<FetchReport> {
        self.report.load_full()
    }

    /// Returns the number of keys. `None` before the first ones are there.
    pub fn size(&self) -> Option<usize> {
        self.keys.load().as_ref().map(|keys| keys.size())
    }

    /// Passes the keys to a function. `None` before the first ones are there.
    pub(super) fn with<T>(&self, then: impl FnOnce(&KeySet) -> T) -> Option<T> {
        self.keys.load().as_ref().map(|keys| then(keys))
    }

    fn put(&self, report: FetchReport) -> bool {
        let changed = *self.report.load_full() != report;
        self.report.store(Arc::new(report));
        changed
    }
}
