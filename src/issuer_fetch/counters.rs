//! The metrics of fetches.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counts fetches.
#[derive(Clone, Debug, Default)]
pub struct IssuerFetchCounters {
    pub(super) keys: ResultCounters,
    pub(super) providers: ResultCounters,
}

/// Counts fetches of a kind by their result.
#[derive(Clone, Debug, Default)]
pub(super) struct ResultCounters {
    pub(super) succeeded: Counter,
    pub(super) failed: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl IssuerFetchCounters {
    /// Creates counters and adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        IssuerFetchCounters {
            keys: ResultCounters::register(
                registry,
                "gatefold_jwks_fetches",
                "Fetches of the keys that verify JSON Web Tokens, by result",
            ),
            providers: ResultCounters::register(
                registry,
                "gatefold_oidc_provider_fetches",
                "Fetches of the configurations and keys of OpenID providers, by result",
            ),
        }
    }
}

impl ResultCounters {
    fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let fetches = Family::<ResultLabel, Counter>::default();
        let counter = |result| fetches.get_or_create_owned(&ResultLabel { result });
        let counters = ResultCounters {
            succeeded: counter("success"),
            failed: counter("failure"),
        };
        registry.register(name, help, fetches);
        counters
    }
}
