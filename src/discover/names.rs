//! What DNS says of names, asked for in the background.

use crate::watch::{Wake, WakeSender};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverOpts;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{debug, warn};

/// An answer of DNS is used at least and at most this long, whatever its TTL says.
const TTL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// When a name that gave no answer is asked for again, at first and at last. Addresses that it gave before stay in use.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(60));
/// How many names are looked up at the same time.
const PROMPT_PLACES: usize = 16;
/// How many more, of those that got no answer last time or take longer than [`PATIENCE`].
const SLOW_PLACES: usize = 32;
/// How long a lookup may hold a place that others wait for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What DNS says, asked for in the background.
pub(super) struct Names {
    resolver: Option<Arc<TokioResolver>>,
    places: Arc<Places>,
    wakes: WakeSender,
    /// By the names that are tried one after the other, joined.
    questions: BTreeMap<String, Question>,
}

struct Question {
    answer: Arc<Mutex<Vec<IpAddr>>>,
    task: AbortHandle,
}

impl Drop for Question {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Names {
    pub(super) fn new(wakes: WakeSender) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            limit(builder.options_mut());
            builder.build()
        });
        if let Err(error) = &resolver {
            warn!(%error, "the system's DNS configuration can't be read: no names are looked up");
        }
        Names {
            resolver: resolver.ok().map(Arc::new),
            places: Arc::default(),
            wakes,
            questions: BTreeMap::new(),
        }
    }

    /// The addresses of the first name that has any, as far as it is known.
    pub(super) fn first_answer(
        &mut self,
        names: Vec<String>,
        asked: &mut BTreeSet<String>,
    ) -> Vec<IpAddr> {
        if let Some(Ok(address)) = names.first().map(|name| name.parse()) {
            return vec![address];
        }
        let Some(resolver) = &self.resolver else {
            return Vec::new();
        };
        let key = names.join(" ");
        asked.insert(key.clone());
        let wakes = &self.wakes;
        let question = self.questions.entry(key).or_insert_with(|| {
            let answer = Arc::<Mutex<Vec<IpAddr>>>::default();
            let asking = Asking {
                resolver: resolver.clone(),
                places: self.places.clone(),
                names,
                answer: answer.clone(),
                wakes: wakes.clone(),
            };
            Question {
                answer,
                task: tokio::spawn(asking.on_and_on()).abort_handle(),
            }
        });
        let answer = question.answer.lock();
        answer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn forget_others(&mut self, asked: &BTreeSet<String>) {
        self.questions.retain(|key, _| asked.contains(key));
    }
}

/// The resolver keeps answers as long as their TTLs say, that there is no such name for up to a day: asking again would
/// give the same.
fn limit(options: &mut ResolverOpts) {
    options.positive_max_ttl = Some(TTL.1);
    options.negative_max_ttl = Some(RETRY.0);
}

/// A question that is asked again and again, as the answers' TTLs say.
struct Asking {
    resolver: Arc<TokioResolver>,
    places: Arc<Places>,
    names: Vec<String>,
    answer: Arc<Mutex<Vec<IpAddr>>>,
    wakes: WakeSender,
}

impl Asking {
    async fn on_and_on(self) {
        let mut retry = RETRY.0;
        let mut last = LastLookup::Unknown;
        loop {
            let lookup = first(&self.resolver, &self.names);
            let found = self.places.run(last, lookup).await;
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

/// Whether the answer is another one now.
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

/// Bounds how many names are looked up at the same time. Names whose servers don't answer have places of their own: a
/// lookup of theirs takes half a minute, and names that are answered must not wait for them.
#[derive(Debug)]
struct Places {
    prompt: Semaphore,
    slow: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Places {
            prompt: Semaphore::new(PROMPT_PLACES),
            slow: Semaphore::new(SLOW_PLACES),
        }
    }
}

impl Places {
    /// Runs a lookup as soon as it has a place. One that turns out to be slow when there is no room for it is given up;
    /// the next one of the same name waits for a place among the slow ones.
    async fn run<T>(&self, last: LastLookup, lookup: impl Future<Output = Option<T>>) -> Option<T> {
        let mut lookup = pin!(lookup);
        let slow = match last {
            LastLookup::Failed => self.slow.acquire().await.ok(),
            LastLookup::Unknown | LastLookup::Answered => {
                let _place = self.prompt.acquire().await;
                if let Ok(found) = tokio::time::timeout(PATIENCE, &mut lookup).await {
                    return found;
                }
                self.slow.try_acquire().ok()
            }
        };
        let _place = slow?;
        lookup.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name whose servers never answer: the resolver gives up after this time.
    async fn dead() -> Option<()> {
        tokio::time::sleep(Duration::from_secs(30)).await;
        None
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_time_out_hold_up_no_name_that_is_answered() {
        let places = Arc::new(Places::default());
        for last in [LastLookup::Failed, LastLookup::Unknown] {
            let start = tokio::time::Instant::now();
            let asking = (0..200).map(|_| {
                let places = places.clone();
                tokio::spawn(async move { places.run(last, dead()).await })
            });
            let asking: Vec<_> = asking.collect();
            tokio::task::yield_now().await;
            let answered = places.run(LastLookup::Answered, async { Some(()) }).await;
            assert_eq!(answered, Some(()));
            let most = match last {
                LastLookup::Failed => Duration::ZERO,
                // New ones can't be told from those that are answered, for a moment each.
                LastLookup::Unknown | LastLookup::Answered => PATIENCE * 200 / 16 + PATIENCE,
            };
            assert!(start.elapsed() <= most, "{last:?}: {:?}", start.elapsed());
            asking.iter().for_each(|task| task.abort());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_answer_is_waited_for_where_there_is_room() {
        let places = Places::default();
        let slow = async {
            tokio::time::sleep(PATIENCE * 5).await;
            Some(())
        };
        assert_eq!(places.run(LastLookup::Unknown, slow).await, Some(()));
        let _others = places.slow.acquire_many(32).await.expect("they are free");
        let start = tokio::time::Instant::now();
        assert_eq!(places.run(LastLookup::Unknown, dead()).await, None);
        assert_eq!(start.elapsed(), PATIENCE, "its place is another's now");
    }

    #[test]
    fn no_answer_is_kept_longer_than_until_it_is_asked_for_again() {
        let mut options = ResolverOpts::default();
        limit(&mut options);
        assert_eq!(options.negative_max_ttl, Some(RETRY.0));
        assert_eq!(options.positive_max_ttl, Some(TTL.1));
    }
}
