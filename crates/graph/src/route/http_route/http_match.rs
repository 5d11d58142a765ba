//! The matches of an HTTPRoute's rule, and what an invalid match still matches.
//!
//! A rule with an invalid match answers 500. A match whose regular expression for a header or a query parameter is invalid
//! still tells which requests it may be meant for: those that have the header or parameter and fit all its other
//! conditions. A match whose regular expression for the path is invalid doesn't tell. It is left out, unless the rule may
//! reject requests: then it matches every path (`docs/decisions/broken-matches.md`).

use super::path_match;
use crate::Build;
use crate::route::object::RuleAt;
use crate::route::rule::{InvalidPath, RuleContext, RuleMatches};
use gatefold_dataplane::filter::header_modifier;
use gatefold_dataplane::matcher;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{HTTPHeaderMatch, HTTPRouteMatch, PathMatchType, ValueMatchType};

/// Replaces an invalid regular expression. Like every expression it matches only text.
const ANY_VALUE: &str = "(?s).*";

/// Replaces an invalid regular expression for the path.
const ANY_PATH: &str = ".*";

const LEFT_OUT: &str = "the match is left out: other rules receive its requests";
const MATCHES_EVERY_PATH: &str = "until it is fixed, every path matches and is answered 500, because this rule may reject requests";

/// Builds the matches of a rule. A rule without matches matches everything.
pub(super) fn build(
    listed: &[HTTPRouteMatch],
    invalid_path: InvalidPath,
    context: &mut RuleContext<'_, '_, '_>,
) -> RuleMatches<HTTPRouteMatch> {
    let at = context.at;
    let mut matches = RuleMatches {
        kept: Vec::with_capacity(listed.len()),
        left_out: Vec::new(),
        any_path: Vec::new(),
    };
    if listed.is_empty() {
        matches.kept.push(HTTPRouteMatch::default());
    }
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
        warn_of_impossible_values(at, one, &here, context.build);
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
            invalid_pattern(at, &one.path.value, &pointer)
        }
        PathMatchType::Exact | PathMatchType::PathPrefix => None,
    }
}

/// Returns the match without repeated headers and with each invalid expression replaced by one that matches any value, and
/// the problems with the invalid ones.
///
/// "If multiple entries specify equivalent header names, only the first entry with an equivalent name MUST be
/// considered for a match" (API: `HTTPHeaderMatch.name`).
fn distinct_and_valid(
    at: RuleAt<'_>,
    one: &HTTPRouteMatch,
    here: &dyn Fn() -> Pointer,
) -> (HTTPRouteMatch, Vec<Diagnostic>) {
    let mut one = one.clone();
    let mut invalid = Vec::new();
    let mut repair = |list, index, kind, value: &mut String| {
        if kind == ValueMatchType::RegularExpression {
            let pointer = || here().key(list).index(index).key("value");
            if let Some(finding) = invalid_pattern(at, value, &pointer) {
                ANY_VALUE.clone_into(value);
                invalid.push(finding);
            }
        }
    };
    for (index, header) in one.headers.iter_mut().enumerate() {
        repair("headers", index, header.kind, &mut header.value);
    }
    for (index, param) in one.query_params.iter_mut().enumerate() {
        repair("queryParams", index, param.kind, &mut param.value);
    }
    let mut seen: Vec<String> = Vec::new();
    one.headers.retain(|header| {
        let name = header.name.as_str().to_ascii_lowercase();
        let first = !seen.contains(&name);
        seen.push(name);
        first
    });
    (one, invalid)
}

/// Returns the problem with a regular expression that can't be compiled.
fn invalid_pattern(
    at: RuleAt<'_>,
    pattern: &str,
    pointer: &dyn Fn() -> Pointer,
) -> Option<Diagnostic> {
    // Compile it as it is served: it must match the whole value.
    let error = matcher::pattern(pattern).err()?;
    let why = error.to_string();
    let why = why.lines().last().unwrap_or_default().trim();
    let message = format!("`{pattern}` isn't a valid regular expression: {why}");
    let finding = at.finding(Code::InvalidMatch, pointer(), message);
    Some(finding.help("the syntax is RE2's: no look-around, no back-references"))
}

/// Warns of header values that no request can have.
fn warn_of_impossible_values(
    at: RuleAt<'_>,
    one: &HTTPRouteMatch,
    here: &dyn Fn() -> Pointer,
    build: &mut Build<'_>,
) {
    let impossible = |header: &HTTPHeaderMatch| {
        let sent = header_modifier::value(&header.value);
        header.kind == ValueMatchType::Exact
            && sent.is_none_or(|sent| sent.as_bytes() != header.value.as_bytes())
    };
    let headers = one.headers.iter().enumerate();
    for (index, header) in headers.filter(|(_, header)| impossible(header)) {
        let message = format!(
            "no request has a header `{}` with this value: it contains a control character, or begins or ends with a space",
            header.name
        );
        let pointer = here().key("headers").index(index).key("value");
        let finding = at.finding(Code::ImpossibleHeaderValue, pointer, message);
        build
            .diagnostics
            .push(finding.caption("no request matches"));
    }
}
