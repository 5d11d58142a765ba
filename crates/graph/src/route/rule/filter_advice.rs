//! Filters that an API server accepts, but that don't do what their author probably expects.

use super::envoy_format;
use super::filter_spec::FilterSpec;
use crate::Build;
use crate::route::object::RuleAt;
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{HTTPHeaderFilter, HTTPPathModifier};
use std::collections::BTreeMap;

/// Reports the surprises of the filter at `pointer`.
pub(in crate::route) fn report(
    at: RuleAt<'_>,
    filter: FilterSpec<'_>,
    pointer: &dyn Fn() -> Pointer,
    build: &mut Build<'_>,
) {
    let path = |field, path: Option<&HTTPPathModifier>, build: &mut Build<'_>| {
        if let Some(path) = path {
            path_with_query(at, path, &|| pointer().key(field).key("path"), build);
        }
    };
    match filter {
        FilterSpec::RequestRedirect(redirect) => {
            path("requestRedirect", redirect.path.as_ref(), build);
        }
        FilterSpec::UrlRewrite(rewrite) => path("urlRewrite", rewrite.path.as_ref(), build),
        FilterSpec::RequestHeaderModifier(changes) => {
            let pointer = || pointer().key("requestHeaderModifier");
            repeated_headers(at, changes, &pointer, build);
            values_for_envoy(at, changes, &pointer, build);
        }
        FilterSpec::ResponseHeaderModifier(changes) => {
            let pointer = || pointer().key("responseHeaderModifier");
            repeated_headers(at, changes, &pointer, build);
            values_for_envoy(at, changes, &pointer, build);
        }
        FilterSpec::RequestMirror(_)
        | FilterSpec::Cors(_)
        | FilterSpec::ExternalAuth(_)
        | FilterSpec::ExtensionRef => {}
    }
}

/// Reports a query in a path modifier: the modifier changes only the path, so the query becomes part of the path.
fn path_with_query(
    at: RuleAt<'_>,
    path: &HTTPPathModifier,
    pointer: &dyn Fn() -> Pointer,
    build: &mut Build<'_>,
) {
    for (field, value) in [
        ("replaceFullPath", &path.replace_full_path),
        ("replacePrefixMatch", &path.replace_prefix_match),
    ] {
        let Some(value) = value else { continue };
        let Some(character) = value.chars().find(|it| matches!(it, '?' | '#')) else {
            continue;
        };
        let encoded = if character == '?' { "%3F" } else { "%23" };
        let message = format!(
            "`{character}` in `{field}` becomes part of the path as `{encoded}`: the query of the request doesn't change"
        );
        let found = at.finding(Code::QueryInPath, pointer().key(field), message);
        build.diagnostics.push(found);
    }
}

/// Reports values that Envoy would replace.
fn values_for_envoy(
    at: RuleAt<'_>,
    changes: &HTTPHeaderFilter,
    pointer: &dyn Fn() -> Pointer,
    build: &mut Build<'_>,
) {
    for (action, headers) in [("set", &changes.set), ("add", &changes.add)] {
        for (index, header) in headers.iter().enumerate() {
            let Some(message) = envoy_format::literal_value(header) else {
                continue;
            };
            let pointer = pointer().key(action).index(index).key("value");
            let found = at.finding(Code::LiteralHeaderValue, pointer, message);
            build.diagnostics.push(found);
        }
    }
}

/// Reports several actions for one header. "Only one action for a given header name is permitted. Filters specifying
/// multiple actions of the same or different type for any one header name are invalid" (API: `HTTPHeaderFilter`). An API
/// server accepts such filters, so they are served.
fn repeated_headers(
    at: RuleAt<'_>,
    changes: &HTTPHeaderFilter,
    pointer: &dyn Fn() -> Pointer,
    build: &mut Build<'_>,
) {
    let set = changes.set.iter().map(|header| &header.name);
    let add = changes.add.iter().map(|header| &header.name);
    let set = set.enumerate().map(|(index, name)| ("set", index, name));
    let add = add.enumerate().map(|(index, name)| ("add", index, name));
    let remove = changes.remove.iter().enumerate();
    let remove = remove.map(|(index, name)| ("remove", index, name));
    let mut first: BTreeMap<String, (&str, usize)> = BTreeMap::new();
    for (action, index, name) in set.chain(add).chain(remove) {
        let entry = (action, index);
        let key = name.as_str().to_ascii_lowercase();
        let other = *first.entry(key).or_insert(entry);
        if other == entry {
            continue;
        }
        let place = |(action, index): (&'static str, usize)| pointer().key(action).index(index);
        let (places, effect) = if other.0 == action {
            let places = format!("twice in `{action}`");
            (places, "the second entry has no effect")
        } else {
            let places = format!("in `{}` and in `{action}`", other.0);
            (places, "`set` is applied first, then `add`, then `remove`")
        };
        let message = format!(
            "header `{name}` is {places} of one filter: the API permits one action per header"
        );
        let found = at
            .finding(Code::RepeatedHeader, place(entry), message)
            .label(at.route.object.place(place(other)), "the other action")
            .note(effect)
            .help("keep one of them; write several values as one text, separated by commas");
        build.diagnostics.push(found);
    }
}
