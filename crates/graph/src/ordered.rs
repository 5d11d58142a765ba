//! Ordered maps side by side.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::iter::Peekable;

/// Finds the entries of an ordered map for keys that come in order. One walk over all of them costs less than a search
/// for each: with ten thousand keys a search compares fourteen.
#[derive(Debug)]
pub struct Follow<'m, K, V>(Peekable<Iter<'m, K, V>>);

impl<'m, K: Ord, V> Follow<'m, K, V> {
    /// Before the first entry.
    pub fn new(map: &'m BTreeMap<K, V>) -> Self {
        Follow(map.iter().peekable())
    }

    /// The value of a key, which must not be less than the one before.
    pub fn at(&mut self, key: &K) -> Option<&'m V> {
        loop {
            let (known, value) = self.0.peek()?;
            // Asked first: that two are equal, those that share their texts tell without a look at them.
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
    fn keys_in_order_find_their_values_and_others_find_nothing() {
        let map = BTreeMap::from([(2, "two"), (3, "three"), (5, "five")]);
        let mut follow = Follow::new(&map);
        let found: Vec<_> = [1, 2, 2, 4, 5, 6].map(|key| follow.at(&key)).into();
        let expected = [None, Some(&"two"), Some(&"two"), None, Some(&"five"), None];
        assert_eq!(found, expected);
    }
}
