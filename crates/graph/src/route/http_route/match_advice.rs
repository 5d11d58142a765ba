//! Matches that receive no requests: no request can match them, or another match of the route takes precedence.

use super::match_conditions::{MatchConditions, RoutePatterns};
use crate::Build;
use crate::route::match_id::MatchId;
use crate::route::object::RouteObject;
use crate::route::rule;
use crate::route::shadowed::unreachable;
use gatefold_diagnostic::{Code, Diagnostic};
use gatefold_manifest::api::{HTTPRouteMatch, HTTPRouteRule, PathMatchType};
use regex_syntax::hir::literal::Extractor;
use std::cmp::Ordering;

/// A match with its conditions.
struct LocatedMatch<'r> {
    id: MatchId,
    conditions: MatchConditions<'r>,
}

/// Reports matches of a route that receive no requests.
pub(super) fn report(route: RouteObject<'_>, rules: &[HTTPRouteRule], build: &mut Build<'_>) {
    let everything = HTTPRouteMatch::default();
    let mut all: Vec<LocatedMatch<'_>> = Vec::new();
    for (id, one) in rule::matches(rules, &everything) {
        build.diagnostics.extend(never_matches(route, id, one));
        all.push(LocatedMatch {
            id,
            conditions: MatchConditions::of(one),
        });
    }
    let mut patterns = RoutePatterns::default();
    for (position, one) in all.iter().enumerate() {
        let mut others = all.iter().enumerate();
        let shadow = others.find(|(other_position, other)| {
            let (one, other) = (&one.conditions, &other.conditions);
            let takes_precedence = match other_position.cmp(&position) {
                Ordering::Less => true,
                Ordering::Equal => false,
                Ordering::Greater => other.outranks(one),
            };
            takes_precedence && other.shadows(one, &mut patterns)
        });
        if let Some((_, shadow)) = shadow {
            build.diagnostics.push(shadowed(route, one, shadow));
        }
    }
}

fn shadowed(
    route: RouteObject<'_>,
    one: &LocatedMatch<'_>,
    other: &LocatedMatch<'_>,
) -> Diagnostic {
    let place = |it: &LocatedMatch<'_>| route.object.place(it.id.pointer());
    let (why, help) = if one.conditions == other.conditions {
        ("the same match precedes it", "remove one of the two")
    } else {
        (
            "another match of the route takes precedence",
            "change the order of the rules, or remove the match",
        )
    };
    let message = format!("the match receives no requests: {why}");
    let label = "this match receives them";
    unreachable((place(one), message), place(other), label)
        .about(route.object.id())
        .help(help)
}

/// Reports a pattern that matches no path: a path begins with `/`, and a pattern must match all of it.
fn never_matches(route: RouteObject<'_>, id: MatchId, one: &HTTPRouteMatch) -> Option<Diagnostic> {
    let pattern = &one.path.value;
    if one.path.kind != PathMatchType::RegularExpression || may_begin_with_slash(pattern) {
        return None;
    }
    let pointer = id.pointer().key("path").key("value");
    let message = format!("`{pattern}` matches no path: every path begins with `/`");
    let found = route.finding(Code::PatternNeverMatches, pointer, message);
    Some(found.help("the pattern must match the whole path, from the first `/`"))
}

/// Whether a pattern may match a text that begins with `/`. Returns true if that is uncertain.
fn may_begin_with_slash(pattern: &str) -> bool {
    let Ok(parsed) = regex_syntax::parse(pattern) else {
        return true;
    };
    let prefixes = Extractor::new().extract(&parsed);
    prefixes.literals().is_none_or(|literals| {
        literals.iter().any(|literal| {
            let first = literal.as_bytes().first();
            first.is_none_or(|first| *first == b'/')
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_a_pattern_that_cannot_begin_with_a_slash() {
        for pattern in [
            "api/.*",
            "^api/v[0-9]+$",
            "(api|v1)/.*",
            "[a-c]+/x",
            "(?i)api/.*",
        ] {
            assert!(!may_begin_with_slash(pattern), "{pattern}");
        }
    }

    #[test]
    fn does_not_report_a_pattern_that_may_begin_with_a_slash() {
        for pattern in [
            "/api/.*",
            "^/api$",
            ".*/api",
            "(/|api)/.*",
            "a?/b",
            "a*/b",
            "[^a]+",
            ".+",
            "",
            "(api)?/x",
            "\\/api",
            "[/a]b",
            "\\W.*",
            "(?:)/a",
            "(broken",
        ] {
            assert!(may_begin_with_slash(pattern), "{pattern}");
        }
    }
}
