//! Renewals of sessions, each once.
//!
//! A page makes a browser send many requests at once, and all of them have the same refresh token. Providers that issue a new refresh
//! token each time take a second use of the old one for theft, and end the session. So the first request renews it, the others
//! wait, and those that the browser has sent before it had the new cookies still get the result for a while.

use crate::filter::oidc::seconds_now;
use gatefold_dataplane::filter::security::oidc::session::OidcSession;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long the result of a renewal is kept, from its end.
const KEPT: Duration = Duration::from_secs(30);
/// The maximum number of results. With more, sessions are renewed without being shared.
const MAX_KEPT: usize = 10_000;

/// The renewals of all threads.
pub(super) struct Renewals {
    clock: fn() -> Instant,
    hasher: RandomState,
    /// The lock is held for a lookup, and only by requests that renew a session.
    known: Mutex<KnownRenewals>,
}

#[derive(Default)]
struct KnownRenewals {
    /// By the keyed hashes of policies and refresh tokens.
    all: HashMap<(u64, u64), Renewal>,
    /// When outdated ones were last removed.
    swept: Option<Instant>,
}

/// A renewal that is running, or has succeeded. `None` while it is running.
struct Renewal(watch::Receiver<Option<Finished>>);

/// The result of a renewal.
struct Finished {
    at: Instant,
    renewed: Renewed,
}

/// The renewed session. `None` if it can't be renewed.
type Renewed = Option<Arc<OidcSession>>;

impl Renewals {
    /// Returns the session that a refresh token is exchanged for: with `renew`, unless that is already done. A request that is given up
    /// doesn't end the renewal.
    pub(super) async fn run(
        self: &Arc<Self>,
        (policy, token): (&str, &str),
        renew: impl Future<Output = Option<OidcSession>> + Send + 'static,
    ) -> Renewed {
        // Two hashes with random keys: no client can make its refresh token meet another one.
        let key = (
            self.hasher.hash_one((policy, token)),
            self.hasher.hash_one((token, policy)),
        );
        let mut result = self.begin(key, renew);
        let done = result.wait_for(Option::is_some).await;
        // An error means that the task has panicked.
        let done = done.ok()?;
        done.as_ref().and_then(|done| done.renewed.clone())
    }

    fn begin(
        self: &Arc<Self>,
        key: (u64, u64),
        renew: impl Future<Output = Option<OidcSession>> + Send + 'static,
    ) -> watch::Receiver<Option<Finished>> {
        let now = (self.clock)();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.sweep(now);
        if let Some(Renewal(result)) = known.all.get(&key).filter(|it| it.is_current(now)) {
            return result.clone();
        }
        let (sender, result) = watch::channel(None);
        let mut entry = None;
        if known.all.len() < MAX_KEPT {
            known.all.insert(key, Renewal(result.clone()));
            entry = Some(KnownEntry {
                renewals: self.clone(),
                key,
                is_kept: false,
            });
        }
        drop(known);
        let clock = self.clock;
        tokio::spawn(async move {
            let renewed = renew.await.map(Arc::new);
            if let Some(mut entry) = entry {
                entry.is_kept = renewed.is_some();
            }
            let at = clock();
            sender.send_replace(Some(Finished { at, renewed }));
        });
        result
    }
}

impl Default for Renewals {
    fn default() -> Self {
        Renewals {
            clock: Instant::now,
            hasher: RandomState::default(),
            known: Mutex::default(),
        }
    }
}

impl KnownRenewals {
    /// Removes outdated results, once a second at most.
    fn sweep(&mut self, now: Instant) {
        let is_due =
            |swept: Instant| now.saturating_duration_since(swept) >= Duration::from_secs(1);
        if self.swept.is_none_or(is_due) {
            self.swept = Some(now);
            self.all.retain(|_, renewal| renewal.is_current(now));
        }
    }
}

impl Renewal {
    /// Whether it is running, or its result can be used.
    fn is_current(&self, now: Instant) -> bool {
        self.0.borrow().as_ref().is_none_or(|done| {
            let session = done.renewed.as_ref();
            now.saturating_duration_since(done.at) < KEPT
                && session.is_some_and(|it| it.is_valid(seconds_now()))
        })
    }
}

/// The entry of a renewal, if there was room for one. It is removed when the renewal fails or panics, so that the next request tries again.
struct KnownEntry {
    renewals: Arc<Renewals>,
    key: (u64, u64),
    is_kept: bool,
}

impl Drop for KnownEntry {
    fn drop(&mut self) {
        if !self.is_kept {
            let known = self.renewals.known.lock();
            let mut known = known.unwrap_or_else(PoisonError::into_inner);
            known.all.remove(&self.key);
        }
    }
}

impl fmt::Debug for Renewals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    fn session(access_token: &str) -> OidcSession {
        OidcSession {
            access_token: access_token.to_owned(),
            id_token: "id".to_owned(),
            refresh_token: None,
            expires: u64::MAX,
            id_token_expires: 0,
            refresh_expires: 0,
        }
    }

    fn token_of(renewed: Renewed) -> Option<String> {
        renewed.map(|it| it.access_token.clone())
    }

    #[tokio::test]
    async fn concurrent_and_late_requests_share_one_renewal() {
        let (renewals, count) = (Arc::new(Renewals::default()), Arc::new(AtomicUsize::new(0)));
        let run = || {
            let (renewals, count) = (renewals.clone(), count.clone());
            async move {
                let renewal = async move {
                    yield_now().await;
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    Some(session(&number.to_string()))
                };
                token_of(renewals.run(("policy", "token"), renewal).await)
            }
        };
        let (first, second) = tokio::join!(run(), run());
        let late = run().await;
        assert_eq!(
            [first, second, late],
            [(); 3].map(|()| Some("0".to_owned()))
        );
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn other_token_or_policy_has_a_renewal_of_its_own() {
        let renewals = Arc::new(Renewals::default());
        for (policy, token) in [("a", "1"), ("a", "2"), ("b", "1"), ("1", "a")] {
            let name = format!("{policy}{token}");
            let expected = Some(name.clone());
            let renewal = async move { Some(session(&name)) };
            assert_eq!(
                token_of(renewals.run((policy, token), renewal).await),
                expected
            );
        }
    }

    #[tokio::test]
    async fn failed_renewal_is_tried_again() {
        let renewals = Arc::new(Renewals::default());
        let key = ("policy", "token");
        assert_eq!(token_of(renewals.run(key, async { None }).await), None);
        let renewed = renewals.run(key, async { Some(session("new")) }).await;
        assert_eq!(token_of(renewed).as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn request_that_is_given_up_does_not_end_the_renewal() {
        let (renewals, key) = (Arc::new(Renewals::default()), ("policy", "token"));
        let (finish, finished) = oneshot::channel::<()>();
        let renewal = async {
            finished.await.ok()?;
            Some(session("first"))
        };
        let given_up = tokio::time::timeout(Duration::ZERO, renewals.run(key, renewal)).await;
        assert!(given_up.is_err(), "the renewal hasn't finished");
        assert_eq!(finish.send(()), Ok(()), "the renewal is still running");
        let renewed = renewals.run(key, async { Some(session("second")) }).await;
        assert_eq!(token_of(renewed).as_deref(), Some("first"));
    }

    #[tokio::test]
    async fn result_is_kept_from_the_end_of_its_renewal() {
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let start = Arc::new(Renewals {
            clock: || {
                static START: OnceLock<Instant> = OnceLock::new();
                let start = *START.get_or_init(Instant::now);
                start + Duration::from_secs(PASSED.load(Ordering::SeqCst))
            },
            ..Renewals::default()
        });
        let (renewals, key) = (start, ("policy", "token"));
        let slow = async {
            PASSED.store(29, Ordering::SeqCst);
            Some(session("first"))
        };
        assert!(renewals.run(key, slow).await.is_some());
        for (seconds, expected) in [(58, "first"), (59, "second")] {
            PASSED.store(seconds, Ordering::SeqCst);
            let renewed = renewals.run(key, async { Some(session("second")) }).await;
            assert_eq!(token_of(renewed).as_deref(), Some(expected));
        }
    }

    #[tokio::test]
    async fn result_that_has_expired_is_not_used() {
        let (renewals, key) = (Arc::new(Renewals::default()), ("policy", "token"));
        let short = OidcSession {
            expires: seconds_now(),
            ..session("short")
        };
        assert!(renewals.run(key, async { Some(short) }).await.is_some());
        let renewed = renewals.run(key, async { Some(session("new")) }).await;
        assert_eq!(token_of(renewed).as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn renewal_without_an_entry_leaves_that_of_another_one() {
        let (renewals, key) = (Arc::new(Renewals::default()), ("policy", "token"));
        let (_running, result) = watch::channel(None);
        let others = (0..MAX_KEPT as u64).map(|it| ((it, it), Renewal(result.clone())));
        let lock = || renewals.known.lock().expect("no panic");
        lock().all = others.collect();
        let (fail, failed) = oneshot::channel::<()>();
        let without = renewals.run(key, async {
            failed.await.ok();
            None
        });
        let mut without = Box::pin(without);
        let given_up = tokio::time::timeout(Duration::ZERO, &mut without).await;
        assert!(given_up.is_err(), "it is running");
        lock().all.clear();
        let kept = renewals.run(key, async { Some(session("kept")) }).await;
        assert!(kept.is_some());
        assert_eq!(fail.send(()), Ok(()));
        assert_eq!(token_of(without.await), None);
        let renewed = renewals.run(key, async { Some(session("again")) }).await;
        assert_eq!(token_of(renewed).as_deref(), Some("kept"));
    }
}
