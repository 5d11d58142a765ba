//! Where old versions of large things end.

use std::sync::Arc;

/// Old versions that somebody may still use. The last one to let go of such a thing frees its many parts,
/// which takes milliseconds for ten thousand routes: that must not be a request.
#[derive(Debug)]
pub(super) struct Retired<T>(Vec<Arc<T>>);

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Retired(Vec::new())
    }
}

impl<T: Send + Sync + 'static> Retired<T> {
    /// Keeps an old version until nobody else does.
    pub(super) fn keep(&mut self, old: Arc<T>) {
        self.0.push(old);
    }

    /// Frees those that nobody else uses any more, on a thread that serves no requests. Call it now and then,
    /// within a Tokio runtime.
    pub(super) fn sweep(&mut self) {
        // Nobody can get at one any more but by a reference that is counted.
        let unused = |old: &mut Arc<T>| Arc::strong_count(old) == 1;
        let free: Vec<Arc<T>> = self.0.extract_if(.., unused).collect();
        if !free.is_empty() {
            tokio::task::spawn_blocking(move || drop(free));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};
    use std::thread::{self, ThreadId};

    struct Large(Sender<ThreadId>);

    impl Drop for Large {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }

    #[tokio::test]
    async fn what_is_still_in_use_is_kept_and_the_rest_is_freed_elsewhere() {
        let (freed, ends) = channel();
        let (used, unused) = (Arc::new(Large(freed.clone())), Arc::new(Large(freed)));
        let mut retired = Retired::default();
        retired.keep(used.clone());
        retired.keep(unused);
        retired.sweep();
        let by = ends.recv().expect("one is freed");
        assert_ne!(by, thread::current().id(), "not on the thread of requests");
        drop(used);
        assert!(ends.try_recv().is_err(), "its user doesn't free it");
        retired.sweep();
        assert_ne!(ends.recv().expect("the other"), thread::current().id());
    }
}
