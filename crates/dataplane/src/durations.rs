//! Histograms of durations, by route and by backend.
//!
//! In: the names of what is compiled. Out: a histogram for each, which rules and backends hold, so that a request neither looks
//! one up nor locks. The number of histograms is bounded: further names share one. A histogram ends with the last rule or
//! backend that holds it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// The upper bounds of the buckets. The last bucket has none.
pub const BOUNDS: [Duration; 7] = [
    Duration::from_millis(1),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
];

/// The maximum number of histograms of routes, and of backends.
const MOST: usize = 500;

/// Counts durations by size. Observing takes two atomic additions.
#[derive(Debug, Default)]
pub struct DurationHistogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

/// The content of a histogram at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The number of durations in each bucket: up to its bound, and above the bound before it.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all durations.
    pub sum: Duration,
}

impl DurationHistogram {
    /// Counts a duration.
    pub fn observe(&self, duration: Duration) {
        let bucket = BOUNDS.partition_point(|bound| *bound < duration);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Returns its content.
    pub fn observed(&self) -> Observed {
        Observed {
            buckets: self.buckets.each_ref().map(|it| it.load(Ordering::Relaxed)),
            sum: Duration::from_micros(self.microseconds.load(Ordering::Relaxed)),
        }
    }
}

/// The histograms of all routes and backends.
#[derive(Clone, Debug, Default)]
pub struct Durations {
    /// From the beginning of a request to its end, by kind and name of the route.
    pub routes: HistogramSet<(&'static str, Arc<str>)>,
    /// From the choice of an endpoint to the header of its response, by the name of the backend.
    pub backends: HistogramSet<Arc<str>>,
}

/// Histograms by name.
#[derive(Debug)]
pub struct HistogramSet<K> {
    shared: Arc<Shared<K>>,
}

#[derive(Debug)]
struct Shared<K> {
    named: Mutex<BTreeMap<K, Weak<DurationHistogram>>>,
    /// That of the names that exceed the maximum.
    other: Arc<DurationHistogram>,
    /// Whether a name has exceeded it.
    full: AtomicBool,
}

impl<K> Clone for HistogramSet<K> {
    fn clone(&self) -> Self {
        HistogramSet {
            shared: self.shared.clone(),
        }
    }
}

impl<K> Default for HistogramSet<K> {
    fn default() -> Self {
        HistogramSet {
            shared: Arc::new(Shared {
                named: Mutex::default(),
                other: Arc::default(),
                full: AtomicBool::new(false),
            }),
        }
    }
}

impl<K: Clone + Ord> HistogramSet<K> {
    /// Returns the histogram of a name, or the common one if there are too many names.
    pub fn histogram(&self, name: &K) -> Arc<DurationHistogram> {
        let mut named = self.lock();
        if let Some(known) = named.get(name).and_then(Weak::upgrade) {
            return known;
        }
        if named.len() >= MOST {
            self.shared.full.store(true, Ordering::Relaxed);
            return self.shared.other.clone();
        }
        let histogram = Arc::default();
        named.insert(name.clone(), Arc::downgrade(&histogram));
        histogram
    }

    /// Makes room for other names: forgets those whose histograms nothing holds any more.
    pub fn forget_unused(&self) {
        self.lock().retain(|_, it| it.strong_count() > 0);
    }

    /// Whether names have shared a histogram so far, because there were too many. Stays true, so that its counters don't vanish.
    pub fn is_full(&self) -> bool {
        self.shared.full.load(Ordering::Relaxed)
    }

    /// Returns the content of the histograms that are in use, and of the common one if names have shared it.
    pub fn observed(&self) -> (Vec<(K, Observed)>, Option<Observed>) {
        let named = self.lock();
        let live = named
            .iter()
            .filter_map(|(name, it)| Some((name, it.upgrade()?)));
        let named = live
            .map(|(name, it)| (name.clone(), it.observed()))
            .collect();
        let other = self.is_full().then(|| self.shared.other.observed());
        (named, other)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<K, Weak<DurationHistogram>>> {
        let named = self.shared.named.lock();
        named.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_is_not_too_small() {
        let histogram = DurationHistogram::default();
        for milliseconds in [0, 1, 2, 5, 21, 11_000] {
            histogram.observe(Duration::from_millis(milliseconds));
        }
        let observed = histogram.observed();
        assert_eq!(observed.buckets, [2, 2, 0, 1, 0, 0, 0, 1]);
        assert_eq!(observed.sum, Duration::from_millis(11_029));
    }

    #[test]
    fn a_name_keeps_its_histogram_while_something_holds_it() {
        let set = HistogramSet::<Arc<str>>::default();
        let name: Arc<str> = "a".into();
        let held = set.histogram(&name);
        held.observe(Duration::ZERO);
        assert!(Arc::ptr_eq(&held, &set.histogram(&name)));
        assert_eq!(set.observed().0.len(), 1);
        drop(held);
        assert_eq!(set.observed(), (vec![], None));
        let again = set.histogram(&name);
        assert_eq!(again.observed(), Observed::default());
    }

    #[test]
    fn too_many_names_share_a_histogram_until_others_are_gone() {
        let set = HistogramSet::<usize>::default();
        let mut held: Vec<_> = (0..MOST).map(|name| set.histogram(&name)).collect();
        assert!(!set.is_full());
        let (one, two) = (set.histogram(&MOST), set.histogram(&(MOST + 1)));
        assert!(set.is_full() && Arc::ptr_eq(&one, &two));
        one.observe(Duration::ZERO);
        let (named, other) = set.observed();
        assert_eq!(named.len(), MOST);
        assert_eq!(other.map(|it| it.buckets[0]), Some(1));
        held.truncate(10);
        set.forget_unused();
        assert!(!Arc::ptr_eq(&one, &set.histogram(&MOST)));
    }
}
