//! A JWKS.

use gatefold_dataplane::filter::security::jwt::key_set::{KeySet, MAX_KEYS};

/// Reads the bytes as a set of keys.
pub fn check(bytes: &[u8]) {
    if let Ok((keys, skipped)) = KeySet::parse(bytes) {
        assert!((1..=MAX_KEYS).contains(&keys.size()));
        assert!(skipped.len() <= MAX_KEYS);
        // A debug text with a secret would end up in a log.
        let text = format!("{keys:?}");
        assert!(text.len() < 100 * 1024, "{text}");
    }
}
