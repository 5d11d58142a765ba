//! The precedence of matches.
//!
//! In: the matches of one hostname. Out: their order. It is the derived order of [`MatchRank`], whose fields are in the
//! order of the API's text.

use super::host_routes::Entry;
use super::matcher::PathMatch;
use std::cmp::Reverse;

/// The precedence of a match among those of a hostname. The least rank wins.
///
/// "Precedence must be given to the match having: 'Exact' path match; 'Prefix' path match with largest number of
/// characters; method match; largest number of header matches; largest number of query param matches. If ties
/// still exist across multiple Routes: the oldest Route based on creation timestamp; the Route appearing first
/// in alphabetical order by '{namespace}/{name}'. If ties still exist within an HTTPRoute: the FIRST matching
/// rule (in list order)" (`HTTPRouteRule.matches`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchRank<'e> {
    path: PathRank<'e>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    /// The position of the route by age. The oldest is 0.
    age: u32,
    rule: usize,
    index: u32,
}

/// The rank of a path. The API leaves the position of regular expressions to implementations; see
/// `docs/decisions/regex-precedence.md`. The texts never decide between two matching paths, since two different paths of
/// the same length never both match. They keep equal paths adjacent, which the router relies on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank<'e> {
    Exact(&'e str),
    Regex(Reverse<usize>),
    Prefix(Reverse<usize>, &'e str),
}

impl<'e> MatchRank<'e> {
    /// Ranks an entry. `age` is 0 for the oldest route and increases.
    pub(super) fn of(entry: &'e Entry, age: u32) -> Self {
        MatchRank {
            path: match &entry.path {
                PathMatch::Exact(path) => PathRank::Exact(path),
                PathMatch::Regex(pattern) => PathRank::Regex(Reverse(pattern.chars().count())),
                PathMatch::Prefix(path) => {
                    let path = path.strip_suffix('/').unwrap_or(path);
                    PathRank::Prefix(Reverse(path.len()), path)
                }
            },
            method: Reverse(entry.matcher.method.is_some()),
            headers: Reverse(entry.matcher.headers.len()),
            query: Reverse(entry.matcher.query.len()),
            age,
            rule: entry.rule.index,
            index: entry.index,
        }
    }
}
