//! DNS lookups in the background.
//!
//! In: lists of alternative names. Out: the addresses of the first name that has any, as far as known. A change of the
//! addresses triggers a reload.

use crate::watch::{Wake, WakeSender};
use gatefold_fetch::resolver::{self, MAX_NEGATIVE_TTL, MAX_TTL};
use hickory_resolver::TokioResolver;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::debug;

/// Minimum and maximum time for which a DNS answer is used, regardless of its TTL.
const TTL: (Duration, Duration) = (Duration::from_secs(5), MAX_TTL);
/// First and longest pause before a failed lookup is retried. Addresses of an earlier answer stay in use.
const RETRY: (Duration, Duration) = (MAX_NEGATIVE_TTL, Duration::from_secs(60));
/// Maximum number of concurrent lookups.
const PROMPT_PERMITS: usize = 16;
/// Maximum number of additional concurrent lookups that failed last time or take longer than [`PATIENCE`].
const SLOW_PERMITS: usize = 32;
/// How long a lookup may occupy one of the [`PROMPT_PERMITS`].
const PATIENCE: Duration = Duration::from_secs(1);

/// Resolves names in the background.
pub(super) struct Names {
    resolver: Option<Arc<TokioResolver>>,
    permits: Arc<LookupPermits>,
    wakes: WakeSender,
    /// By the joined names of a lookup, which are tried one after the other.
    lookups: BTreeMap<String, Lookup>,
}

struct Lookup {
    answer: Arc<Mutex<Vec<IpAddr>>>,
    task: AbortHandle,
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Names {
    pub(super) fn new(wakes: WakeSender) -> Self {
        Names {
            resolver: resolver::of_system().map(Arc::new),
            permits: Arc::default(),
            wakes,
            lookups: BTreeMap::new(),
        }
    }

    /// Returns the known addresses of the first name that has any. Starts resolving the names if that has not begun.
    pub(super) fn first_answer(
        &mut self,
        names: Vec<String>,
        queried: &mut BTreeSet<String>,
    ) -> Vec<IpAddr> {
        if let Some(Ok(address)) = names.first().map(|name| name.parse()) {
            return vec![address];
        }
        let Some(resolver) = &self.resolver else {
            return Vec::new();
        };
        let key = names.join(" ");
        queried.insert(key.clone());
        let wakes = &self.wakes;
        let lookup = self.lookups.entry(key).or_insert_with(|| {
            let answer = Arc::<Mutex<Vec<IpAddr>>>::default();
            let repeated = RepeatedLookup {
                resolver: resolver.clone(),
                permits: self.permits.clone(),
                names,
                answer: answer.clone(),
                wakes: wakes.clone(),
            };
            Lookup {
                answer,
                task: tokio::spawn(repeated.run()).abort_handle(),
            }
        });
        let answer = lookup.answer.lock();
        answer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops resolving all names that are not in `queried`.
    pub(super) fn retain(&mut self, queried: &BTreeSet<String>) {
        self.lookups.retain(|key, _| queried.contains(key));
    }
}

/// A lookup that is repeated when the TTL of its answer is over.
struct RepeatedLookup {
    resolver: Arc<TokioResolver>,
    permits: Arc<LookupPermits>,
    names: Vec<String>,
    answer: Arc<Mutex<Vec<IpAddr>>>,
    wakes: WakeSender,
}

impl RepeatedLookup {
    async fn run(self) {
        let mut retry = RETRY.0;
        let mut last = LastLookup::Unknown;
        loop {
            let lookup = first(&self.resolver, &self.names);
            let found = self.permits.run(last, lookup).await;
            last = match found {
                Some(_) => LastLookup::Answered,
                None => LastLookup::Failed,
            };
            let pause = match found {
                Some((mut addresses, valid)) => {
                    addresses.sort_unstable();
                    addresses.dedup();
                    if replace(&self.answer, addresses) {
                        self.wakes.send(Wake::discovered());
                    }
                    retry = RETRY.0;
                    valid.clamp(TTL.0, TTL.1)
                }
                None => {
                    let pause = retry;
                    retry = (retry * 2).min(RETRY.1);
                    pause
                }
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Returns whether the answer has changed.
fn replace(answer: &Mutex<Vec<IpAddr>>, addresses: Vec<IpAddr>) -> bool {
    let mut known = answer.lock().unwrap_or_else(PoisonError::into_inner);
    let changed = *known != addresses;
    *known = addresses;
    changed
}

async fn first(resolver: &TokioResolver, names: &[String]) -> Option<(Vec<IpAddr>, Duration)> {
    for name in names {
        match resolver.lookup_ip(name.as_str()).await {
            Ok(found) => {
                let addresses: Vec<IpAddr> = found.iter().collect();
                if !addresses.is_empty() {
                    let valid = found
                        .valid_until()
                        .saturating_duration_since(Instant::now());
                    return Some((addresses, valid));
                }
            }
            Err(error) => debug!(name, %error, "no address found"),
        }
    }
    None
}

/// How the last lookup of a name ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastLookup {
    Unknown,
    Answered,
    Failed,
}

/// Limits the number of concurrent lookups. Names whose servers don't answer use separate permits: such a lookup takes
/// half a minute, and names that are answered must not wait for it.
#[derive(Debug)]
struct LookupPermits {
    prompt: Semaphore,
    slow: Semaphore,
}

impl Default for LookupPermits {
    fn default() -> Self {
        LookupPermits {
            prompt: Semaphore::new(PROMPT_PERMITS),
            slow: Semaphore::new(SLOW_PERMITS),
        }
    }
}

impl LookupPermits {
    /// Runs a lookup when it has a permit. A lookup that turns out to be slow is aborted if there is no free permit for slow
    /// lookups. The next lookup of the same name waits for such a permit.
    async fn run<T>(&self, last: LastLookup, lookup: impl Future<Output = Option<T>>) -> Option<T> {
        let mut lookup = pin!(lookup);
        let slow = match last {
            LastLookup::Failed => self.slow.acquire().await.ok(),
            LastLookup::Unknown | LastLookup::Answered => {
                let _permit = self.prompt.acquire().await;
                if let Ok(found) = tokio::time::timeout(PATIENCE, &mut lookup).await {
                    return found;
                }
                self.slow.try_acquire().ok()
            }
        };
        let _permit = slow?;
        lookup.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lookup whose servers never answer. The resolver gives up after this time.
    async fn dead() -> Option<()> {
        tokio::time::sleep(Duration::from_secs(30)).await;
        None
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_time_out_do_not_delay_names_that_are_answered() {
        let permits = Arc::new(LookupPermits::default());
        for last in [LastLookup::Failed, LastLookup::Unknown] {
            let start = tokio::time::Instant::now();
            let lookups = (0..200).map(|_| {
                let permits = permits.clone();
                tokio::spawn(async move { permits.run(last, dead()).await })
            });
            let lookups: Vec<_> = lookups.collect();
            tokio::task::yield_now().await;
            let answered = permits.run(LastLookup::Answered, async { Some(()) }).await;
            assert_eq!(answered, Some(()));
            let most = match last {
                LastLookup::Failed => Duration::ZERO,
                // A new name occupies a prompt permit until it turns out to be slow.
                LastLookup::Unknown | LastLookup::Answered => PATIENCE * 200 / 16 + PATIENCE,
            };
            assert!(start.elapsed() <= most, "{last:?}: {:?}", start.elapsed());
            lookups.iter().for_each(|task| task.abort());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_slow_answer_if_a_permit_is_free() {
        let permits = LookupPermits::default();
        let slow = async {
            tokio::time::sleep(PATIENCE * 5).await;
            Some(())
        };
        assert_eq!(permits.run(LastLookup::Unknown, slow).await, Some(()));
        let _others = permits
            .slow
            .acquire_many(32)
            .await
            .expect("the permits are free");
        let start = tokio::time::Instant::now();
        assert_eq!(permits.run(LastLookup::Unknown, dead()).await, None);
        assert_eq!(
            start.elapsed(),
            PATIENCE,
            "the lookup is aborted without a free permit"
        );
    }
}
