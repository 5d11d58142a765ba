//! Looks up ordered keys in an ordered map in one pass, and compares two versions of such a map.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::iter::Peekable;
use std::sync::Arc;

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

/// Returns each key whose value isn't identical in both versions of a map, with its later value. `None` if the later version
/// doesn't have the key. No value may have two keys.
pub fn differences<'m, K: Ord, V>(
    before: &'m BTreeMap<K, Arc<V>>,
    after: &'m BTreeMap<K, Arc<V>>,
) -> Vec<(&'m K, Option<&'m Arc<V>>)> {
    let mut found = Vec::new();
    if std::ptr::eq(before, after) {
        return found;
    }
    let mut before = before.iter().peekable();
    for (key, value) in after {
        // Identical values have the same keys, so most keys aren't compared.
        if before.next_if(|(_, old)| Arc::ptr_eq(old, value)).is_some() {
            continue;
        }
        while let Some((gone, _)) = before.next_if(|(old, _)| *old < key) {
            found.push((gone, None));
        }
        before.next_if(|(old, _)| *old == key);
        found.push((key, Some(value)));
    }
    found.extend(before.map(|(gone, _)| (gone, None)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_added_changed_and_removed() {
        let known: Vec<Arc<usize>> = (0..10).map(Arc::new).collect();
        let map = |entries: &[(usize, usize)]| -> BTreeMap<usize, Arc<usize>> {
            let entries = entries.iter();
            entries
                .map(|(key, at)| (*key, known[*at].clone()))
                .collect()
        };
        let before = map(&[(1, 1), (2, 2), (3, 3), (5, 5)]);
        assert_eq!(differences(&before, &before.clone()), []);
        let after = map(&[(0, 0), (2, 7), (3, 3), (4, 4)]);
        let expected = [
            (&0, Some(&known[0])),
            (&1, None),
            (&2, Some(&known[7])),
            (&4, Some(&known[4])),
            (&5, None),
        ];
        assert_eq!(differences(&before, &after), expected);
        assert_eq!(differences(&BTreeMap::new(), &before).len(), 4);
    }

    #[test]
    fn finds_the_values_of_keys_in_order_and_none_for_unknown_keys() {
        let map = BTreeMap::from([(2, "two"), (3, "three"), (5, "five")]);
        let mut follow = Follow::new(&map);
        let found: Vec<_> = [1, 2, 2, 4, 5, 6].map(|key| follow.at(&key)).into();
        let expected = [None, Some(&"two"), Some(&"two"), None, Some(&"five"), None];
        assert_eq!(found, expected);
    }
}
