//! A map from hostnames, exact or with a wildcard, to values.

use crate::shared_map::SharedMap;
use std::cmp::Reverse;
use std::sync::Arc;

/// The maximum length of a name, in bytes (RFC 1035, section 2.3.4, without the final dot). A longer host is not a name.
const LONGEST_NAME: usize = 253;

/// Values by hostname. A lookup returns the value of the exact name first, then of wildcards by descending length of the
/// suffix, then of the pattern for any name (Gateway API, `Listener.hostname`). `*.` matches one or more labels. Names are
/// ASCII, in lower case, without a final dot. Patterns are converted to lower case on insertion; a name to look up must
/// already be in lower case.
///
/// A lookup hashes the name once, and one suffix per number of labels up to that of the longest wildcard. A name that
/// consists of dots costs no more than any other. Clones share their entries, see `SharedMap`.
#[derive(Debug, Clone)]
pub struct HostMap<T> {
    exact: SharedMap<T>,
    /// By the part after `*.`.
    wildcard: SharedMap<T>,
    /// The number of labels of the longest key of `wildcard` so far.
    most_labels: usize,
    any: Option<T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        HostMap {
            exact: SharedMap::default(),
            wildcard: SharedMap::default(),
            most_labels: 0,
            any: None,
        }
    }
}

impl<T: Clone> HostMap<T> {
    /// Sets the value of a pattern: a name, `*.` and a name, or `None` for any name. Returns the previous value.
    pub fn insert(&mut self, pattern: Option<&str>, value: T) -> Option<T> {
        let Some(pattern) = pattern else {
            return self.any.replace(value);
        };
        let (map, name) = match pattern.strip_prefix("*.") {
            None => (&mut self.exact, pattern),
            Some(suffix) => {
                self.most_labels = self.most_labels.max(suffix.split('.').count());
                (&mut self.wildcard, suffix)
            }
        };
        map.insert(Arc::from(name.to_ascii_lowercase()), value)
    }

    /// Removes the value of exactly this pattern.
    pub fn remove(&mut self, pattern: Option<&str>) -> Option<T> {
        match pattern {
            None => self.any.take(),
            Some(pattern) => match pattern.strip_prefix("*.") {
                Some(suffix) => self.wildcard.remove(&suffix.to_ascii_lowercase()),
                None => self.exact.remove(&pattern.to_ascii_lowercase()),
            },
        }
    }
}

impl<T> HostMap<T> {
    /// Returns the value of exactly this pattern.
    pub fn get(&self, pattern: Option<&str>) -> Option<&T> {
        match pattern {
            None => self.any.as_ref(),
            Some(pattern) => match pattern.strip_prefix("*.") {
                Some(suffix) => self.wildcard.get(suffix),
                None => self.exact.get(pattern),
            },
        }
    }

    /// Returns the most specific value for a name.
    pub fn find(&self, host: &str) -> Option<&T> {
        self.candidates(host).next()
    }

    /// Returns every value that matches a name, the most specific first.
    pub fn candidates<'a, 'h>(
        &'a self,
        host: &'h str,
    ) -> impl Iterator<Item = &'a T> + use<'a, 'h, T> {
        let name = if host.len() <= LONGEST_NAME { host } else { "" };
        // The dot before as many labels as the longest wildcard has, or the first dot.
        let farthest = name.rmatch_indices('.').take(self.most_labels).last();
        let tail = farthest.and_then(|(dot, _)| name.get(dot..)).unwrap_or("");
        let suffixes = tail
            .match_indices('.')
            .filter_map(move |(dot, _)| self.wildcard.get(tail.get(dot + 1..)?));
        let exact = self.exact.get(name);
        exact.into_iter().chain(suffixes).chain(self.any.as_ref())
    }

    /// Returns all values with their patterns (`*` for any name), the most specific first: exact names in alphabetical
    /// order, wildcards by descending length, any name.
    pub fn sorted(&self) -> Vec<(String, &T)> {
        let exact = self
            .exact
            .iter()
            .map(|(name, value)| (name.to_owned(), value));
        let wildcard = self.wildcard.iter();
        let wildcard = wildcard.map(|(suffix, value)| (format!("*.{suffix}"), value));
        let any = self.any.iter().map(|value| ("*".to_owned(), value));
        let mut all: Vec<(String, &T)> = exact.chain(wildcard).chain(any).collect();
        all.sort_by_cached_key(|(pattern, _)| match pattern.strip_prefix('*') {
            None => (false, Reverse(0), pattern.clone()),
            Some(suffix) => (true, Reverse(suffix.len()), pattern.clone()),
        });
        all
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wildcard.is_empty() && self.any.is_none()
    }

    /// Returns all values in no particular order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact
            .values()
            .chain(self.wildcard.values())
            .chain(self.any.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(patterns: &[&'static str]) -> HostMap<&'static str> {
        let mut map = HostMap::default();
        for pattern in patterns {
            map.insert(Some(*pattern).filter(|it| *it != "*"), *pattern);
        }
        map
    }

    fn fits(map: &HostMap<&'static str>, host: &str) -> Vec<&'static str> {
        map.candidates(host).copied().collect()
    }

    #[test]
    fn returns_exact_name_then_longer_wildcards_then_any() {
        let map = map(&[
            "*",
            "*.com",
            "*.example.com",
            "*.a.example.com",
            "b.a.example.com",
        ]);
        assert_eq!(
            fits(&map, "b.a.example.com"),
            [
                "b.a.example.com",
                "*.a.example.com",
                "*.example.com",
                "*.com",
                "*"
            ]
        );
        assert_eq!(
            fits(&map, "c.b.a.example.com"),
            ["*.a.example.com", "*.example.com", "*.com", "*"]
        );
        assert_eq!(fits(&map, "example.com"), ["*.com", "*"]);
        assert_eq!(fits(&map, "com"), ["*"]);
        assert_eq!(fits(&map, ""), ["*"]);
    }

    #[test]
    fn wildcard_matches_one_or_more_labels() {
        let map = map(&["*.example.com"]);
        assert_eq!(fits(&map, "www.example.com"), ["*.example.com"]);
        assert_eq!(fits(&map, "a.b.www.example.com"), ["*.example.com"]);
        for host in [
            "example.com",
            "wwwexample.com",
            "www.example.com.org",
            "www.example.org",
        ] {
            assert!(fits(&map, host).is_empty(), "{host}");
        }
    }

    #[test]
    fn stores_patterns_in_lower_case() {
        let map = map(&["WWW.Example.com", "*.Example.org"]);
        assert_eq!(map.find("www.example.com"), Some(&"WWW.Example.com"));
        assert_eq!(map.find("a.example.org"), Some(&"*.Example.org"));
    }

    #[test]
    fn host_too_long_for_a_name_matches_any_only() {
        let map = map(&["*", "*.com"]);
        let name = "a.".repeat(125) + "com";
        assert_eq!(fits(&map, &name), ["*.com", "*"], "253 bytes are allowed");
        assert_eq!(fits(&map, &format!("a{name}")), ["*"]);
        assert_eq!(fits(&map, &".".repeat(1 << 20)), ["*"]);
    }

    #[test]
    fn sorts_from_specific_to_any() {
        let map = map(&["*", "*.com", "b.com", "*.a.com", "a.com"]);
        let patterns: Vec<String> = map.sorted().into_iter().map(|(it, _)| it).collect();
        assert_eq!(patterns, ["a.com", "b.com", "*.a.com", "*.com", "*"]);
    }
}
