//! The rules of an HTTPRoute: what can be served as written, and what is refused.

use super::backend_ref::{self, References};
use super::condition::{Condition, ConditionType};
use super::endpoints::{ServicePortKey, ServicePorts};
use super::filter::{self, Owner};
use super::http_route::{BackendNode, FilterNode, RuleNode};
use super::listener::Problem;
use super::{Build, match_advice};
use crate::dataplane::matcher;
use crate::diagnostic::{Code, Diagnostic, Pointer};
use crate::manifest::api::{
    HTTPRoute, HTTPRouteMatch, HTTPRouteRule, PathMatchType, PolicyTargetKind, ValueMatchType,
};
use std::borrow::Cow;

/// Where something of a route's rule stands.
#[derive(Clone, Copy)]
pub(super) struct RuleAt<'a> {
    pub route: &'a HTTPRoute,
    pub index: usize,
}

impl RuleAt<'_> {
    /// The path of the rule.
    pub fn pointer(self) -> Pointer {
        Pointer::spec().key("rules").index(self.index)
    }

    /// Something about a field of the rule.
    pub fn finding(self, code: Code, pointer: Pointer, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.route.place(pointer), message).about(self.route.id())
    }
}

/// What is wrong with the rules of a route.
#[derive(Default)]
pub(super) struct RuleProblems {
    rules: usize,
    /// Rules that are refused, each with its problems.
    refused: Vec<(usize, Vec<Problem>)>,
    /// References that lead nowhere.
    unresolved: Vec<Problem>,
}

/// The rules of a route.
#[derive(Default)]
pub(super) struct Rules {
    pub nodes: Vec<RuleNode>,
    pub problems: RuleProblems,
    /// What their references lead to; a port may come twice.
    pub service_ports: Vec<ServicePortKey>,
}

/// The rules of a route, and what is wrong with them.
pub(super) fn build<'a>(
    route: &'a HTTPRoute,
    ports: &mut ServicePorts<'a>,
    build: &mut Build<'a>,
) -> Rules {
    let mut problems = RuleProblems {
        rules: route.spec.rules.len(),
        ..RuleProblems::default()
    };
    let mut references = References {
        ports,
        resolved: Vec::new(),
        unresolved: Vec::new(),
    };
    let rules = route.spec.rules.iter().enumerate();
    let nodes = rules.map(|(index, rule)| {
        let at = RuleAt { route, index };
        node(at, rule, &mut problems, &mut references, build)
    });
    let nodes = nodes.collect();
    match_advice::report(route, build);
    problems.unresolved = references.unresolved;
    Rules {
        nodes,
        problems,
        service_ports: references.resolved,
    }
}

fn node<'a>(
    at: RuleAt<'a>,
    rule: &'a HTTPRouteRule,
    problems: &mut RuleProblems,
    references: &mut References<'_, 'a>,
    build: &mut Build<'a>,
) -> RuleNode {
    let mut refusals = Vec::new();
    let matches = matches(at, rule, &mut refusals, build);
    unsupported_fields(at, rule, &mut refusals, build);
    refusals.extend(protected(at, rule, build));
    let filters = || at.pointer().key("filters");
    let filters = filter::build(
        at,
        Owner::Rule,
        &rule.filters,
        &filters,
        references,
        &mut refusals,
        build,
    );
    let mut backends = Vec::with_capacity(rule.backend_refs.len());
    for (index, reference) in rule.backend_refs.iter().enumerate() {
        let pointer = || at.pointer().key("backendRefs").index(index);
        let (name, target) =
            backend_ref::resolve(at, &reference.backend, &pointer, references, build);
        let filters = || pointer().key("filters");
        let own = filter::build(
            at,
            Owner::Backend,
            &reference.filters,
            &filters,
            references,
            &mut refusals,
            build,
        );
        backends.push(BackendNode {
            name,
            weight: reference.weight,
            filters: own,
            target,
        });
    }
    let redirects = |filter: &FilterNode| matches!(filter, FilterNode::RequestRedirect(_));
    let answered = filters.iter().any(redirects);
    if refusals.is_empty() && !answered && backends.iter().all(|backend| backend.weight == 0) {
        warn_of_no_backend(at, &backends, build);
    }
    let refused = !refusals.is_empty();
    if refused {
        problems.refused.push((at.index, refusals));
    }
    RuleNode {
        matches,
        filters,
        backends,
        timeouts: rule.timeouts.clone(),
        retry: rule.retry.clone(),
        refused,
    }
}

/// A rule that is protected by a policy which can't be enforced. The policy's own diagnostic tells about it.
fn protected(at: RuleAt<'_>, rule: &HTTPRouteRule, build: &Build<'_>) -> Option<Problem> {
    if build.protections.is_empty() {
        return None;
    }
    let section = rule.name.as_ref().map(|name| name.as_str());
    let kind = PolicyTargetKind::HttpRoute;
    let refusal = build.protections.refusal(kind, &at.route.key(), section)?;
    Some((super::UNENFORCED_POLICY, refusal.to_string()))
}

fn warn_of_no_backend(at: RuleAt<'_>, backends: &[BackendNode], build: &mut Build<'_>) {
    let (pointer, message) = match backends.is_empty() {
        true => (at.pointer(), "the rule has no backend, so it answers 500"),
        false => (
            at.pointer().key("backendRefs"),
            "every backend has weight 0, so the rule answers 500",
        ),
    };
    let finding = at.finding(Code::NoBackend, pointer, message);
    build.diagnostics.push(finding);
}

/// The matches that make sense; a rule without any matches everything.
fn matches(
    at: RuleAt<'_>,
    rule: &HTTPRouteRule,
    refusals: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<HTTPRouteMatch> {
    if rule.matches.is_empty() {
        return vec![HTTPRouteMatch::default()];
    }
    let mut good = Vec::with_capacity(rule.matches.len());
    for (index, one) in rule.matches.iter().enumerate() {
        let problems = patterns(one, at, index);
        if problems.is_empty() {
            good.push(distinct(one));
            continue;
        }
        for finding in problems {
            refusals.push(("UnsupportedValue", finding.message.clone()));
            build.diagnostics.push(finding);
        }
    }
    good
}

/// "If multiple entries specify equivalent header names, only the first entry with an equivalent name MUST be
/// considered for a match" (API: `HTTPHeaderMatch.name`).
fn distinct(one: &HTTPRouteMatch) -> HTTPRouteMatch {
    let mut one = one.clone();
    let mut seen: Vec<String> = Vec::new();
    one.headers.retain(|header| {
        let name = header.name.as_str().to_ascii_lowercase();
        let first = !seen.contains(&name);
        seen.push(name);
        first
    });
    one
}

/// Regular expressions that can't be compiled.
fn patterns(one: &HTTPRouteMatch, at: RuleAt<'_>, index: usize) -> Vec<Diagnostic> {
    let here = || at.pointer().key("matches").index(index);
    let mut wrong = Vec::new();
    let mut check = |pattern: &str, pointer: &dyn Fn() -> Pointer| {
        // As it is compiled: it must match the whole value.
        if let Err(error) = matcher::pattern(pattern) {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim();
            let message = format!("`{pattern}` isn't a regular expression that works: {why}");
            let finding = at.finding(Code::InvalidMatch, pointer(), message);
            wrong.push(
                finding.help("the syntax is that of RE2: no look-around, no back-references"),
            );
        }
    };
    if one.path.kind == PathMatchType::RegularExpression {
        check(&one.path.value, &|| here().key("path").key("value"));
    }
    for (i, header) in one.headers.iter().enumerate() {
        if header.kind == ValueMatchType::RegularExpression {
            check(&header.value, &|| {
                here().key("headers").index(i).key("value")
            });
        }
    }
    for (i, param) in one.query_params.iter().enumerate() {
        if param.kind == ValueMatchType::RegularExpression {
            check(&param.value, &|| {
                here().key("queryParams").index(i).key("value")
            });
        }
    }
    wrong
}

fn unsupported_fields(
    at: RuleAt<'_>,
    rule: &HTTPRouteRule,
    refusals: &mut Vec<Problem>,
    build: &mut Build<'_>,
) {
    let fields = [("sessionPersistence", rule.session_persistence.is_some())];
    for (field, _) in fields.into_iter().filter(|(_, set)| *set) {
        let message = format!("`{field}` isn't supported yet");
        let pointer = at.pointer().key(field);
        let finding = at.finding(Code::UnsupportedRuleField, pointer, &*message);
        let caption = "the rule answers 500";
        build.diagnostics.push(finding.caption(caption));
        refusals.push(("UnsupportedValue", message));
    }
}

impl RuleProblems {
    /// `Accepted`, and `PartiallyInvalid` when some rules are refused, but not all (API:
    /// `RouteConditionPartiallyInvalid`).
    pub fn accepted(&self) -> Vec<Condition> {
        let accepted =
            Condition::holds(ConditionType::Accepted, "Accepted", "the route is accepted");
        let Some((_, first)) = self.refused.first() else {
            return vec![accepted];
        };
        let reason = first
            .first()
            .map_or("UnsupportedValue", |(reason, _)| reason);
        let message = self.dropped();
        if self.refused.len() == self.rules {
            return vec![Condition::fails(ConditionType::Accepted, reason, message)];
        }
        let partly = Condition::holds(ConditionType::PartiallyInvalid, reason, message);
        vec![accepted, partly]
    }

    /// The API wants the message to begin with "Dropped Rule".
    fn dropped(&self) -> String {
        let rules = self.refused.iter().map(|(index, problems)| {
            let why: Vec<&str> = problems.iter().map(|(_, message)| &**message).collect();
            format!("rules[{index}]: {}", why.join(", "))
        });
        let rules: Vec<String> = rules.collect();
        format!("Dropped Rule(s), which answer 500: {}", rules.join("; "))
    }

    /// Whether every reference leads somewhere.
    pub fn resolved_refs(&self) -> Condition {
        Condition::unless(
            ConditionType::ResolvedRefs,
            &self.unresolved,
            "ResolvedRefs",
            Cow::Borrowed("every reference leads somewhere"),
        )
    }
}
