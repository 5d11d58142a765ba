//! Which match goes before which.

use super::matcher::PathMatch;
use super::router::Entry;
use std::cmp::Reverse;

/// The precedence of a match; the least one takes the request.
///
/// "Precedence must be given to rules from the HTTPRoute with the largest number of: characters in a matching
/// non-wildcard hostname; characters in a matching hostname" (`HTTPRouteSpec.hostnames`). Then "precedence
/// must be given to the match having: 'Exact' path match; 'Prefix' path match with largest number of
/// characters; method match; largest number of header matches; largest number of query param matches. If ties
/// still exist across multiple Routes: the oldest Route based on creation timestamp; the Route appearing first
/// in alphabetical order by '{namespace}/{name}'. If ties still exist within an HTTPRoute: the FIRST matching
/// rule (in list order)" (`HTTPRouteRule.matches`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MatchRank<'e> {
    hostname: HostnameRank<'e>,
    path: PathRank<'e>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    /// See [`Entry::order`].
    order: (u32, u32, u32),
}

/// The texts in a rank decide nothing for any request: two names, or two paths, of the same length never both
/// match. They keep alike entries together, which the router relies on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HostnameRank<'e> {
    Exact(&'e str),
    Wildcard(Reverse<usize>, &'e str),
    Any,
}

/// Where regular expressions stand is left to implementations: see `docs/decisions/regex-precedence.md`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank<'e> {
    Exact(&'e str),
    Regex(Reverse<usize>),
    Prefix(Reverse<usize>, &'e str),
}

impl<'e> MatchRank<'e> {
    pub(super) fn of(entry: &'e Entry) -> Self {
        MatchRank {
            hostname: match entry.hostname.as_deref() {
                None => HostnameRank::Any,
                Some(name) if name.starts_with("*.") => {
                    HostnameRank::Wildcard(Reverse(name.len()), name)
                }
                Some(name) => HostnameRank::Exact(name),
            },
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
            order: entry.order,
        }
    }
}
