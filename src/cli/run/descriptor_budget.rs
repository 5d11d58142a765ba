//! Distributes the process's file descriptors.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::num::NonZeroUsize;
use tracing::{info, warn};

/// Bounds of the reserve for descriptors other than connections: listening sockets, the admin API, open manifests, the
/// runtime.
const MIN_RESERVE: usize = 64;
const MAX_RESERVE: usize = 1024;
/// Maximum number of idle connections to endpoints.
const MAX_IDLE_UPSTREAM: usize = 1024;
/// Upper bound used if the file descriptor limit is infinite.
const MAX_DESCRIPTORS: usize = 1 << 20;

/// How the process's file descriptors are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DescriptorBudget {
    /// Number of file descriptors.
    descriptors: usize,
    /// Maximum number of idle connections to endpoints.
    pub(super) idle_upstream: usize,
    /// Maximum number of open client connections.
    pub(super) connections: NonZeroUsize,
}

impl DescriptorBudget {
    /// Raises the limit of file descriptors as far as permitted, and distributes them. `wanted` is the limit of connections
    /// that the user has set.
    pub(super) fn of_this_process(wanted: Option<NonZeroUsize>) -> Self {
        let affordable = DescriptorBudget::of(raised_limit());
        let budget = DescriptorBudget {
            connections: wanted.unwrap_or(affordable.connections),
            ..affordable
        };
        let DescriptorBudget {
            descriptors,
            idle_upstream,
            connections,
        } = budget;
        info!(
            file_descriptors = descriptors,
            max_connections = connections,
            idle_upstream,
            "connections"
        );
        if connections > affordable.connections {
            warn!(
                max_connections = connections,
                affordable = affordable.connections,
                "--max-connections is more than {descriptors} file descriptors can be sure to serve, since each \
                 connection may need another one to an endpoint: raise the limit (`ulimit -Hn`, systemd's LimitNOFILE)"
            );
        }
        budget
    }

    /// A client's connection needs three descriptors: its own, and two for the connection to the endpoint, which has a
    /// second one so that it can be reset if the endpoint is silent.
    fn of(descriptors: usize) -> Self {
        let reserve = (descriptors / 8)
            .clamp(MIN_RESERVE, MAX_RESERVE)
            .min(descriptors / 2);
        let rest = descriptors - reserve;
        let idle_upstream = (rest / 8).clamp(1, MAX_IDLE_UPSTREAM);
        let connections = rest.saturating_sub(2 * idle_upstream) / 3;
        DescriptorBudget {
            descriptors,
            idle_upstream,
            connections: NonZeroUsize::new(connections).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Raises the soft limit to the hard limit and returns it. The soft limit protects programs that use `select`; others should
/// raise it (systemd.exec(5), LimitNOFILE).
fn raised_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // A hardened service may not be allowed to call `setrlimit`, so don't call it without need.
    let limit = if current == maximum {
        Ok(maximum)
    } else {
        setrlimit(Resource::Nofile, raised).map(|()| maximum)
    };
    let limit = limit.unwrap_or_else(|error| {
        warn!(%error, "the limit of file descriptors can't be raised");
        current
    });
    // `None` means that there is no limit.
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(MAX_DESCRIPTORS).min(MAX_DESCRIPTORS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_never_exceeds_the_descriptors() {
        for descriptors in [16, 64, 256, 1024, 4096, 20_000, MAX_DESCRIPTORS] {
            let budget = DescriptorBudget::of(descriptors);
            let spent = 3 * budget.connections.get() + 2 * budget.idle_upstream;
            assert!(spent < descriptors, "{descriptors}: {budget:?}");
            assert!(
                descriptors < 256 || descriptors - spent >= MIN_RESERVE,
                "{budget:?}"
            );
        }
    }

    #[test]
    fn usual_limits_give_these_numbers_of_connections() {
        let connections = |descriptors| DescriptorBudget::of(descriptors).connections.get();
        assert_eq!(connections(256), 48);
        assert_eq!(connections(20_000), 5642);
        assert_eq!(connections(MAX_DESCRIPTORS), 348_501);
    }
}
