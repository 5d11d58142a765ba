//! The metrics of fetches.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counts fetches by their result.
#[derive(Clone, Debug, Default)]
pub struct KeyFetchCounters {
    pub(super) succeeded: Counter,
    pub(super) failed: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl KeyFetchCounters {
    /// Creates counters and adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let fetches = Family::<ResultLabel, Counter>::default();
        let counter = |result| fetches.get_or_create_owned(&ResultLabel { result });
        let counters = KeyFetchCounters {
            succeeded: counter("success"),
            failed: counter("failure"),
        };
        registry.register(
            "gatefold_jwks_fetches",
            "Fetches of the keys that verify JSON Web Tokens, by result",
            fetches,
        );
        counters
    }
}
