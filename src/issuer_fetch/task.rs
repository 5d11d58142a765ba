//! Fetches the keys of one issuer, or the configuration of one provider, at intervals.

use super::FetchResources;
use super::provider;
use gatefold_dataplane::filter::security::jwt::key_set::{KeySet, MAX_KEY_SET};
use gatefold_dataplane::filter::security::jwt::remote_keys::RemoteKeys;
use gatefold_dataplane::issuer_fetch::{FetchTarget, IssuerFetch};
use gatefold_fetch::Document;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The first and the longest pause after a failed fetch.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The media types of keys.
pub(super) const JWKS_TYPES: &str = "application/jwk-set+json, application/json";

/// Whether a fetch has succeeded, and whether that differs from what was known.
pub(super) struct FetchResult {
    pub(super) is_success: bool,
    pub(super) has_changed: bool,
}

/// Fetches until its settings are dropped.
pub(super) struct FetchTask {
    settings: watch::Receiver<IssuerFetch>,
    shared: Arc<FetchResources>,
    /// Whether a fetch has ended.
    ended: watch::Sender<bool>,
    /// The number of fetches so far.
    turn: usize,
    /// The number of fetches that have failed since the last successful one.
    failures: u32,
}

impl FetchTask {
    pub(super) fn new(
        settings: watch::Receiver<IssuerFetch>,
        shared: Arc<FetchResources>,
        ended: watch::Sender<bool>,
    ) -> Self {
        FetchTask {
            settings,
            shared,
            ended,
            turn: 0,
            failures: 0,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.fetch().await;
            self.ended.send_replace(true);
            if !self.wait().await {
                return;
            }
        }
    }

    /// Fetches once, and puts the result into force. What is in force stays so until there is something else.
    async fn fetch(&mut self) {
        let fetch = self.settings.borrow_and_update().clone();
        // The semaphore is never closed.
        let _permit = self.shared.permits.acquire().await;
        let counters = &self.shared.counters;
        let (result, counters) = match &fetch.target {
            FetchTarget::Keys(keys) => (self.fetch_keys(&fetch, keys).await, &counters.keys),
            FetchTarget::Provider(target) => {
                let fetched = provider::fetch(&fetch, target, &self.shared.fetcher, self.turn);
                (fetched.await, &counters.providers)
            }
        };
        self.turn = self.turn.wrapping_add(1);
        if result.is_success {
            self.failures = 0;
            counters.succeeded.inc();
        } else {
            self.failures = self.failures.saturating_add(1);
            counters.failed.inc();
        }
        if result.has_changed {
            self.shared.changes.send_modify(|changes| *changes += 1);
        }
    }

    async fn fetch_keys(&self, fetch: &IssuerFetch, keys: &RemoteKeys) -> FetchResult {
        let document = Document {
            place: &fetch.place,
            accept: JWKS_TYPES,
            max_length: MAX_KEY_SET,
        };
        let read = |text: &[u8]| KeySet::parse(text).map_err(|problem| problem.to_string());
        let fetcher = &self.shared.fetcher;
        match fetcher.get(document, fetch.limits, self.turn, read).await {
            Ok((found, skipped)) => FetchResult {
                is_success: true,
                has_changed: keys.set(found, skipped),
            },
            Err(why) => FetchResult {
                is_success: false,
                has_changed: keys.fail(why),
            },
        }
    }

    /// Waits until the next fetch is due. Changed settings are tried at once if the last fetch has failed. Returns false if the
    /// result is no longer wanted.
    async fn wait(&mut self) -> bool {
        let ended = Instant::now();
        loop {
            let pause = pause(&self.settings.borrow(), self.failures);
            tokio::select! {
                () = sleep_until(ended + pause) => return true,
                changed = self.settings.changed() => match changed {
                    // What is known of a provider contains how to connect to it.
                    Ok(()) if self.failures > 0 || self.is_provider() => {
                        self.failures = 0;
                        return true;
                    }
                    Ok(()) => {}
                    Err(_) => return false,
                },
            }
        }
    }

    fn is_provider(&self) -> bool {
        matches!(self.settings.borrow().target, FetchTarget::Provider(_))
    }
}

/// The pause after a fetch, if it and those before it have failed this many times in a row.
fn pause(fetch: &IssuerFetch, failures: u32) -> Duration {
    match (failures, fetch.retry) {
        (0, _) => fetch.refresh,
        (_, Some(pause)) => pause,
        (_, None) => {
            let doubled = RETRY
                .0
                .saturating_mul(1 << failures.saturating_sub(1).min(10));
            doubled.min(RETRY.1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_dataplane::issuer_fetch::{FetchLimits, IssuerPeers, IssuerPlace, PeerSecurity};

    #[test]
    fn pauses_after_failures_grow_unless_the_policy_sets_one() {
        let second = Duration::from_secs(1);
        let mut fetch = IssuerFetch {
            name: "keys".into(),
            place: IssuerPlace {
                uri: "http://127.0.0.1/".parse().expect("a URL"),
                peers: IssuerPeers::Host(PeerSecurity::Plain),
            },
            refresh: 300 * second,
            retry: None,
            limits: FetchLimits {
                connect: second,
                total: second,
            },
            target: FetchTarget::Keys(Arc::default()),
        };
        assert_eq!(pause(&fetch, 0), 300 * second);
        let growing: Vec<u64> = (1..9).map(|it| pause(&fetch, it).as_secs()).collect();
        assert_eq!(growing, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(&fetch, u32::MAX), 60 * second);
        fetch.retry = Some(7 * second);
        assert_eq!(pause(&fetch, 9), 7 * second);
    }
}
