use hashbrown::HashMap;
use std::cmp::Reverse;

/// The longest name there is, in bytes (RFC 1035, section 2.3.4, without the final dot). What a client sends
/// beyond it is no name.
const LONGEST_NAME: usize = 253;

/// Values by hostname. A lookup finds the exact name first, then wildcards by the longest suffix, then
/// the one for any name (Gateway API, `Listener.hostname`). `*.` stands for one label or more. Names are
/// ASCII, in lower case, without a final dot; patterns are put in lower case here, names to look up must be so.
///
/// A lookup hashes the name once, and one suffix for each number of labels up to that of the wildcard which
/// has most: a name of nothing but dots costs no more than any other.
#[derive(Debug, Clone)]
pub struct HostMap<T> {
    exact: HashMap<Box<str>, T>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, T>,
    /// How many labels the longest key of `wildcard` has.
    most_labels: usize,
    any: Option<T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        HostMap {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            most_labels: 0,
            any: None,
        }
    }
}

impl<T> HostMap<T> {
    /// Sets the value of a pattern: a name, `*.` and a name, or nothing for any name. Gives back what was
    /// there before.
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
        let mut name: Box<str> = name.into();
        name.make_ascii_lowercase();
        map.insert(name, value)
    }

    /// The value of exactly this pattern.
    pub fn get(&self, pattern: Option<&str>) -> Option<&T> {
        match pattern {
            None => self.any.as_ref(),
            Some(pattern) => match pattern.strip_prefix("*.") {
                Some(suffix) => self.wildcard.get(suffix),
                None => self.exact.get(pattern),
            },
        }
    }

    /// The value of exactly this pattern.
    pub fn get_mut(&mut self, pattern: Option<&str>) -> Option<&mut T> {
        match pattern {
            None => self.any.as_mut(),
            Some(pattern) => match pattern.strip_prefix("*.") {
                Some(suffix) => self.wildcard.get_mut(suffix),
                None => self.exact.get_mut(pattern),
            },
        }
    }

    /// The most specific value for a name.
    pub fn find(&self, host: &str) -> Option<&T> {
        self.candidates(host).next()
    }

    /// Every value that fits a name, the most specific first.
    pub fn candidates<'a, 'h>(
        &'a self,
        host: &'h str,
    ) -> impl Iterator<Item = &'a T> + use<'a, 'h, T> {
        let name = if host.len() <= LONGEST_NAME { host } else { "" };
        // The dot that stands before as many labels as any wildcard has, or the first one.
        let farthest = name.rmatch_indices('.').take(self.most_labels).last();
        let tail = farthest.and_then(|(dot, _)| name.get(dot..)).unwrap_or("");
        let suffixes = tail
            .match_indices('.')
            .filter_map(move |(dot, _)| self.wildcard.get(tail.get(dot + 1..)?));
        let exact = self.exact.get(name);
        exact.into_iter().chain(suffixes).chain(self.any.as_ref())
    }

    /// All values with their patterns (`*` for any name), the most specific first: names in alphabetical order,
    /// wildcards from long to short, any.
    pub fn sorted(&self) -> Vec<(String, &T)> {
        let exact = self
            .exact
            .iter()
            .map(|(name, value)| (name.to_string(), value));
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

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact
            .values()
            .chain(self.wildcard.values())
            .chain(self.any.as_ref())
    }

    /// All values, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.exact
            .values_mut()
            .chain(self.wildcard.values_mut())
            .chain(self.any.as_mut())
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
    fn the_exact_name_comes_before_longer_and_shorter_wildcards_and_any() {
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
    fn a_wildcard_stands_for_one_label_or_more_but_not_for_none() {
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
    fn patterns_are_stored_in_lower_case() {
        let map = map(&["WWW.Example.com", "*.Example.org"]);
        assert_eq!(map.find("www.example.com"), Some(&"WWW.Example.com"));
        assert_eq!(map.find("a.example.org"), Some(&"*.Example.org"));
    }

    #[test]
    fn what_is_too_long_to_be_a_name_fits_any_only() {
        let map = map(&["*", "*.com"]);
        let name = "a.".repeat(125) + "com";
        assert_eq!(fits(&map, &name), ["*.com", "*"], "253 bytes are a name");
        assert_eq!(fits(&map, &format!("a{name}")), ["*"]);
        assert_eq!(fits(&map, &".".repeat(1 << 20)), ["*"]);
    }

    #[test]
    fn sorted_goes_from_specific_to_any() {
        let map = map(&["*", "*.com", "b.com", "*.a.com", "a.com"]);
        let patterns: Vec<String> = map.sorted().into_iter().map(|(it, _)| it).collect();
        assert_eq!(patterns, ["a.com", "b.com", "*.a.com", "*.com", "*"]);
    }
}
