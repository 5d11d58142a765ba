use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How often unused connections are looked for at most.
const BETWEEN_RECLAIMS: Duration = Duration::from_millis(20);

/// The limit of open connections, over all sockets.
#[derive(Debug)]
pub(super) struct Limit {
    connections: usize,
    places: Arc<Semaphore>,
    /// How many sockets wait for a place.
    waiting: AtomicUsize,
    reclaimed: Mutex<Option<Instant>>,
}

/// The right to have a connection open, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Limit {
    pub(super) fn new(connections: NonZeroUsize) -> Self {
        let connections = connections.get().min(Semaphore::MAX_PERMITS);
        Limit {
            connections,
            places: Arc::new(Semaphore::new(connections)),
            waiting: AtomicUsize::new(0),
            reclaimed: Mutex::default(),
        }
    }

    /// How many connections may be open.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// Whether somebody waits for a place.
    pub(super) fn is_reached(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether it is time to look for connections that nobody uses.
    pub(super) fn may_reclaim(&self) -> bool {
        let mut last = self
            .reclaimed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= BETWEEN_RECLAIMS);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// A place if one is free.
    pub(super) fn place(&self) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place { _permit: permit })
    }

    /// The next place that comes free. Sockets get them in the order in which they began to wait.
    pub(super) async fn next_place(&self) -> Option<Place> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        // Nobody closes the semaphore.
        let permit = self.places.clone().acquire_owned().await.ok()?;
        Some(Place { _permit: permit })
    }
}

/// Counts one who waits, however the waiting ends.
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
    async fn the_limit_is_reached_while_somebody_waits() {
        let limit = Limit::new(NonZeroUsize::MIN);
        let first = limit.place().expect("a place");
        assert!(limit.place().is_none());
        assert!(!limit.is_reached(), "nobody wants another one");
        let mut next = Box::pin(limit.next_place());
        assert!(futures_poll(next.as_mut()).is_none());
        assert!(limit.is_reached());
        drop(first);
        assert!(next.await.is_some());
        assert!(!limit.is_reached());
        assert!(limit.place().is_some(), "given back when it was dropped");
    }

    fn futures_poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    #[test]
    fn no_limit_is_the_largest_one() {
        assert_eq!(
            Limit::new(NonZeroUsize::MAX).connections(),
            Semaphore::MAX_PERMITS
        );
    }
}
