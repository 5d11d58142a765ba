//! The rules of an HTTPRoute: what can be served as written, and what is refused.

use crate::Build;
use crate::backend::endpoints::{ServicePortKey, ServicePorts};
use crate::backend::{BackendReference, BackendReferences};
use crate::condition::{Condition, ConditionType, Problem, Reason};
use crate::route::filter::{self, Owner};
use crate::route::http_route::http_match::{self, BrokenPath};
use crate::route::http_route::match_advice;
use crate::route::http_route::{BackendNode, FilterNode, RuleNode};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{HTTPRoute, HTTPRouteFilterType, HTTPRouteRule, PolicyTargetKind};

use std::fmt;

/// Where something of a route's rule stands.
#[derive(Clone, Copy)]
pub(crate) struct RuleAt<'a> {
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
pub(crate) struct RuleProblems {
    rules: usize,
    /// Rules that are refused.
    refused: Vec<RefusedRule>,
    /// References that lead nowhere.
    unresolved: Vec<Problem>,
}

/// A rule that can't be served as written.
struct RefusedRule {
    index: usize,
    problems: Vec<Problem>,
    left_out: LeftOut,
    /// The places of its matches that match every path.
    any_path: Vec<usize>,
}

/// The part of a refused rule that doesn't even answer 500, because it is unknown which requests it is for.
enum LeftOut {
    /// These of its matches; mostly none.
    Matches(Vec<usize>),
    /// All of it.
    Rule,
}

/// The rules of a route.
#[derive(Default)]
pub(crate) struct Rules {
    pub nodes: Vec<RuleNode>,
    pub problems: RuleProblems,
    /// What their references lead to; a port may come twice.
    pub service_ports: Vec<ServicePortKey>,
}

/// The rules of a route, and what is wrong with them.
pub(crate) fn build<'a>(
    route: &'a HTTPRoute,
    ports: &mut ServicePorts<'a>,
    build: &mut Build<'a>,
) -> Rules {
    let mut problems = RuleProblems {
        rules: route.spec.rules.len(),
        ..RuleProblems::default()
    };
    let mut references = BackendReferences {
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
    references: &mut BackendReferences<'_, 'a>,
    build: &mut Build<'a>,
) -> RuleNode {
    let mut refusals = Vec::new();
    let protection = protected(at, rule, build);
    let on_broken_path = match protection.is_some() || has_filter_that_may_protect(rule) {
        true => BrokenPath::MatchesAll,
        false => BrokenPath::LeftOut,
    };
    let matches = http_match::build(at, rule, on_broken_path, &mut refusals, build);
    unsupported_fields(at, rule, &mut refusals, build);
    refusals.extend(protection);
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
        let backend = BackendReference {
            subject: at.route,
            reference: &reference.backend,
            pointer: &pointer,
        };
        let (name, target) = backend.resolve(references, build);
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
        problems.refused.push(RefusedRule {
            index: at.index,
            problems: refusals,
            left_out: match matches.kept.is_empty() {
                true => LeftOut::Rule,
                false => LeftOut::Matches(matches.left_out),
            },
            any_path: matches.any_path,
        });
    }
    RuleNode {
        matches: matches.kept,
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
    Some(Problem::new(Reason::UnenforcedPolicy, &*refusal))
}

/// Whether a filter may keep requests out that must not reach the backend. gatefold has none of these filters.
fn has_filter_that_may_protect(rule: &HTTPRouteRule) -> bool {
    let of_backends = rule.backend_refs.iter().flat_map(|it| &it.filters);
    let mut filters = rule.filters.iter().chain(of_backends);
    filters.any(|filter| match filter.kind {
        HTTPRouteFilterType::ExternalAuth | HTTPRouteFilterType::ExtensionRef => true,
        HTTPRouteFilterType::RequestHeaderModifier
        | HTTPRouteFilterType::ResponseHeaderModifier
        | HTTPRouteFilterType::RequestMirror
        | HTTPRouteFilterType::RequestRedirect
        | HTTPRouteFilterType::URLRewrite
        | HTTPRouteFilterType::CORS => false,
    })
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
        refusals.push(Problem::new(Reason::UnsupportedValue, message));
    }
}

impl RuleProblems {
    /// `Accepted`, and `PartiallyInvalid` when some rules are refused, but not all (API:
    /// `RouteConditionPartiallyInvalid`).
    pub fn accepted(&self) -> Vec<Condition> {
        let accepted = Condition::holds(
            ConditionType::Accepted,
            Reason::Accepted,
            "the route is accepted",
        );
        let Some(first) = self.refused.first() else {
            return vec![accepted];
        };
        let reason = first
            .problems
            .first()
            .map_or(Reason::UnsupportedValue, |problem| problem.reason);
        let message = self.dropped();
        if self.refused.len() == self.rules {
            return vec![Condition::fails(ConditionType::Accepted, reason, message)];
        }
        let partly = Condition::holds(ConditionType::PartiallyInvalid, reason, message);
        vec![accepted, partly]
    }

    /// The API wants the message to begin with "Dropped Rule".
    fn dropped(&self) -> String {
        let rules: Vec<String> = self.refused.iter().map(RefusedRule::to_string).collect();
        format!("Dropped Rule(s): {}", rules.join("; "))
    }

    /// Whether every reference leads somewhere.
    pub fn resolved_refs(&self) -> Condition {
        Condition::resolved_refs(&self.unresolved)
    }
}

/// What becomes of its requests, and why.
impl fmt::Display for RefusedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules[{}] ", self.index)?;
        match &self.left_out {
            LeftOut::Rule => f.write_str("is left out, other rules get its requests")?,
            LeftOut::Matches(places) => {
                f.write_str("answers 500")?;
                for place in &self.any_path {
                    write!(f, ", matches[{place}] at every path")?;
                }
                for place in places {
                    write!(
                        f,
                        ", but matches[{place}] is left out, other rules get its requests"
                    )?;
                }
            }
        }
        let why = self.problems.iter().map(|problem| &*problem.message);
        write!(f, ": {}", why.collect::<Vec<&str>>().join(", "))
    }
}
