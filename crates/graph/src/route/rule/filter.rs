//! The filters of a rule or a backend. A filter that gatefold doesn't support is never left out: its rule answers 500.

use super::external_auth;
use super::filter_advice;
use super::filter_spec::{FilterScope, FilterSpec};
use super::node::{FilterNode, MirrorNode};
use super::rule_context::RuleContext;
use crate::backend::BackendReference;
use gatefold_dataplane::filter::header_modifier::{self, HeaderAction};
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{HTTPHeader, HTTPHeaderFilter, HTTPRequestMirrorFilter, HeaderName};
use std::sync::Arc;

/// Builds the filters that can be served. The problems with the others go to `context`. `pointer` returns the path of the list.
pub(in crate::route) fn build<'a>(
    scope: FilterScope,
    filters: Vec<(usize, FilterSpec<'a>)>,
    pointer: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, 'a>,
) -> Vec<FilterNode> {
    let mut nodes = Vec::with_capacity(filters.len());
    for (index, filter) in filters {
        let pointer = || pointer().index(index);
        filter_advice::report(context.at, filter, &pointer, context.build);
        let Some(node) = node(scope, filter, &pointer, context) else {
            let pointer = pointer().key("type");
            let message = unsupported(scope, filter);
            context.refuse(Code::UnsupportedFilter, pointer, message);
            continue;
        };
        match invalid_header(&node) {
            None => nodes.push(node),
            Some(message) => context.refuse(Code::InvalidFilter, pointer(), message),
        }
    }
    nodes
}

/// Returns the node of a filter, or `None` if the filter isn't supported.
fn node<'a>(
    scope: FilterScope,
    filter: FilterSpec<'a>,
    pointer: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, 'a>,
) -> Option<FilterNode> {
    let on_rule = scope == FilterScope::Rule;
    match filter {
        FilterSpec::RequestHeaderModifier(changes) => {
            Some(FilterNode::RequestHeaderModifier(distinct(changes)))
        }
        FilterSpec::ResponseHeaderModifier(changes) => {
            Some(FilterNode::ResponseHeaderModifier(distinct(changes)))
        }
        FilterSpec::RequestRedirect(redirect) => {
            on_rule.then(|| FilterNode::RequestRedirect(redirect.clone()))
        }
        FilterSpec::UrlRewrite(rewrite) => Some(FilterNode::UrlRewrite(rewrite.clone())),
        FilterSpec::RequestMirror(mirror) => {
            let pointer = || pointer().key("requestMirror").key("backendRef");
            let node = mirror_node(mirror, &pointer, context);
            Some(FilterNode::RequestMirror(node))
        }
        FilterSpec::Cors(cors) => on_rule.then(|| FilterNode::Cors(cors.clone())),
        FilterSpec::ExternalAuth(auth) => {
            let node = external_auth::build(scope, auth, pointer, context);
            Some(FilterNode::ExternalAuth(Arc::new(node)))
        }
        FilterSpec::ExtensionRef => None,
    }
}

/// Builds the destination of copies. Nothing is copied if the reference is invalid: "this BackendRef is invalid and must
/// be dropped from the Gateway" (`HTTPRequestMirrorFilter.backendRef`).
fn mirror_node<'a>(
    mirror: &'a HTTPRequestMirrorFilter,
    pointer: &dyn Fn() -> Pointer,
    context: &mut RuleContext<'_, '_, 'a>,
) -> MirrorNode {
    let backend = BackendReference {
        subject: context.at.route.object,
        reference: &mirror.backend_ref,
        pointer,
    };
    let (name, target) = backend.resolve(context.references, context.build);
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

fn unsupported(scope: FilterScope, filter: FilterSpec<'_>) -> String {
    let name = filter.name();
    match filter {
        FilterSpec::ExtensionRef => {
            format!("filter {name} isn't supported: gatefold defines no filters")
        }
        FilterSpec::RequestRedirect(_) | FilterSpec::Cors(_) if scope == FilterScope::Backend => {
            format!("filter {name} isn't supported on a backend: put it on the rule")
        }
        FilterSpec::RequestHeaderModifier(_)
        | FilterSpec::ResponseHeaderModifier(_)
        | FilterSpec::RequestRedirect(_)
        | FilterSpec::UrlRewrite(_)
        | FilterSpec::RequestMirror(_)
        | FilterSpec::Cors(_)
        | FilterSpec::ExternalAuth(_) => format!("filter {name} isn't supported yet"),
    }
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
        | FilterNode::ExternalAuth(_)
        | FilterNode::Cors(_) => {
            return None;
        }
    };
    let valued = changes.set.iter().chain(&changes.add);
    let broken = |header: &&HTTPHeader| header_modifier::value(&header.value).is_none();
    if let Some(HTTPHeader { name, value }) = valued.clone().find(broken) {
        return Some(unsendable(name, value));
    }
    let set = changes.set.iter().map(|it| (&it.name, HeaderAction::Set));
    let add = changes.add.iter().map(|it| (&it.name, HeaderAction::Add));
    let remove = changes.remove.iter().map(|it| (it, HeaderAction::Remove));
    set.chain(add).chain(remove).find_map(|(name, change)| {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        header_modifier::refusal(&name, change)
    })
}

/// Returns why a header's value can't be sent, and what to do.
pub(crate) fn unsendable(name: &HeaderName, value: &str) -> String {
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
