//! Looks up ordered keys in an ordered map in one pass.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::iter::Peekable;

/// Looks up keys in an ordered map, provided that the keys come in order. One pass over the map costs less than a search
/// for each key: with ten thousand keys a search compares fourteen.
#[derive(Debug)]
pub struct Follow<'m, K, V>(Peekable<Iter<'m, K, V>>);

impl<'m, K: Ord, V> Follow<'m, K, V> {
    /// Starts before the first entry.
    pub fn new(map: &'m BTreeMap<K, V>) -> Self {
        Follow(map.iter().peekable())
    }

    /// Returns the value of a key, which must not be less than the key of the previous call.
    pub fn at(&mut self, key: &K) -> Option<&'m V> {
        loop {
            let (known, value) = self.0.peek()?;
            // Compare for equality first: equal keys usually share an allocation, so this is a pointer comparison.
            if *known == key {
                return Some(value);
            }
            self.0.next_if(|(known, _)| *known < key)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_values_of_keys_in_order_and_none_for_unknown_keys() {
        let map = BTreeMap::from([(2, "two"), (3, "three"), (5, "five")]);
        let mut follow = Follow::new(&map);
        let found: Vec<_> = [1, 2, 2, 4, 5, 6].map(|key| follow.at(&key)).into();
        let expected = [None, Some(&"two"), Some(&"two"), None, Some(&"five"), None];
        assert_eq!(found, expected);
    }
}
