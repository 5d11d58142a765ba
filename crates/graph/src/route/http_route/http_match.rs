//! The matches of an HTTPRoute's rule, and what an invalid match still matches.
//!
//! A rule with an invalid match answers 500. A match whose regular expression for a header or a query parameter is invalid
//! still tells which requests it may be meant for: those that have the header or parameter and fit all its other
//! conditions. A match whose regular expression for the path is invalid doesn't tell. It is left out, unless the rule may
//! reject requests: then it matches every path (`docs/decisions/broken-matches.md`).

use super::path_match;
use crate::route::object::RuleAt;
use crate::route::rule::{InvalidPath, LEFT_OUT, RuleContext, RuleMatches, value_match};
use gatefold_diagnostic::{Diagnostic, Pointer};
use gatefold_manifest::api::{HTTPRouteMatch, PathMatchType};

/// Replaces an invalid regular expression for the path.
const ANY_PATH: &str = ".*";

const MATCHES_EVERY_PATH: &str = "until it is fixed, every path matches and is answered 500, because this rule may reject requests";

/// Builds the matches of a rule. A rule without matches matches everything.
pub(super) fn build(
    listed: &[HTTPRouteMatch],
    invalid_path: InvalidPath,
    context: &mut RuleContext<'_, '_, '_>,
) -> RuleMatches<HTTPRouteMatch> {
    let at = context.at;
    let mut matches = RuleMatches::of(listed);
    for (index, one) in listed.iter().enumerate() {
        let here = || at.pointer().key("matches").index(index);
        let (mut kept, invalid_values) = distinct_and_valid(at, one, &here);
        let (finding, is_kept) = match (invalid_path_of(at, one, &here), invalid_path) {
            (Some(finding), InvalidPath::LeaveOut) => (Some(finding.caption(LEFT_OUT)), false),
            (Some(finding), InvalidPath::MatchAll) => {
                kept.path.value = any_path(&one.path.value);
                matches.any_path.push(index);
                (Some(finding.caption(MATCHES_EVERY_PATH)), true)
            }
            (None, InvalidPath::LeaveOut | InvalidPath::MatchAll) => {
                let impossible = path_match::normalize(&mut kept.path, at, index, context.build);
                let is_kept = impossible.is_none();
                (impossible.map(|it| it.caption(LEFT_OUT)), is_kept)
            }
        };
        let caption = if is_kept {
            matches.kept.push(kept);
            "any value matches until it is fixed, and the rule answers 500"
        } else {
            matches.left_out.push(index);
            "the match is left out"
        };
        let invalid_values = invalid_values.into_iter().map(|it| it.caption(caption));
        for finding in finding.into_iter().chain(invalid_values) {
            context.refuse_for(finding);
        }
        value_match::warn_of_impossible_headers(at, &one.headers, &here, context.build);
    }
    matches
}

/// Returns an expression that matches every path and has the precedence of `pattern`: longer expressions take precedence.
fn any_path(pattern: &str) -> String {
    let rest = pattern.chars().count().saturating_sub(ANY_PATH.len());
    // Further `$` change only the length.
    format!("{ANY_PATH}{}", "$".repeat(rest))
}

fn invalid_path_of(
    at: RuleAt<'_>,
    one: &HTTPRouteMatch,
    here: &dyn Fn() -> Pointer,
) -> Option<Diagnostic> {
    match one.path.kind {
        PathMatchType::RegularExpression => {
            let pointer = || here().key("path").key("value");
            value_match::invalid_pattern(at, &one.path.value, &pointer)
        }
        PathMatchType::Exact | PathMatchType::PathPrefix => None,
    }
}

/// Returns the match without repeated headers and with each invalid expression replaced by one that matches any value, and
/// the problems with the invalid ones.
fn distinct_and_valid(
    at: RuleAt<'_>,
    one: &HTTPRouteMatch,
    here: &dyn Fn() -> Pointer,
) -> (HTTPRouteMatch, Vec<Diagnostic>) {
    let mut one = one.clone();
    let mut invalid = value_match::repair_headers(at, &mut one.headers, here);
    for (index, param) in one.query_params.iter_mut().enumerate() {
        let pointer = || here().key("queryParams").index(index).key("value");
        invalid.extend(value_match::repair(
            at,
            param.kind,
            &mut param.value,
            &pointer,
        ));
    }
    (one, invalid)
}
