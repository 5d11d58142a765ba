//! Keys that are fetched from an issuer while requests are served.

use super::key_set::KeySet;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// The keys of an issuer, as last fetched. Requests read them without waiting; the daemon replaces them. None until the first
/// fetch succeeds.
#[derive(Debug, Default)]
pub struct RemoteKeys {
    keys: ArcSwapOption<KeySet>,
}

impl RemoteKeys {
    /// Replaces the keys.
    pub fn set(&self, keys: KeySet) {
        self.keys.store(Some(Arc::new(keys)));
    }

    /// Returns the number of keys. `None` before the first ones are there.
    pub fn size(&self) -> Option<usize> {
        self.keys.load().as_ref().map(|keys| keys.size())
    }

    /// Passes the keys to a function. `None` before the first ones are there.
    pub(super) fn with<T>(&self, then: impl FnOnce(&KeySet) -> T) -> Option<T> {
        self.keys.load().as_ref().map(|keys| then(keys))
    }
}
