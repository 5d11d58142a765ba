use super::deadline::Deadlines;
use super::limit::Limit;
use super::meters::Meters;
use super::registry::Registries;
use crate::clock::Clock;
use std::num::NonZeroUsize;

/// How connections are taken.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many may be open at once, over all sockets.
    pub max_connections: NonZeroUsize,
    /// How long clients are waited for.
    pub deadlines: Deadlines,
    /// What is counted.
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

/// What all sockets and their connections have in common.
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
