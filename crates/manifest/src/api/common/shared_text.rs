//! Texts that many objects have in common.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The number of texts above which those that no object uses any more are forgotten.
const MANY: usize = 1_000;

/// Returns a text that is shared with all earlier objects that have the same one, such as a namespace or an `apiVersion`. Ten
/// thousand objects of a namespace keep its name once, and comparing two of them compares pointers.
pub(crate) fn shared_text(text: &str) -> Arc<str> {
    static KNOWN: LazyLock<Mutex<HashSet<Arc<str>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(text) {
        return known.clone();
    }
    if known.len() >= MANY {
        known.retain(|text| Arc::strong_count(text) > 1);
    }
    let text: Arc<str> = text.into();
    known.insert(text.clone());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_shared() {
        let one = shared_text("a namespace");
        assert!(Arc::ptr_eq(&one, &shared_text("a namespace")));
        assert_ne!(one, shared_text("another namespace"));
    }
}
