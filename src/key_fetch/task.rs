//! Fetches the keys of one issuer at intervals.

use super::FetchResources;
use super::exchange;
use super::peer;
use crate::environment::resolver;
use gatefold_dataplane::filter::security::jwt::key_set::{KeySet, SkippedKey};
use gatefold_dataplane::key_fetch::KeyFetch;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

/// The first and the longest pause after a failed fetch.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The keys of an answer, and those that are skipped.
type Keys = (KeySet, Vec<SkippedKey>);

/// Fetches until its settings are dropped.
pub(super) struct FetchTask {
    settings: watch::Receiver<KeyFetch>,
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
        settings: watch::Receiver<KeyFetch>,
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

    /// Fetches the keys once, and puts them into force. Keys that are in force stay so until there are others.
    async fn fetch(&mut self) {
        let fetch = self.settings.borrow_and_update().clone();
        // The semaphore is never closed.
        let _permit = self.shared.permits.acquire().await;
        let fetched = timeout(fetch.limits.total, self.keys(&fetch)).await;
        let fetched = fetched.unwrap_or_else(|_| {
            let limit = fetch.limits.total;
            Err(format!("the server took longer than {limit:?}"))
        });
        self.turn = self.turn.wrapping_add(1);
        let FetchResources {
            counters, changes, ..
        } = &*self.shared;
        let changed = match fetched {
            Ok((keys, skipped)) => {
                self.failures = 0;
                counters.succeeded.inc();
                fetch.keys.set(keys, skipped)
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                counters.failed.inc();
                fetch.keys.fail(why)
            }
        };
        if changed {
            changes.send_modify(|changes| *changes += 1);
        }
    }

    /// Tries one address after the other, and returns the first keys.
    async fn keys(&self, fetch: &KeyFetch) -> Result<Keys, String> {
        let shared = &self.shared;
        let resolver = || shared.resolver.get_or_init(resolver::of_system).as_ref();
        let peers = peer::choose(fetch, self.turn, resolver).await?;
        let mut failure = String::new();
        for peer in peers {
            let answer = exchange::request(fetch, &peer).await;
            let keys = answer
                .map_err(|error| error.to_string())
                .and_then(|text| KeySet::parse(&text).map_err(|problem| problem.to_string()));
            match keys {
                Ok(keys) => return Ok(keys),
                Err(why) => {
                    debug!(keys = &*fetch.name, address = %peer.address, why, "can't fetch keys");
                    failure = why;
                }
            }
        }
        Err(failure)
    }

    /// Waits until the next fetch is due. Changed settings are tried at once if the last fetch has failed. Returns false if the keys
    /// are no longer wanted.
    async fn wait(&mut self) -> bool {
        let ended = Instant::now();
        loop {
            let pause = pause(&self.settings.borrow(), self.failures);
            tokio::select! {
                () = sleep_until(ended + pause) => return true,
                changed = self.settings.changed() => match changed {
                    Ok(()) if self.failures > 0 => {
                        self.failures = 0;
                        return true;
                    }
                    Ok(()) => {}
                    Err(_) => return false,
                },
            }
        }
    }
}

/// The pause after a fetch, if it and those before it have failed this many times in a row.
fn pause(fetch: &KeyFetch, failures: u32) -> Duration {
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
    use gatefold_dataplane::key_fetch::{FetchLimits, KeyPeers, PeerSecurity};

    #[test]
    fn pauses_after_failures_grow_unless_the_policy_sets_one() {
        let second = Duration::from_secs(1);
        let mut fetch = KeyFetch {
            name: "keys".into(),
            uri: "http://127.0.0.1/".parse().expect("a URL"),
            peers: KeyPeers::Host(PeerSecurity::Plain),
            refresh: 300 * second,
            retry: None,
            limits: FetchLimits {
                connect: second,
                total: second,
            },
            keys: Arc::default(),
        };
        assert_eq!(pause(&fetch, 0), 300 * second);
        let growing: Vec<u64> = (1..9).map(|it| pause(&fetch, it).as_secs()).collect();
        assert_eq!(growing, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(&fetch, u32::MAX), 60 * second);
        fetch.retry = Some(7 * second);
        assert_eq!(pause(&fetch, 9), 7 * second);
    }
}
