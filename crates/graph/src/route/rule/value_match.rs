//! Conditions on the values of headers and query parameters, in matches of any kind of route.

use crate::Build;
use crate::route::object::RuleAt;
use gatefold_dataplane::filter::header_modifier;
use gatefold_dataplane::routing::matcher;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{HTTPHeaderMatch, ValueMatchType};
use std::collections::BTreeMap;

/// Replaces an invalid regular expression. Like every expression it matches only text.
const ANY_VALUE: &str = "(?s).*";

/// A condition on a value.
pub(crate) type ValueCondition<'m> = (ValueMatchType, &'m str);

/// Returns conditions on headers in comparable form, by name in lower case. Of several with the same name only the first counts
/// (API: `HTTPHeaderMatch.name`, `GRPCHeaderMatch.name`).
pub(crate) fn header_conditions(
    headers: &[HTTPHeaderMatch],
) -> BTreeMap<String, ValueCondition<'_>> {
    let mut conditions = BTreeMap::new();
    for header in headers {
        let name = header.name.as_str().to_ascii_lowercase();
        let value = (header.kind, header.value.as_str());
        conditions.entry(name).or_insert(value);
    }
    conditions
}

/// Removes repeated headers, and replaces each invalid expression by one that matches any value. Returns the problems with the
/// invalid ones.
///
/// "If multiple entries specify equivalent header names, only the first entry with an equivalent name MUST be
/// considered for a match" (API: `HTTPHeaderMatch.name`, `GRPCHeaderMatch.name`).
pub(crate) fn repair_headers(
    at: RuleAt<'_>,
    headers: &mut Vec<HTTPHeaderMatch>,
    here: &dyn Fn() -> Pointer,
) -> Vec<Diagnostic> {
    let mut invalid = Vec::new();
    for (index, header) in headers.iter_mut().enumerate() {
        let pointer = || here().key("headers").index(index).key("value");
        invalid.extend(repair(at, header.kind, &mut header.value, &pointer));
    }
    let mut seen: Vec<String> = Vec::new();
    headers.retain(|header| {
        let name = header.name.as_str().to_ascii_lowercase();
        let first = !seen.contains(&name);
        seen.push(name);
        first
    });
    invalid
}

/// Replaces an invalid expression by one that matches any value. Returns the problem with it.
pub(crate) fn repair(
    at: RuleAt<'_>,
    kind: ValueMatchType,
    value: &mut String,
    pointer: &dyn Fn() -> Pointer,
) -> Option<Diagnostic> {
    match kind {
        ValueMatchType::Exact => None,
        ValueMatchType::RegularExpression => {
            let finding = invalid_pattern(at, value, pointer)?;
            ANY_VALUE.clone_into(value);
            Some(finding)
        }
    }
}

/// Returns the problem with a regular expression that can't be compiled.
pub(crate) fn invalid_pattern(
    at: RuleAt<'_>,
    pattern: &str,
    pointer: &dyn Fn() -> Pointer,
) -> Option<Diagnostic> {
    // Compile it as it is served: it must match the whole value.
    let error = matcher::pattern(pattern).err()?;
    let why = error.to_string();
    let why = why.lines().last().unwrap_or_default().trim();
    let why = why.strip_prefix("error: ").unwrap_or(why);
    let message = format!("`{pattern}` isn't a valid regular expression: {why}");
    let finding = at.finding(Code::InvalidMatch, pointer(), message);
    Some(finding.help("the syntax is RE2's: no look-around, no back-references"))
}

/// Warns of header values that no request can have.
pub(crate) fn warn_of_impossible_headers(
    at: RuleAt<'_>,
    headers: &[HTTPHeaderMatch],
    here: &dyn Fn() -> Pointer,
    build: &mut Build<'_>,
) {
    let impossible = |header: &HTTPHeaderMatch| {
        let sent = header_modifier::value(&header.value);
        header.kind == ValueMatchType::Exact
            && sent.is_none_or(|sent| sent.as_bytes() != header.value.as_bytes())
    };
    let headers = headers.iter().enumerate();
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
