//! A map from texts whose versions share what they have in common.

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// The average number of entries of a part above which the number of parts is doubled. Large enough that the parts
/// themselves stay in the processor's caches, small enough that copying one takes microseconds.
const LARGEST_PART: usize = 256;

/// A map from texts to values.
///
/// It consists of parts, which clones share. A change copies only the part that it affects, so the next version of a
/// map with ten thousand entries costs little more than the change. A lookup hashes the text once.
#[derive(Clone, Debug)]
pub struct SharedMap<V> {
    /// Their number is a power of two, or zero.
    parts: Box<[Arc<Part<V>>]>,
    length: usize,
    /// The length of the longest key so far, in bytes. A longer text is not even hashed.
    longest: usize,
    hasher: DefaultHashBuilder,
}

/// The entries whose hashes have the same bits at [`part_bits`].
type Part<V> = HashTable<(Arc<str>, V)>;

impl<V> Default for SharedMap<V> {
    fn default() -> Self {
        SharedMap {
            parts: Box::default(),
            length: 0,
            longest: 0,
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<V> SharedMap<V> {
    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&V> {
        if key.len() > self.longest {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let part = self.parts.get(self.part_of(hash))?;
        let found = part.find(hash, |(known, _)| **known == *key);
        found.map(|(_, value)| value)
    }

    /// Returns an upper bound on the lengths of the keys, in bytes.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns all entries in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        let entries = self.parts.iter().flat_map(|part| part.iter());
        entries.map(|(key, value)| (&**key, value))
    }

    /// Returns all values in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Returns the index of the part of a hash. There is no such part if the map has none.
    fn part_of(&self, hash: u64) -> usize {
        part_bits(hash) & self.parts.len().wrapping_sub(1)
    }
}

impl<V: Clone> SharedMap<V> {
    /// Sets the value of a key. Returns the previous value.
    pub fn insert(&mut self, key: Arc<str>, value: V) -> Option<V> {
        if self.length >= self.parts.len() * LARGEST_PART && self.get(&key).is_none() {
            self.double();
        }
        let hash = self.hasher.hash_one(&*key);
        let index = self.part_of(hash);
        let part = Arc::make_mut(self.parts.get_mut(index)?);
        self.longest = self.longest.max(key.len());
        let hasher = &self.hasher;
        let same = |(known, _): &(Arc<str>, V)| *known == key;
        match part.entry(hash, same, |(known, _)| hasher.hash_one(&**known)) {
            Entry::Occupied(mut entry) => Some(std::mem::replace(&mut entry.get_mut().1, value)),
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                self.length += 1;
                None
            }
        }
    }

    /// Removes a key. Returns its value.
    pub fn remove(&mut self, key: &str) -> Option<V> {
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        let index = self.part_of(hash);
        let part = Arc::make_mut(self.parts.get_mut(index)?);
        let entry = part.find_entry(hash, |(known, _)| **known == *key).ok()?;
        let ((_, value), _) = entry.remove();
        self.length -= 1;
        Some(value)
    }

    /// Doubles the number of parts.
    fn double(&mut self) {
        let count = (self.parts.len() * 2).max(1);
        let mut parts: Vec<Part<V>> = std::iter::repeat_with(Part::new).take(count).collect();
        let before = std::mem::take(&mut self.parts).into_iter();
        for (key, value) in before.flat_map(Arc::unwrap_or_clone) {
            let hash = self.hasher.hash_one(&*key);
            if let Some(part) = parts.get_mut(part_bits(hash) & (count - 1)) {
                let hasher = &self.hasher;
                part.insert_unique(hash, (key, value), |(known, _)| hasher.hash_one(&**known));
            }
        }
        self.parts = parts.into_iter().map(Arc::new).collect();
    }
}

/// Returns the bits of a hash that choose its part. The table of a part uses the lowest and the highest bits.
fn part_bits(hash: u64) -> usize {
    (hash >> 32) as u32 as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Arc<str> {
        format!("key-{number}").into()
    }

    #[test]
    fn finds_what_was_inserted_and_not_removed() {
        let mut map = SharedMap::default();
        assert_eq!(map.get("key-0"), None);
        let many = LARGEST_PART * 5;
        for number in 0..many {
            assert_eq!(map.insert(key(number), number), None);
        }
        assert_eq!(map.insert(key(7), 8), Some(7));
        assert_eq!(map.remove("key-9"), Some(9));
        assert_eq!(map.remove("key-9"), None);
        for number in 0..many {
            let expected = match number {
                7 => Some(8),
                9 => None,
                _ => Some(number),
            };
            assert_eq!(map.get(&key(number)).copied(), expected, "{number}");
        }
        assert_eq!(map.iter().count(), many - 1);
        assert!(!map.is_empty());
    }

    #[test]
    fn a_change_of_a_clone_leaves_the_original_as_it_was_and_shares_the_other_parts() {
        let mut map = SharedMap::default();
        for number in 0..LARGEST_PART * 8 {
            map.insert(key(number), number);
        }
        let before = map.clone();
        map.insert(key(3), 0);
        assert_eq!(before.get("key-3"), Some(&3));
        assert_eq!(map.get("key-3"), Some(&0));
        let pairs = map.parts.iter().zip(&before.parts);
        let copied = pairs.filter(|(now, before)| !Arc::ptr_eq(now, before));
        assert_eq!(copied.count(), 1, "only one part is copied");
    }
}
