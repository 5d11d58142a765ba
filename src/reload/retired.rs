//! Frees old versions of large values away from the threads that serve requests.

use std::sync::Arc;

/// Old versions that may still be in use. Dropping the last reference frees all parts of such a value, which takes
/// milliseconds for ten thousand routes, so it must not happen in a request.
#[derive(Debug)]
pub(super) struct Retired<T>(Vec<Arc<T>>);

impl<T> Default for Retired<T> {
    fn default() -> Self {
        Retired(Vec::new())
    }
}

impl<T: Send + Sync + 'static> Retired<T> {
    /// Keeps an old version until no other reference to it exists.
    pub(super) fn keep(&mut self, old: Arc<T>) {
        self.0.push(old);
    }

    /// Frees the versions that are no longer in use, on a blocking thread. Call this regularly, within a Tokio
    /// runtime.
    pub(super) fn sweep(&mut self) {
        // This is the only reference, so no other task can obtain one.
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
    async fn frees_unused_versions_on_another_thread_and_keeps_the_others() {
        let (freed, ends) = channel();
        let (used, unused) = (Arc::new(Large(freed.clone())), Arc::new(Large(freed)));
        let mut retired = Retired::default();
        retired.keep(used.clone());
        retired.keep(unused);
        retired.sweep();
        let by = ends.recv().expect("the unused version is freed");
        assert_ne!(
            by,
            thread::current().id(),
            "a request thread must not free it"
        );
        drop(used);
        assert!(ends.try_recv().is_err(), "the last user must not free it");
        retired.sweep();
        let by = ends.recv().expect("the other version is freed");
        assert_ne!(
            by,
            thread::current().id(),
            "a request thread must not free it"
        );
    }
}
