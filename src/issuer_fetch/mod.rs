//! Fetches from issuers in the background: keys (`remoteJWKS` of SecurityPolicies), and the configurations of OpenID providers.
//!
//! In: the fetches of the snapshot in force. Out: what the `jwt` and `oidc` filters read, and a notification when the result of a
//! fetch differs from the one before. Requests and reloads never wait for a fetch; only the first load does, for a moment. Only what a
//! manifest names is fetched.

mod counters;
mod provider;
mod report;
mod task;

pub use counters::IssuerFetchCounters;
pub(crate) use report::diagnostics;

use gatefold_dataplane::Snapshot;
use gatefold_dataplane::issuer_fetch::IssuerFetch;
use gatefold_fetch::Fetcher;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use task::FetchTask;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// The maximum number of concurrent fetches. More wait for their turn.
const CONCURRENT: usize = 64;

/// How long the first load waits for issuers.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// The fetches that are in force.
pub struct IssuerFetches {
    running: BTreeMap<Arc<str>, RunningFetch>,
    shared: Arc<FetchResources>,
    /// Has seen no change yet.
    changes: watch::Receiver<u64>,
}

/// What all fetches share.
struct FetchResources {
    fetcher: Fetcher,
    permits: Semaphore,
    counters: IssuerFetchCounters,
    /// Counts changed results.
    changes: watch::Sender<u64>,
}

struct RunningFetch {
    settings: watch::Sender<IssuerFetch>,
    /// Whether a fetch has ended.
    tried: watch::Receiver<bool>,
    task: AbortHandle,
}

impl Drop for RunningFetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl IssuerFetches {
    /// Begins without fetches.
    pub fn new(counters: IssuerFetchCounters) -> Self {
        let (changes, receiver) = watch::channel(0);
        IssuerFetches {
            running: BTreeMap::new(),
            shared: Arc::new(FetchResources {
                fetcher: Fetcher::default(),
                permits: Semaphore::new(CONCURRENT),
                counters,
                changes,
            }),
            changes: receiver,
        }
    }

    /// Notifies when the result of a fetch has changed, also of changes before this call.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    /// Waits until each fetch has ended once, for a second at most. Only the first load does this, so that a process that replaces
    /// another one doesn't deny requests that its predecessor would have allowed.
    pub async fn first_results(&mut self) {
        let all = async {
            for fetch in self.running.values_mut() {
                // An error means that the task has ended, so there is nothing to wait for.
                let _ = fetch.tried.wait_for(|ended| *ended).await;
            }
        };
        let _ = timeout(FIRST_PATIENCE, all).await;
    }

    /// Puts the fetches of a snapshot into force. Those that were in force before continue, with changed settings if they have changed;
    /// others end. Must be called within a Tokio runtime.
    pub fn update(&mut self, snapshot: &Snapshot) {
        for provider in &snapshot.named_providers {
            provider.put();
        }
        let fetches = &snapshot.issuer_fetches;
        let is_wanted = |name: &Arc<str>| fetches.iter().any(|fetch| fetch.name == *name);
        self.running.retain(|name, _| is_wanted(name));
        for fetch in fetches {
            match self.running.get(&fetch.name) {
                Some(running) => {
                    running.settings.send_if_modified(|before| {
                        let changed = before != fetch;
                        if changed {
                            before.clone_from(fetch);
                        }
                        changed
                    });
                }
                None => {
                    let (settings, receiver) = watch::channel(fetch.clone());
                    let (ended, tried) = watch::channel(false);
                    let task = FetchTask::new(receiver, self.shared.clone(), ended);
                    let task = tokio::spawn(task.run()).abort_handle();
                    let running = RunningFetch {
                        settings,
                        tried,
                        task,
                    };
                    self.running.insert(fetch.name.clone(), running);
                }
            }
        }
    }
}
