//! The matches of HTTPRoute rules, and their precedence.

use super::matcher::{Matcher, PathMatch};
use super::path::PathTable;
use super::request::RequestView;
use super::route_match::{MatchIndex, RequestConditions, RouteMatch};
use std::cmp::Reverse;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A match of an HTTPRoute rule.
#[derive(Clone, Debug)]
pub struct HttpMatch {
    /// The condition on the path, which is looked up.
    pub path: PathMatch,
    /// All other conditions.
    pub matcher: Arc<Matcher>,
}

/// The precedence of a match among those of a hostname.
///
/// "Precedence must be given to the match having: 'Exact' path match; 'Prefix' path match with largest number of
/// characters; method match; largest number of header matches; largest number of query param matches"
/// (`HTTPRouteRule.matches`).
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpRank<'m> {
    path: PathRank<'m>,
    method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
}

/// The rank of a path. The API leaves the position of regular expressions to implementations; see
/// `docs/decisions/regex-precedence.md`. The texts never decide between two matching paths, since two different paths of
/// the same length never both match. They keep equal paths adjacent, which the index relies on.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank<'m> {
    Exact(&'m str),
    Regex(Reverse<usize>),
    Prefix(Reverse<usize>, &'m str),
}

impl RouteMatch for HttpMatch {
    type Index = PathTable;
    type Conditions = Matcher;
    type Rank<'m> = HttpRank<'m>;

    fn rank(&self) -> HttpRank<'_> {
        HttpRank {
            path: match &self.path {
                PathMatch::Exact(path) => PathRank::Exact(path),
                PathMatch::Regex(pattern) => PathRank::Regex(Reverse(pattern.chars().count())),
                PathMatch::Prefix(path) => {
                    let path = path.strip_suffix('/').unwrap_or(path);
                    PathRank::Prefix(Reverse(path.len()), path)
                }
            },
            method: Reverse(self.matcher.method.is_some()),
            headers: Reverse(self.matcher.headers.len()),
            query: Reverse(self.matcher.query.len()),
        }
    }

    fn conditions(&self) -> Option<&Arc<Matcher>> {
        Some(&self.matcher).filter(|matcher| !matcher.is_empty())
    }
}

impl fmt::Display for HttpMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, self.matcher)
    }
}

impl RequestConditions for Matcher {
    fn matches(&self, request: &RequestView<'_>) -> bool {
        Matcher::matches(self, request)
    }
}

impl MatchIndex<HttpMatch> for PathTable {
    fn build<'m>(matches: impl Iterator<Item = &'m HttpMatch>) -> Self {
        PathTable::build((0..).zip(matches.map(|one| &one.path)))
    }

    fn find<T>(
        &self,
        request: &RequestView<'_>,
        take: impl FnMut(Range<usize>) -> Option<T>,
    ) -> Option<T> {
        PathTable::find(self, request.path, take)
    }
}
