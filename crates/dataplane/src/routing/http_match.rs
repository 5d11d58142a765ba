//! The matches of HTTPRoute rules, and their precedence.

use super::candidates::Candidate;
use super::host_routes::HostRoutes;
use super::matcher::{Matcher, PathMatch};
use super::path_patterns::PatternText;
use super::request::RequestView;
use super::route_match::{LookupKey, RequestConditions, RouteMatch};
use std::cmp::Reverse;
use std::fmt;
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
/// the same length never both match.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathRank<'m> {
    Exact(&'m str),
    Regex(Reverse<usize>),
    Prefix(Reverse<usize>, &'m str),
}

impl RouteMatch for HttpMatch {
    type Conditions = Matcher;
    type Rank<'m> = HttpRank<'m>;
    const PATTERN_TEXT: PatternText = PatternText::Path;

    fn rank(&self) -> HttpRank<'_> {
        HttpRank {
            path: match &self.path {
                PathMatch::Exact(path) => PathRank::Exact(path),
                PathMatch::Regex(pattern) => PathRank::Regex(Reverse(pattern.chars().count())),
                PathMatch::Prefix(path) => {
                    let path = without_final_slash(path);
                    PathRank::Prefix(Reverse(path.len()), path)
                }
            },
            method: Reverse(self.matcher.method.is_some()),
            headers: Reverse(self.matcher.headers.len()),
            query: Reverse(self.matcher.query.len()),
        }
    }

    fn lookup_key(&self) -> LookupKey {
        match &self.path {
            PathMatch::Exact(path) => LookupKey::Exact(path.clone()),
            PathMatch::Regex(_) => LookupKey::Pattern,
            PathMatch::Prefix(path) => match without_final_slash(path) {
                "" => LookupKey::Any,
                shorter if shorter.len() < path.len() => LookupKey::Prefix(shorter.into()),
                _ => LookupKey::Prefix(path.clone()),
            },
        }
    }

    fn pattern(&self) -> Arc<str> {
        match &self.path {
            PathMatch::Exact(text) | PathMatch::Regex(text) | PathMatch::Prefix(text) => {
                text.clone()
            }
        }
    }

    fn conditions(&self) -> Option<&Arc<Matcher>> {
        Some(&self.matcher).filter(|matcher| !matcher.is_empty())
    }

    /// Searches in the order of `PathRank`.
    fn find<'r, T>(
        routes: &'r HostRoutes<Self>,
        request: &RequestView<'_>,
        mut take: impl FnMut(&'r Candidate<Self>) -> Option<T>,
    ) -> Option<T> {
        let path = request.path;
        let exact = routes.exact(path).iter().find_map(&mut take);
        exact
            .or_else(|| routes.find_pattern(path, &mut take))
            .or_else(|| routes.find_prefix(path, &mut take))
            .or_else(|| routes.any().iter().find_map(&mut take))
    }
}

/// "When specified, a trailing `/` is ignored" (`PathMatchPathPrefix` of the API).
fn without_final_slash(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
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
