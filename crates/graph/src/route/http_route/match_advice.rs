//! Matches that receive no requests: no request can match them, or another match of the route takes precedence.

use crate::Build;
use crate::route::http_route::match_conditions::{MatchConditions, Patterns};
use crate::route::http_rule::RuleAt;
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer};
use gatefold_manifest::api::{HTTPRoute, HTTPRouteMatch, HTTPRouteRule, PathMatchType};
use regex_syntax::hir::literal::Extractor;

/// A match and its position in the route. A rule without matches has one that matches everything.
struct Located<'r> {
    rule: usize,
    index: Option<usize>,
    conditions: MatchConditions<'r>,
}

/// Returns the path of a match's field.
pub(crate) fn pointer(rule: usize, index: Option<usize>) -> Pointer {
    let rule = Pointer::spec().key("rules").index(rule);
    match index {
        Some(index) => rule.key("matches").index(index),
        None => rule,
    }
}

/// Returns the matches of a rule with their indexes. A rule without matches has one, with the index `None`.
pub(crate) fn matches<'r>(
    rule: &'r HTTPRouteRule,
    everything: &'r HTTPRouteMatch,
) -> impl Iterator<Item = (Option<usize>, &'r HTTPRouteMatch)> {
    let default = rule.matches.is_empty().then_some((None, everything));
    let listed = rule.matches.iter().enumerate();
    default
        .into_iter()
        .chain(listed.map(|(index, one)| (Some(index), one)))
}

/// Reports matches of a route that receive no requests.
pub(crate) fn report(route: &HTTPRoute, build: &mut Build<'_>) {
    let everything = HTTPRouteMatch::default();
    let mut all: Vec<Located<'_>> = Vec::new();
    for (rule_index, rule) in route.spec.rules.iter().enumerate() {
        for (index, one) in matches(rule, &everything) {
            let at = RuleAt {
                route,
                index: rule_index,
            };
            build.diagnostics.extend(never_matches(at, one, index));
            all.push(Located {
                rule: rule_index,
                index,
                conditions: MatchConditions::of(one),
            });
        }
    }
    let mut patterns = Patterns::default();
    for (position, one) in all.iter().enumerate() {
        let mut others = all.iter().enumerate();
        let shadow = others.find(|(other_position, other)| match other_position {
            same if *same == position => false,
            before if *before < position => {
                other.conditions.shadows(&one.conditions, &mut patterns)
            }
            _ => {
                other.conditions.outranks(&one.conditions)
                    && other.conditions.shadows(&one.conditions, &mut patterns)
            }
        });
        if let Some((_, shadow)) = shadow {
            build.diagnostics.push(shadowed(route, one, shadow));
        }
    }
}

fn shadowed(route: &HTTPRoute, one: &Located<'_>, other: &Located<'_>) -> Diagnostic {
    let place = |it: &Located<'_>| route.place(pointer(it.rule, it.index));
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
        .about(route.id())
        .help(help)
}

/// Returns the diagnostic that a match receives no requests because the match at `other` receives all of them.
pub(crate) fn unreachable(
    (place, message): (Place, String),
    other: Place,
    label: &str,
) -> Diagnostic {
    Diagnostic::new(Code::UnreachableMatch, place, message).label(other, label)
}

/// Reports a pattern that matches no path: a path begins with `/`, and a pattern must match all of it.
fn never_matches(at: RuleAt<'_>, one: &HTTPRouteMatch, index: Option<usize>) -> Option<Diagnostic> {
    let pattern = &one.path.value;
    if one.path.kind != PathMatchType::RegularExpression || may_begin_with_slash(pattern) {
        return None;
    }
    let pointer = pointer(at.index, index).key("path").key("value");
    let message = format!("`{pattern}` matches no path: every path begins with `/`");
    let found = at.finding(Code::PatternNeverMatches, pointer, message);
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
