//! The conditions of a match in comparable form: whether one match matches every request that another matches.

use crate::route::rule::value_match::{ValueCondition, header_conditions};
use gatefold_dataplane::routing::matcher;
use gatefold_manifest::api::{
    HTTPMethod, HTTPPathMatch, HTTPRouteMatch, PathMatchType, ValueMatchType,
};
use regex::Regex;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// The conditions of a match. Equal conditions match the same requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchConditions<'m> {
    path: (PathMatchType, &'m str),
    method: Option<HTTPMethod>,
    headers: BTreeMap<String, ValueCondition<'m>>,
    query: BTreeMap<&'m str, ValueCondition<'m>>,
}

/// The precedence of a match within its route and hostname, except for its position in the route. The least takes
/// precedence: see `HTTPRouteRule.matches`, and `docs/decisions/regex-precedence.md`.
type MatchPrecedence = (
    u8,
    Reverse<usize>,
    Reverse<bool>,
    Reverse<usize>,
    Reverse<usize>,
);

impl<'m> MatchConditions<'m> {
    /// Reads the conditions of a match. Of several header or query matches with the same name only the first counts (API:
    /// `HTTPHeaderMatch.name`).
    pub fn of(one: &'m HTTPRouteMatch) -> Self {
        let mut query = BTreeMap::new();
        for param in &one.query_params {
            let value = (param.kind, param.value.as_str());
            query.entry(param.name.as_str()).or_insert(value);
        }
        MatchConditions {
            path: path(&one.path),
            method: one.method,
            headers: header_conditions(&one.headers),
            query,
        }
    }

    /// Whether this match receives every request that `other` matches, provided that it precedes `other` in the route.
    pub(super) fn shadows(&self, other: &Self, patterns: &mut RoutePatterns<'m>) -> bool {
        self.rank() <= other.rank() && self.covers(other, patterns)
    }

    fn rank(&self) -> MatchPrecedence {
        let (kind, value) = self.path;
        let (kind, length) = match kind {
            PathMatchType::Exact => (0, 0),
            PathMatchType::RegularExpression => (1, value.chars().count()),
            PathMatchType::PathPrefix => (2, value.len()),
        };
        (
            kind,
            Reverse(length),
            Reverse(self.method.is_some()),
            Reverse(self.headers.len()),
            Reverse(self.query.len()),
        )
    }

    /// Whether this match takes precedence over `other` wherever they are in the route.
    pub fn outranks(&self, other: &Self) -> bool {
        self.rank() < other.rank()
    }

    fn covers(&self, other: &Self, patterns: &mut RoutePatterns<'m>) -> bool {
        let same_path = self.path == other.path || matches_every_path(self.path);
        let same_method = self.method.is_none() || self.method == other.method;
        same_path
            && same_method
            && covers_values(&self.headers, &other.headers, patterns)
            && covers_values(&self.query, &other.query, patterns)
    }
}

/// Returns the path without the slash at the end of a prefix, which has no meaning.
fn path(path: &HTTPPathMatch) -> (PathMatchType, &str) {
    let value = path.value.as_str();
    let value = match path.kind {
        PathMatchType::PathPrefix => value.strip_suffix('/').unwrap_or(value),
        PathMatchType::Exact | PathMatchType::RegularExpression => value,
    };
    (path.kind, value)
}

/// Whether a pattern is one of the usual ones that match every path.
fn matches_every_path((kind, value): (PathMatchType, &str)) -> bool {
    let value = value.strip_prefix('^').unwrap_or(value);
    let value = value.strip_suffix('$').unwrap_or(value);
    kind == PathMatchType::RegularExpression && matches!(value, ".*" | "/.*" | ".+" | "/(.*)")
}

/// The regular expressions of a route, each compiled once although every match is compared with every other one.
#[derive(Default)]
pub(super) struct RoutePatterns<'m>(HashMap<&'m str, Option<Regex>>);

impl<'m> RoutePatterns<'m> {
    /// Whether an expression matches a value. An invalid expression matches none.
    fn is_match(&mut self, pattern: &'m str, value: &str) -> bool {
        let compiled = self.0.entry(pattern);
        let compiled = compiled.or_insert_with(|| matcher::pattern(pattern).ok());
        compiled.as_ref().is_some_and(|it| it.is_match(value))
    }
}

/// Whether every request that has the values of `narrow` also has those of `wide`. Returns false if that is uncertain.
fn covers_values<'m, K: Ord>(
    wide: &BTreeMap<K, ValueCondition<'m>>,
    narrow: &BTreeMap<K, ValueCondition<'m>>,
    patterns: &mut RoutePatterns<'m>,
) -> bool {
    wide.iter().all(|(name, wide)| {
        narrow.get(name).is_some_and(|narrow| {
            wide == narrow
                || match (wide, narrow) {
                    (
                        (ValueMatchType::RegularExpression, pattern),
                        (ValueMatchType::Exact, value),
                    ) => patterns.is_match(pattern, value),
                    _ => false,
                }
        })
    })
}
