//! The filters of a rule or a backend. A filter that gatefold doesn't support is never left out: its rule answers 500.

use crate::Build;
use crate::backend::{BackendReference, BackendReferences};
use crate::condition::{Problem, Reason};
use crate::route::filter_advice;
use crate::route::http_route::{FilterNode, MirrorNode};
use crate::route::http_rule::RuleAt;
use gatefold_dataplane::filter::header_modifier::{self, Change};
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    HTTPHeader, HTTPHeaderFilter, HTTPRequestMirrorFilter, HTTPRouteFilter, HTTPRouteFilterType,
    HeaderName,
};

/// The requests that a list of filters applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// All requests of a rule.
    Rule,
    /// The requests that are forwarded to one of its backends.
    Backend,
}

/// Builds the filters that can be served, and adds the problems with the others to `refusals`.
pub(crate) fn build<'a>(
    at: RuleAt<'a>,
    owner: Owner,
    filters: &'a [HTTPRouteFilter],
    pointer: &dyn Fn() -> Pointer,
    references: &mut BackendReferences<'_, 'a>,
    refusals: &mut Vec<Problem>,
    build: &mut Build<'a>,
) -> Vec<FilterNode> {
    let mut nodes = Vec::with_capacity(filters.len());
    for (index, filter) in filters.iter().enumerate() {
        filter_advice::report(at, filter, &|| pointer().index(index), build);
        let node = match filter.kind {
            HTTPRouteFilterType::RequestHeaderModifier => {
                let changes = filter.request_header_modifier.as_ref();
                changes.map(|changes| FilterNode::RequestHeaderModifier(distinct(changes)))
            }
            HTTPRouteFilterType::ResponseHeaderModifier => {
                let changes = filter.response_header_modifier.as_ref();
                changes.map(|changes| FilterNode::ResponseHeaderModifier(distinct(changes)))
            }
            HTTPRouteFilterType::RequestRedirect if owner == Owner::Rule => {
                let redirect = filter.request_redirect.clone();
                redirect.map(FilterNode::RequestRedirect)
            }
            HTTPRouteFilterType::URLRewrite => {
                let rewrite = filter.url_rewrite.clone();
                rewrite.map(FilterNode::UrlRewrite)
            }
            HTTPRouteFilterType::RequestMirror => {
                let pointer = || {
                    pointer()
                        .index(index)
                        .key("requestMirror")
                        .key("backendRef")
                };
                let mirror = filter.request_mirror.as_ref();
                mirror.map(|it| {
                    FilterNode::RequestMirror(mirror_node(at, it, &pointer, references, build))
                })
            }
            HTTPRouteFilterType::CORS if owner == Owner::Rule => {
                filter.cors.clone().map(FilterNode::Cors)
            }
            HTTPRouteFilterType::RequestRedirect
            | HTTPRouteFilterType::CORS
            | HTTPRouteFilterType::ExternalAuth
            | HTTPRouteFilterType::ExtensionRef => {
                let pointer = pointer().index(index);
                refusals.push(unsupported(at, filter.kind, pointer, build));
                continue;
            }
        };
        // The loader has refused a filter without the field of its type.
        let Some(node) = node else {
            continue;
        };
        match invalid_header(&node) {
            None => nodes.push(node),
            Some(message) => {
                let pointer = pointer().index(index);
                let finding = at.finding(Code::InvalidFilter, pointer, &*message);
                build
                    .diagnostics
                    .push(finding.caption("the rule answers 500"));
                refusals.push(Problem::new(Reason::UnsupportedValue, message));
            }
        }
    }
    nodes
}

/// Builds the destination of copies. Nothing is copied if the reference is invalid: "this BackendRef is invalid and must
/// be dropped from the Gateway" (`HTTPRequestMirrorFilter.backendRef`).
fn mirror_node<'a>(
    at: RuleAt<'a>,
    mirror: &'a HTTPRequestMirrorFilter,
    pointer: &dyn Fn() -> Pointer,
    references: &mut BackendReferences<'_, 'a>,
    build: &mut Build<'a>,
) -> MirrorNode {
    let backend = BackendReference {
        subject: at.route,
        reference: &mirror.backend_ref,
        pointer,
    };
    let (name, target) = backend.resolve(references, build);
    let fraction = mirror.fraction.as_ref();
    let fraction = fraction.map(|it| (it.numerator, it.denominator));
    let percent = mirror.percent.map(|percent| (percent, 100));
    let (numerator, denominator) = percent.or(fraction).unwrap_or((100, 100));
    MirrorNode {
        name,
        target,
        // The loader refuses negative numbers.
        share: (
            u32::try_from(numerator).unwrap_or(0),
            u32::try_from(denominator).unwrap_or(1),
        ),
    }
}

fn unsupported(
    at: RuleAt<'_>,
    kind: HTTPRouteFilterType,
    pointer: Pointer,
    build: &mut Build<'_>,
) -> Problem {
    let message = match kind {
        HTTPRouteFilterType::ExtensionRef => {
            "filter ExtensionRef isn't supported: gatefold defines no filters".to_owned()
        }
        kind @ (HTTPRouteFilterType::RequestRedirect | HTTPRouteFilterType::CORS) => {
            let kind = kind.as_str();
            format!("filter {kind} isn't supported on a backend: put it on the rule")
        }
        kind => format!("filter {} isn't supported yet", kind.as_str()),
    };
    let finding = at.finding(Code::UnsupportedFilter, pointer.key("type"), &*message);
    let caption = "the rule answers 500";
    build.diagnostics.push(finding.caption(caption));
    Problem::new(Reason::UnsupportedValue, message)
}

/// Keeps the first change of each header: "if multiple entries specify equivalent header names, the first entry with an
/// equivalent name MUST be considered for a match" (API: `HTTPHeader.name`).
fn distinct(changes: &HTTPHeaderFilter) -> HTTPHeaderFilter {
    fn keep_first<T>(list: &mut Vec<T>, name: impl Fn(&T) -> &HeaderName) {
        let mut seen: Vec<String> = Vec::new();
        list.retain(|entry| {
            let name = name(entry).as_str().to_ascii_lowercase();
            let first = !seen.contains(&name);
            seen.push(name);
            first
        });
    }
    let mut changes = changes.clone();
    keep_first(&mut changes.set, |header| &header.name);
    keep_first(&mut changes.add, |header| &header.name);
    keep_first(&mut changes.remove, |name| name);
    changes
}

/// Returns the problem with a header that can't be changed as written.
fn invalid_header(node: &FilterNode) -> Option<String> {
    let changes = match node {
        FilterNode::RequestHeaderModifier(changes)
        | FilterNode::ResponseHeaderModifier(changes) => changes,
        FilterNode::RequestRedirect(_)
        | FilterNode::RequestMirror(_)
        | FilterNode::UrlRewrite(_)
        | FilterNode::Cors(_) => {
            return None;
        }
    };
    let valued = changes.set.iter().chain(&changes.add);
    let broken = |header: &&HTTPHeader| header_modifier::value(&header.value).is_none();
    if let Some(HTTPHeader { name, value }) = valued.clone().find(broken) {
        return Some(unsendable(name, value));
    }
    let set = changes.set.iter().map(|it| (&it.name, Change::Set));
    let add = changes.add.iter().map(|it| (&it.name, Change::Add));
    let remove = changes.remove.iter().map(|it| (it, Change::Remove));
    set.chain(add).chain(remove).find_map(|(name, change)| {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        header_modifier::refusal(&name, change)
    })
}

/// Returns why a header's value can't be sent, and what to do.
fn unsendable(name: &HeaderName, value: &str) -> String {
    let unsent = |character: &char| character.is_ascii_control() && *character != '\t';
    let character = value.chars().find(unsent).unwrap_or_default();
    let remedy = if value.trim_end_matches('\n').contains(|it| unsent(&it)) {
        "remove it"
    } else {
        "end the value before it, as YAML's `|-` and `>-` do"
    };
    format!(
        "the value of header `{name}` contains the character `{}`, which can't be sent (RFC 9110, section 5.5): {remedy}",
        character.escape_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_character_that_makes_a_value_unsendable() {
        for (value, parts) in [
            ("a\tb\n", ["`\\n`", "`|-`"]),
            ("a\nb\n", ["`\\n`", "remove it"]),
            ("a\0", ["`\\u{0}`", "remove it"]),
            ("a\r\nb: c", ["`\\r`", "remove it"]),
        ] {
            let header = HTTPHeader {
                name: HeaderName::parse("x-a").expect("a name"),
                value: value.to_owned(),
            };
            let changes = HTTPHeaderFilter {
                add: vec![header],
                ..HTTPHeaderFilter::default()
            };
            let message = invalid_header(&FilterNode::ResponseHeaderModifier(changes));
            let message = message.unwrap_or_else(|| panic!("{value:?} was accepted"));
            for part in parts.into_iter().chain(["`x-a`"]) {
                assert!(message.contains(part), "{value:?}: {message}");
            }
        }
    }
}
