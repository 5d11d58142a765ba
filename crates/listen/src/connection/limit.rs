//! The limit of open client connections, over all sockets.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Minimum time between two scans for unused connections.
const RECLAIM_INTERVAL: Duration = Duration::from_millis(20);

/// Limits the number of open connections. Sockets wait here before they serve another connection.
#[derive(Debug)]
pub(crate) struct ConnectionLimit {
    connections: usize,
    places: Arc<Semaphore>,
    /// How many sockets wait for a permit.
    waiting: AtomicUsize,
    reclaimed: Mutex<Option<Instant>>,
}

/// Permits one open connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    _permit: OwnedSemaphorePermit,
}

impl ConnectionLimit {
    pub(crate) fn new(connections: NonZeroUsize) -> Self {
        let connections = connections.get().min(Semaphore::MAX_PERMITS);
        ConnectionLimit {
            connections,
            places: Arc::new(Semaphore::new(connections)),
            waiting: AtomicUsize::new(0),
            reclaimed: Mutex::default(),
        }
    }

    /// The maximum number of open connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections
    }

    /// Whether a socket waits because the limit is reached.
    pub(crate) fn is_reached(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether enough time has passed since the last scan for unused connections. If so, starts a new interval.
    pub(crate) fn may_reclaim(&self) -> bool {
        let mut last = self
            .reclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= RECLAIM_INTERVAL);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// Returns a permit, or `None` if the limit is reached.
    pub(crate) fn try_acquire(&self) -> Option<ConnectionPermit> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(ConnectionPermit { _permit: permit })
    }

    /// Waits for a permit. Sockets get permits in the order in which they began to wait.
    pub(crate) async fn acquire(&self) -> Option<ConnectionPermit> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        // The semaphore is never closed, so this is never `None`.
        let permit = self.places.clone().acquire_owned().await.ok()?;
        Some(ConnectionPermit { _permit: permit })
    }
}

/// Counts a waiting socket until it is dropped, so that a cancelled wait is uncounted too.
struct Waiting<'l>(&'l AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn limit_is_reached_while_a_socket_waits() {
        let limit = ConnectionLimit::new(NonZeroUsize::MIN);
        let first = limit.try_acquire().expect("a permit");
        assert!(limit.try_acquire().is_none());
        assert!(!limit.is_reached(), "no socket waits yet");
        let mut next = Box::pin(limit.acquire());
        assert!(poll_once(next.as_mut()).is_none());
        assert!(limit.is_reached());
        drop(first);
        assert!(next.await.is_some());
        assert!(!limit.is_reached());
        assert!(
            limit.try_acquire().is_some(),
            "a dropped permit is available again"
        );
    }

    fn poll_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn largest_limit_is_that_of_the_semaphore() {
        assert_eq!(
            ConnectionLimit::new(NonZeroUsize::MAX).connections(),
            Semaphore::MAX_PERMITS
        );
    }
}
