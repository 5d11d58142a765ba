//! The DNS resolver of the system's configuration.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverOpts;
use std::time::Duration;
use tracing::warn;

/// Maximum time for which a DNS answer is used, regardless of its TTL. Lookups that are repeated have no longer pauses.
pub const MAX_TTL: Duration = Duration::from_secs(300);
/// Maximum time for which it is remembered that a name has no address.
pub const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(10);

/// Returns a resolver. `None` if the configuration can't be read, which is logged.
pub fn of_system() -> Option<TokioResolver> {
    let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
        limit(builder.options_mut());
        builder.build()
    });
    if let Err(error) = &resolver {
        warn!(%error, "can't read the system's DNS configuration: no names are resolved");
    }
    resolver.ok()
}

/// Limits the resolver's cache. It keeps answers for their TTLs, and negative answers for up to a day; within that time,
/// a new lookup would return the same answer.
fn limit(options: &mut ResolverOpts) {
    options.positive_max_ttl = Some(MAX_TTL);
    options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolver_caches_no_answer_beyond_its_next_lookup() {
        let mut options = ResolverOpts::default();
        limit(&mut options);
        assert_eq!(options.negative_max_ttl, Some(MAX_NEGATIVE_TTL));
        assert_eq!(options.positive_max_ttl, Some(MAX_TTL));
    }
}
