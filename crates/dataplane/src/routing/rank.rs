//! The precedence among the matches of a hostname.

use super::host_routes::RouteEntry;
use super::route_match::RouteMatch;

/// The precedence of a match. The least rank wins.
///
/// "If ties still exist across multiple Routes, matching precedence MUST be determined in order of the following criteria,
/// continuing on ties: the oldest Route based on creation timestamp; the Route appearing first in alphabetical order by
/// '{namespace}/{name}'. If ties still exist within an HTTPRoute, matching precedence MUST be granted to the FIRST matching
/// rule (in list order)" (`HTTPRouteRule.matches`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchRank<R> {
    matched: R,
    /// The position of the route by age. The oldest is 0.
    age: u32,
    rule: usize,
    index: u32,
}

impl<R> MatchRank<R> {
    /// Ranks an entry. `age` is 0 for the oldest route and increases.
    pub(super) fn of<'e, M: RouteMatch<Rank<'e> = R>>(entry: &'e RouteEntry<M>, age: u32) -> Self {
        MatchRank {
            matched: entry.matched.rank(),
            age,
            rule: entry.rule.id.index,
            index: entry.index,
        }
    }
}
