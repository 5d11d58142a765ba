//! The matches of a GRPCRoute's rule, and what an invalid match still matches.
//!
//! The treatment of invalid matches is that of HTTPRoutes (`docs/decisions/broken-matches.md`): a rule with one answers
//! UNAVAILABLE. An invalid expression for a header matches any value. A match with an invalid expression for the service or
//! method is left out, unless the rule may reject requests: then it matches every service and method, with the precedence
//! of the expressions as written.

use crate::Build;
use crate::route::match_id::MatchId;
use crate::route::object::{RouteObject, RuleAt};
use crate::route::rule::value_match::{self, ValueCondition, header_conditions};
use crate::route::rule::{self, InvalidPath, LEFT_OUT, RuleContext, RuleMatches};
use crate::route::shadowed::unreachable;
use gatefold_dataplane::routing::grpc_match::{NameMatch, path_pattern};
use gatefold_diagnostic::{Diagnostic, Pointer};
use gatefold_manifest::api::{GRPCMethodMatch, GRPCRouteMatch, GRPCRouteRule, ValueMatchType};
use std::collections::{BTreeMap, HashMap};

/// Replaces an expression for the service or the method, if one of them is invalid. No path has a space; `.*` would match no
/// service with a slash.
const ANY_NAME: &str = "[^ ]*";

const MATCHES_EVERY_METHOD: &str = "until it is fixed, every service and method matches and is answered UNAVAILABLE, because this rule may reject requests";
const ANY_VALUE_MATCHES: &str =
    "any value matches until it is fixed, and the rule answers UNAVAILABLE";

/// Builds the matches of a rule. A rule without matches matches every gRPC request.
pub(super) fn build(
    listed: &[GRPCRouteMatch],
    invalid_path: InvalidPath,
    context: &mut RuleContext<'_, '_, '_>,
) -> RuleMatches<GRPCRouteMatch> {
    let at = context.at;
    let mut matches = RuleMatches::of(listed);
    for (index, one) in listed.iter().enumerate() {
        let here = || at.pointer().key("matches").index(index);
        let mut kept = one.clone();
        let invalid_headers = value_match::repair_headers(at, &mut kept.headers, &here);
        let invalid_names = one.method.iter();
        let invalid_names: Vec<Diagnostic> = invalid_names
            .flat_map(|method| invalid_names_of(at, method, &here))
            .collect();
        let (name_caption, header_caption) = match (invalid_names.is_empty(), invalid_path) {
            (true, InvalidPath::LeaveOut | InvalidPath::MatchAll) => {
                matches.kept.push(kept);
                (ANY_VALUE_MATCHES, ANY_VALUE_MATCHES)
            }
            (false, InvalidPath::MatchAll) => {
                kept.method = kept.method.map(every_method);
                matches.kept.push(kept);
                matches.any_path.push(index);
                (MATCHES_EVERY_METHOD, ANY_VALUE_MATCHES)
            }
            (false, InvalidPath::LeaveOut) => {
                matches.left_out.push(index);
                (LEFT_OUT, "the match is left out")
            }
        };
        let invalid_names = invalid_names.into_iter().map(|it| it.caption(name_caption));
        let invalid_headers = invalid_headers.into_iter();
        let invalid_headers = invalid_headers.map(|it| it.caption(header_caption));
        for finding in invalid_names.chain(invalid_headers) {
            context.refuse_for(finding);
        }
        value_match::warn_of_impossible_headers(at, &one.headers, &here, context.build);
    }
    matches
}

/// Returns a condition that every service and method meets, with the precedence of `method`: longer expressions take precedence.
fn every_method(method: GRPCMethodMatch) -> GRPCMethodMatch {
    let any = |name: String| {
        if name.is_empty() {
            return name;
        }
        let rest = name.chars().count().saturating_sub(ANY_NAME.len());
        // Further alternatives change only the length. A `$` wouldn't do: a service is followed by its method.
        format!("{ANY_NAME}{}", "|".repeat(rest))
    };
    GRPCMethodMatch {
        kind: ValueMatchType::RegularExpression,
        service: method.service.map(any),
        method: method.method.map(any),
    }
}

fn invalid_names_of(
    at: RuleAt<'_>,
    method: &GRPCMethodMatch,
    here: &dyn Fn() -> Pointer,
) -> Vec<Diagnostic> {
    if method.kind == ValueMatchType::Exact {
        return Vec::new();
    }
    let names = [("service", &method.service), ("method", &method.method)];
    let invalid = names.iter().filter_map(|(field, name)| {
        let pointer = || here().key("method").key(*field);
        value_match::invalid_pattern(at, name.as_deref()?, &pointer)
    });
    let invalid: Vec<Diagnostic> = invalid.collect();
    if !invalid.is_empty() {
        return invalid;
    }
    let (Some(service), Some(method)) = (&method.service, &method.method) else {
        return invalid;
    };
    // Both are parts of one expression for the path.
    let expression = |name: &String| NameMatch::Regex(name.as_str().into());
    let path = path_pattern(&expression(service), &expression(method));
    let pointer = || here().key("method");
    let invalid = value_match::invalid_pattern(at, &path, &pointer);
    invalid.into_iter().collect()
}

/// Reports matches that receive no requests because the same match precedes them in the route.
pub(super) fn report_repeated(
    route: RouteObject<'_>,
    rules: &[GRPCRouteRule],
    build: &mut Build<'_>,
) {
    let everything = GRPCRouteMatch::default();
    let mut first = HashMap::new();
    for (id, one) in rule::matches(rules, &everything) {
        let preceding = *first.entry(GrpcConditions::of(one)).or_insert(id);
        if preceding == id {
            continue;
        }
        let place = |id: MatchId| route.object.place(id.pointer());
        let message = "the match receives no requests: the same match precedes it".to_owned();
        let finding = unreachable(
            (place(id), message),
            place(preceding),
            "this match receives them",
        );
        let finding = finding.about(route.object.id());
        build
            .diagnostics
            .push(finding.help("remove one of the two"));
    }
}

/// The conditions of a match in comparable form. Equal conditions match the same requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GrpcConditions<'m> {
    service: Option<ValueCondition<'m>>,
    method: Option<ValueCondition<'m>>,
    headers: BTreeMap<String, ValueCondition<'m>>,
}

impl<'m> GrpcConditions<'m> {
    /// Reads the conditions of a match.
    pub fn of(one: &'m GRPCRouteMatch) -> Self {
        let name = |name: fn(&GRPCMethodMatch) -> Option<&String>| {
            let method = one.method.as_ref()?;
            let name = name(method).filter(|name| !name.is_empty())?;
            Some((method.kind, name.as_str()))
        };
        GrpcConditions {
            service: name(|method| method.service.as_ref()),
            method: name(|method| method.method.as_ref()),
            headers: header_conditions(&one.headers),
        }
    }
}
