//! The matches of an HTTPRoute's rule: those that can be compared as written, and what a broken one still takes.
//!
//! A rule with a broken match answers 500. A match whose regular expression for a header or a query parameter is broken
//! still says which requests it may be for: those that have the header or parameter and fit all its other parts. A match
//! whose expression for the path is broken doesn't. It is left out, unless the rule keeps requests out: then it matches every
//! path (`docs/decisions/broken-matches.md`).

use super::Build;
use super::http_rule::RuleAt;
use super::listener::Problem;
use super::path_match;
use gatefold_dataplane::filter::header_modifier;
use gatefold_dataplane::matcher;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    HTTPHeaderMatch, HTTPRouteMatch, HTTPRouteRule, PathMatchType, ValueMatchType,
};

/// Stands for a broken regular expression: like every expression it matches only text, but any.
const ANY_VALUE: &str = "(?s).*";

/// Stands for a broken regular expression for the path.
const ANY_PATH: &str = ".*";

/// What becomes of a match whose regular expression for the path is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokenPath {
    /// It is left out, so other rules get its requests.
    LeftOut,
    /// It matches every path: no other rule may get its requests.
    MatchesAll,
}

const LEFT_OUT: &str = "the match is left out: other rules get its requests";
const MATCHES_EVERY_PATH: &str =
    "until it is repaired every path matches and gets 500, because this rule keeps requests out";

/// The matches of a rule.
pub(super) struct Matches {
    /// Those that requests are compared with.
    pub kept: Vec<HTTPRouteMatch>,
    /// The places of those that are left out.
    pub left_out: Vec<usize>,
    /// The places of those that match every path.
    pub any_path: Vec<usize>,
}

/// The matches of a rule; one without any matches everything.
pub(super) fn build(
    at: RuleAt<'_>,
    rule: &HTTPRouteRule,
    on_broken_path: BrokenPath,
    refusals: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Matches {
    let mut matches = Matches {
        kept: Vec::with_capacity(rule.matches.len()),
        left_out: Vec::new(),
        any_path: Vec::new(),
    };
    if rule.matches.is_empty() {
        matches.kept.push(HTTPRouteMatch::default());
    }
    for (index, one) in rule.matches.iter().enumerate() {
        let here = || at.pointer().key("matches").index(index);
        let (mut kept, broken_values) = distinct_and_whole(at, one, &here);
        let mut findings = Vec::new();
        let is_kept = match (broken_path(at, one, &here), on_broken_path) {
            (Some(finding), BrokenPath::LeftOut) => {
                findings.push(finding.caption(LEFT_OUT));
                false
            }
            (Some(finding), BrokenPath::MatchesAll) => {
                kept.path.value = any_path(&one.path.value);
                matches.any_path.push(index);
                findings.push(finding.caption(MATCHES_EVERY_PATH));
                true
            }
            (None, _) => {
                let impossible = path_match::normalize(&mut kept.path, at, index, build);
                findings.extend(impossible.map(|finding| finding.caption(LEFT_OUT)));
                findings.is_empty()
            }
        };
        let caption = match is_kept {
            true => "any value matches until it is repaired, and the rule answers 500",
            false => "the match is left out",
        };
        match is_kept {
            true => matches.kept.push(kept),
            false => matches.left_out.push(index),
        }
        let broken_values = broken_values.into_iter();
        let broken_values = broken_values.map(|finding| finding.caption(caption));
        for finding in findings.into_iter().chain(broken_values) {
            refusals.push(("UnsupportedValue", finding.message.clone()));
            build.diagnostics.push(finding);
        }
        warn_of_impossible_values(at, one, &here, build);
    }
    matches
}

/// An expression that every path matches, with the precedence of `pattern`: the longer one goes first.
fn any_path(pattern: &str) -> String {
    let rest = pattern.chars().count().saturating_sub(ANY_PATH.len());
    // A `$` after another one changes nothing but the length.
    format!("{ANY_PATH}{}", "$".repeat(rest))
}

fn broken_path(
    at: RuleAt<'_>,
    one: &HTTPRouteMatch,
    here: &dyn Fn() -> Pointer,
) -> Option<Diagnostic> {
    match one.path.kind {
        PathMatchType::RegularExpression => {
            let pointer = || here().key("path").key("value");
            broken_pattern(at, &one.path.value, &pointer)
        }
        PathMatchType::Exact | PathMatchType::PathPrefix => None,
    }
}

/// The match with an expression that matches any value in the place of each broken one, and what is wrong with these.
///
/// "If multiple entries specify equivalent header names, only the first entry with an equivalent name MUST be
/// considered for a match" (API: `HTTPHeaderMatch.name`).
fn distinct_and_whole(
    at: RuleAt<'_>,
    one: &HTTPRouteMatch,
    here: &dyn Fn() -> Pointer,
) -> (HTTPRouteMatch, Vec<Diagnostic>) {
    let mut one = one.clone();
    let mut broken = Vec::new();
    let mut repair = |list, index, kind, value: &mut String| {
        if kind == ValueMatchType::RegularExpression {
            let pointer = || here().key(list).index(index).key("value");
            if let Some(finding) = broken_pattern(at, value, &pointer) {
                ANY_VALUE.clone_into(value);
                broken.push(finding);
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
    (one, broken)
}

/// What is wrong with a regular expression that can't be compiled.
fn broken_pattern(
    at: RuleAt<'_>,
    pattern: &str,
    pointer: &dyn Fn() -> Pointer,
) -> Option<Diagnostic> {
    // As it is compiled: it must match the whole value.
    let error = matcher::pattern(pattern).err()?;
    let why = error.to_string();
    let why = why.lines().last().unwrap_or_default().trim();
    let message = format!("`{pattern}` isn't a regular expression that works: {why}");
    let finding = at.finding(Code::InvalidMatch, pointer(), message);
    Some(finding.help("the syntax is that of RE2: no look-around, no back-references"))
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
            "no request has a header `{}` with this value: it has a control character in it, or a space at an end",
            header.name
        );
        let pointer = here().key("headers").index(index).key("value");
        let finding = at.finding(Code::ImpossibleHeaderValue, pointer, message);
        build
            .diagnostics
            .push(finding.caption("the match never holds"));
    }
}
