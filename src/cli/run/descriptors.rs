use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::num::NonZeroUsize;
use tracing::{info, warn};

/// For what isn't a connection: listening sockets, the admin API, manifests that are read, the runtime.
const RESERVE: usize = 64;
const LARGEST_RESERVE: usize = 1024;
/// Idle connections to endpoints, in all.
const IDLE_UPSTREAM: usize = 1024;
/// More than one host's kernel can do something with, where there is no limit.
const MOST: usize = 1 << 20;

/// How the process's file descriptors are spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// How many there are.
    descriptors: usize,
    /// How many idle connections to endpoints are kept.
    pub(super) idle_upstream: usize,
    /// How many connections clients may have open.
    pub(super) connections: NonZeroUsize,
}

impl Budget {
    /// Raises the limit of file descriptors as far as the system lets us, and spends what there is.
    /// `wanted` is what the user wants for connections.
    pub(super) fn of_this_process(wanted: Option<NonZeroUsize>) -> Self {
        let affordable = Budget::of(raised_limit());
        let budget = Budget {
            connections: wanted.unwrap_or(affordable.connections),
            ..affordable
        };
        let Budget {
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
                "--max-connections is more than {descriptors} file descriptors can be sure to serve, as each \
                 connection may need another one to an endpoint: raise the limit (`ulimit -Hn`, systemd's LimitNOFILE)"
            );
        }
        budget
    }

    /// A client's connection takes three: the one to the endpoint that answers has two, so that it can be reset when
    /// nothing comes (`proxy::watch`).
    fn of(descriptors: usize) -> Self {
        let reserve = (descriptors / 8)
            .clamp(RESERVE, LARGEST_RESERVE)
            .min(descriptors / 2);
        let rest = descriptors - reserve;
        let idle_upstream = (rest / 8).clamp(1, IDLE_UPSTREAM);
        let connections = rest.saturating_sub(2 * idle_upstream) / 3;
        Budget {
            descriptors,
            idle_upstream,
            connections: NonZeroUsize::new(connections).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// The soft limit is there for programs that use `select`; every other one may raise it (systemd's
/// documentation of LimitNOFILE asks for just that).
fn raised_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Not asked for without need: a hardened service may not be allowed to.
    let limit = match current == maximum {
        true => Ok(maximum),
        false => setrlimit(Resource::Nofile, raised).map(|()| maximum),
    };
    let limit = limit.unwrap_or_else(|error| {
        warn!(%error, "the limit of file descriptors can't be raised");
        current
    });
    // None is no limit.
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_budget_allows_fits_into_the_descriptors() {
        for descriptors in [16, 64, 256, 1024, 4096, 20_000, MOST] {
            let budget = Budget::of(descriptors);
            let spent = 3 * budget.connections.get() + 2 * budget.idle_upstream;
            assert!(spent < descriptors, "{descriptors}: {budget:?}");
            assert!(
                descriptors < 256 || descriptors - spent >= RESERVE,
                "{budget:?}"
            );
        }
    }

    #[test]
    fn the_usual_limits_give_these_figures() {
        let connections = |descriptors| Budget::of(descriptors).connections.get();
        assert_eq!(connections(256), 48);
        assert_eq!(connections(20_000), 5642);
        assert_eq!(connections(MOST), 348_501);
    }
}
