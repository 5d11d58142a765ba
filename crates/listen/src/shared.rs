//! State that all sockets and connections share.

use crate::clock::Clock;
use crate::connection::deadlines::Deadlines;
use crate::connection::limit::ConnectionLimit;
use crate::connection::registry::Registries;
use crate::meters::Meters;
use std::num::NonZeroUsize;

/// Settings for accepting connections.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Maximum number of open connections, over all sockets.
    pub max_connections: NonZeroUsize,
    /// Time limits for clients.
    pub deadlines: Deadlines,
    /// Metrics of connections.
    pub meters: Meters,
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions {
            max_connections: NonZeroUsize::MAX,
            deadlines: Deadlines::default(),
            meters: Meters::default(),
        }
    }
}

/// State that all sockets and connections share.
#[derive(Debug)]
pub(crate) struct SharedState {
    pub(crate) deadlines: Deadlines,
    pub(crate) clock: Clock,
    pub(crate) limit: ConnectionLimit,
    pub(crate) meters: Meters,
    pub(crate) registries: Registries,
}

impl SharedState {
    pub(crate) fn new(options: ListenOptions) -> Self {
        let limit = ConnectionLimit::new(options.max_connections);
        options.meters.set_limit(limit.connections());
        SharedState {
            deadlines: options.deadlines,
            clock: Clock::for_shortest(options.deadlines.shortest()),
            limit,
            meters: options.meters,
            registries: Registries::default(),
        }
    }
}
