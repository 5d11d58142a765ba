use hashbrown::HashMap;

/// Values by hostname. A lookup finds the exact name first, then wildcards by the longest suffix, then
/// the one for any name (Gateway API, `Listener.hostname`). Names are lower case, without a final dot.
#[derive(Debug, Clone)]
pub struct HostMap<T> {
    exact: HashMap<Box<str>, T>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, T>,
    any: Option<T>,
}

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        HostMap {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            any: None,
        }
    }
}

impl<T> HostMap<T> {
    /// Sets the value of a pattern: a name, `*.` and a name, or nothing for any name. Gives back what was
    /// there before.
    pub fn insert(&mut self, pattern: Option<&str>, value: T) -> Option<T> {
        match pattern {
            None => self.any.replace(value),
            Some(pattern) => match pattern.strip_prefix("*.") {
                Some(suffix) => self.wildcard.insert(suffix.into(), value),
                None => self.exact.insert(pattern.into(), value),
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
        let exact = self.exact.get(host);
        let suffixes = (!self.wildcard.is_empty())
            .then(|| host.match_indices('.'))
            .into_iter()
            .flatten()
            .filter_map(move |(dot, _)| self.wildcard.get(host.get(dot + 1..)?));
        exact.into_iter().chain(suffixes).chain(self.any.as_ref())
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
