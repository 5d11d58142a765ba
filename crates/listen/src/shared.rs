//! State that all sockets and connections share.

use super::deadline::Deadlines;
use super::limit::Limit;
use super::meters::Meters;
use super::registry::Registries;
use crate::clock::Clock;
use std::num::NonZeroUsize;

/// Settings for accepting connections.
#[derive(Clone, Debug)]
pub struct Options {
    /// Maximum number of open connections, over all sockets.
    pub max_connections: NonZeroUsize,
    /// Time limits for clients.
    pub deadlines: Deadlines,
    /// Metrics of connections.
    pub meters: Meters,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_connections: NonZeroUsize::MAX,
            deadlines: Deadlines::default(),
            meters: Meters::default(),
        }
    }
}

/// State that all sockets and connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) deadlines: Deadlines,
    pub(super) clock: Clock,
    pub(super) limit: Limit,
    pub(super) meters: Meters,
    pub(super) registries: Registries,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let limit = Limit::new(options.max_connections);
        options.meters.set_limit(limit.connections());
        Shared {
            deadlines: options.deadlines,
            clock: Clock::for_shortest(options.deadlines.shortest()),
            limit,
            meters: options.meters,
            registries: Registries::default(),
        }
    }
}
