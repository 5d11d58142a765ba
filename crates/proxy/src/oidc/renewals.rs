//! Renewals of sessions, each once.
//!
//! A page makes a browser send many requests at once, and all of them have the same refresh token. Providers that issue a new refresh
//! token each time take a second use of the old one for theft, and end the session. So the first request renews it, the others
//! wait, and those that the browser has sent before it had the new cookies still get the result for a while.

use gatefold_dataplane::filter::security::oidc::session::OidcSession;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long the result of a renewal is kept.
const KEPT: Duration = Duration::from_secs(30);
/// The maximum number of results. With more, sessions are renewed without being shared.
const MAX_KEPT: usize = 10_000;

/// The renewals of all threads.
#[derive(Default)]
pub(super) struct Renewals {
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

/// A renewal that is running, or has succeeded.
struct Renewal {
    began: Instant,
    /// `None` while it is running.
    result: watch::Receiver<Option<Renewed>>,
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
        done.ok().and_then(|done| done.clone()).flatten()
    }

    fn begin(
        self: &Arc<Self>,
        key: (u64, u64),
        renew: impl Future<Output = Option<OidcSession>> + Send + 'static,
    ) -> watch::Receiver<Option<Renewed>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.sweep();
        if let Some(known) = known.all.get(&key).filter(|it| it.is_current()) {
            return known.result.clone();
        }
        let (sender, result) = watch::channel(None);
        if known.all.len() < MAX_KEPT {
            let renewal = Renewal {
                began: Instant::now(),
                result: result.clone(),
            };
            known.all.insert(key, renewal);
        }
        drop(known);
        let mut entry = KnownEntry {
            renewals: self.clone(),
            key,
            is_kept: false,
        };
        tokio::spawn(async move {
            let renewed = renew.await.map(Arc::new);
            entry.is_kept = renewed.is_some();
            drop(entry);
            sender.send_replace(Some(renewed));
        });
        result
    }
}

impl KnownRenewals {
    /// Removes outdated results, once a second at most.
    fn sweep(&mut self) {
        let is_due = |swept: Instant| swept.elapsed() >= Duration::from_secs(1);
        if self.swept.is_none_or(is_due) {
            self.swept = Some(Instant::now());
            self.all.retain(|_, renewal| renewal.is_current());
        }
    }
}

impl Renewal {
    fn is_current(&self) -> bool {
        self.result.borrow().is_none() || self.began.elapsed() < KEPT
    }
}

/// The entry of a renewal. It is removed when the renewal fails or panics, so that the next request tries again.
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
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::task::yield_now;

    fn session(access_token: &str) -> OidcSession {
        OidcSession {
            access_token: access_token.to_owned(),
            id_token: "id".to_owned(),
            refresh_token: None,
            expires: 0,
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
        let (finish, finished) = tokio::sync::oneshot::channel::<()>();
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
}
