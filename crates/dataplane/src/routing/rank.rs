//! The precedence among the matches of a hostname.

/// The precedence of a match. The least rank wins.
///
/// "If ties still exist across multiple Routes, matching precedence MUST be determined in order of the following criteria,
/// continuing on ties: the oldest Route based on creation timestamp; the Route appearing first in alphabetical order by
/// '{namespace}/{name}'. If ties still exist within an HTTPRoute, matching precedence MUST be granted to the FIRST matching
/// rule (in list order)" (`HTTPRouteRule.matches`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchRank<'e, R> {
    pub(super) matched: R,
    pub(super) age: RouteAge,
    /// `{namespace}/{name}`.
    pub(super) route: &'e str,
    pub(super) rule: usize,
    pub(super) index: u32,
}

/// When a route was created. The least is the oldest. A route without a creation time, the default, is older than any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteAge {
    seconds: i64,
    nanoseconds: u32,
}

impl Default for RouteAge {
    fn default() -> Self {
        RouteAge {
            seconds: i64::MIN,
            nanoseconds: 0,
        }
    }
}

impl RouteAge {
    /// A route that was created at this time: whole seconds since the Unix epoch, and the nanoseconds after that.
    pub fn created(seconds: i64, nanoseconds: u32) -> Self {
        RouteAge {
            seconds,
            nanoseconds,
        }
    }
}
