//! A mapping while it is parsed.

use super::node::{Key, Node, Span};
use std::collections::HashMap;

/// Mappings with more entries than this look up keys by hash.
const MANY: usize = 16;

#[derive(Default)]
pub(super) struct MappingFrame {
    pub(super) entries: Vec<(Key, Node)>,
    /// The index in `entries` of each key after the first [`MANY`].
    index: HashMap<String, usize>,
    /// The values of `<<`.
    pub(super) merged: Vec<Node>,
    pub(super) state: KeyState,
}

#[derive(Default)]
pub(super) enum KeyState {
    /// The next value is a key.
    #[default]
    Awaited,
    /// The next value belongs to this key.
    Read(Key),
    /// The next value belongs to `<<`.
    Merge,
    /// The next value belongs to a key that can't be used.
    Unusable,
}

impl MappingFrame {
    /// Adds an entry. If the key exists already, returns the key and the position of the existing one.
    pub(super) fn insert(&mut self, key: Key, node: Node) -> Result<(), (Key, Span)> {
        if let Some(first) = self.find(&key.name) {
            let first = first.clone();
            return Err((key, first));
        }
        if self.entries.len() >= MANY {
            self.index.insert(key.name.clone(), self.entries.len());
        }
        self.entries.push((key, node));
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Span> {
        let early = self
            .entries
            .iter()
            .take(MANY)
            .find(|(key, _)| key.name == name);
        let entry = early.or_else(|| self.entries.get(*self.index.get(name)?));
        entry.map(|(key, _)| &key.span)
    }
}
