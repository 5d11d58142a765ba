//! Builds rules that match requests: those of HTTPRoutes, and of other kinds with matches, filters and backends.
//!
//! In: a rule as in the manifest. Out: its node, and the problems for which it is refused. A kind provides its matches, and
//! names its filters and backends; everything else is the same for all kinds.

use super::filter;
use super::filter_spec::{FilterScope, FilterSpec, ManifestFilter};
use super::node::{BackendNode, FilterNode, RuleNode};
use super::rule_context::RuleContext;
use super::rule_problems::{LeftOut, RefusedRule, RuleProblems};
use crate::Build;
use crate::backend::{BackendReference, BackendReferences};
use crate::condition::{Problem, Reason};
use crate::route::object::{RouteObject, RuleAt};
use gatefold_diagnostic::Code;
use gatefold_manifest::api::{
    BackendObjectReference, BackendRef, HTTPRouteRetry, HTTPRouteTimeouts, SectionName,
};
use std::hash::Hash;

/// A rule as in the manifest.
pub(crate) trait RequestRule {
    /// A match. The default one matches everything.
    type Match: Default + 'static;
    /// The conditions of a match in comparable form. Equal conditions match the same requests.
    type Conditions<'m>: Eq + Hash;

    /// Returns the name.
    fn name(&self) -> Option<&SectionName>;

    /// Returns the matches as in the manifest.
    fn listed_matches(&self) -> &[Self::Match];

    /// Returns the conditions of a match.
    fn conditions(one: &Self::Match) -> Self::Conditions<'_>;

    /// Builds the matches. The problems with them go to `context`.
    fn build_matches(
        &self,
        invalid_path: InvalidPath,
        context: &mut RuleContext<'_, '_, '_>,
    ) -> RuleMatches<Self::Match>;

    /// Returns the filters with their indexes.
    fn filters(&self) -> Vec<(usize, FilterSpec<'_>)>;

    /// Returns the backends, in the order of the manifest.
    fn backends(&self) -> Vec<BackendSpec<'_>>;

    /// Returns the time limits.
    fn timeouts(&self) -> Option<&HTTPRouteTimeouts>;

    /// Returns when requests are retried.
    fn retry(&self) -> Option<&HTTPRouteRetry>;

    /// Returns the names of the fields that are set but not supported.
    fn unsupported_fields(&self) -> Vec<&'static str>;
}

/// A backend of a rule as in the manifest.
pub(crate) struct BackendSpec<'a> {
    pub reference: &'a BackendObjectReference,
    pub weight: u32,
    /// The filters with their indexes.
    pub filters: Vec<(usize, FilterSpec<'a>)>,
}

impl<'a> BackendSpec<'a> {
    /// Returns the backends of a rule, in the order of the manifest.
    pub fn list<F: ManifestFilter>(references: &'a [BackendRef<F>]) -> Vec<Self> {
        let backends = references.iter().map(|it| BackendSpec {
            reference: &it.backend,
            weight: it.weight,
            filters: FilterSpec::list(&it.filters),
        });
        backends.collect()
    }
}

/// How to treat a match whose regular expression for the path is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InvalidPath {
    /// Leave it out, so that other rules receive its requests.
    LeaveOut,
    /// Let it match every path, because no other rule may receive its requests.
    MatchAll,
}

/// The caption of a diagnostic about a match that is left out.
pub(crate) const LEFT_OUT: &str = "the match is left out: other rules receive its requests";

/// The matches of a rule.
pub(crate) struct RuleMatches<M> {
    /// The matches that requests are compared with.
    pub kept: Vec<M>,
    /// The indexes of the matches that are left out.
    pub left_out: Vec<usize>,
    /// The indexes of the matches that match every path because their own path is invalid.
    pub any_path: Vec<usize>,
}

/// Returns the names of rules, in order. A rule without a name is an empty string.
pub(crate) fn names<R: RequestRule>(rules: &[R]) -> Vec<&str> {
    let names = rules.iter().map(RequestRule::name);
    names.map(|it| it.map_or("", SectionName::as_str)).collect()
}

impl<M: Default> RuleMatches<M> {
    /// Returns the matches to begin with: none or, for a rule that lists none, the one that matches everything.
    pub fn of(listed: &[M]) -> Self {
        let mut kept = Vec::with_capacity(listed.len());
        if listed.is_empty() {
            kept.push(M::default());
        }
        RuleMatches {
            kept,
            left_out: Vec::new(),
            any_path: Vec::new(),
        }
    }
}

/// Builds the rules of a route.
pub(crate) fn build<'a, R: RequestRule>(
    route: RouteObject<'a>,
    rules: &'a [R],
    references: &mut BackendReferences<'_, 'a>,
    build: &mut Build<'a>,
) -> (Vec<RuleNode<R::Match>>, RuleProblems) {
    let mut problems = RuleProblems {
        rules: rules.len(),
        refused: Vec::new(),
    };
    let mut nodes = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let context = RuleContext {
            at: RuleAt { route, index },
            refusals: Vec::new(),
            references,
            build,
        };
        let (node, refused) = context.rule(rule);
        nodes.push(node);
        problems.refused.extend(refused);
    }
    (nodes, problems)
}

impl<'a> RuleContext<'_, '_, 'a> {
    fn rule<R: RequestRule>(mut self, rule: &'a R) -> (RuleNode<R::Match>, Option<RefusedRule>) {
        let (filters, backends) = (rule.filters(), rule.backends());
        let protection = self.protection(rule.name());
        let of_backends = backends.iter().flat_map(|backend| &backend.filters);
        let mut all = filters.iter().chain(of_backends);
        let may_reject = all.any(|(_, filter)| filter.may_reject_requests())
            || self.has_security_policy(rule.name());
        let invalid_path = if protection.is_some() || may_reject {
            InvalidPath::MatchAll
        } else {
            InvalidPath::LeaveOut
        };
        let matches = rule.build_matches(invalid_path, &mut self);
        self.refuse_unsupported_fields(rule);
        self.refusals.extend(protection);
        let at = self.at;
        let pointer = || at.pointer().key("filters");
        let filters = filter::build(FilterScope::Rule, filters, &pointer, &mut self);
        let backends = self.backends(backends);
        if self.refusals.is_empty() && !is_answered(&filters) {
            self.warn_of_no_backend(&backends);
        }
        let left_out = if matches.kept.is_empty() {
            LeftOut::Rule
        } else {
            LeftOut::Matches(matches.left_out)
        };
        let node = RuleNode {
            matches: matches.kept,
            filters,
            backends,
            timeouts: rule.timeouts().cloned(),
            retry: rule.retry().cloned().map(Box::new),
            refused: !self.refusals.is_empty(),
        };
        let refused = node.refused.then_some(RefusedRule {
            index: self.at.index,
            answer: self.at.route.refusal(),
            problems: self.refusals,
            left_out,
            any_path: matches.any_path,
        });
        (node, refused)
    }

    fn backends(&mut self, backends: Vec<BackendSpec<'a>>) -> Vec<BackendNode> {
        let mut nodes = Vec::with_capacity(backends.len());
        for (index, backend) in backends.into_iter().enumerate() {
            let at = self.at;
            let pointer = || at.pointer().key("backendRefs").index(index);
            let reference = BackendReference {
                subject: at.route.object,
                reference: backend.reference,
                pointer: &pointer,
            };
            let (name, target) = reference.resolve(self.references, self.build);
            let filters = || pointer().key("filters");
            nodes.push(BackendNode {
                name: name.into(),
                weight: backend.weight,
                filters: filter::build(FilterScope::Backend, backend.filters, &filters, self),
                target,
            });
        }
        nodes
    }

    /// Returns a problem if a policy protects the rule which gatefold can't enforce. The policy has its own diagnostic.
    fn protection(&mut self, name: Option<&SectionName>) -> Option<Problem> {
        let (protections, security) = (&self.build.protections, &self.build.security);
        if protections.is_empty() && security.is_empty() {
            return None;
        }
        let (kind, key) = (self.at.route.kind, self.at.route.key());
        let section = name.map(|name| name.as_str());
        let refusal = protections.refusal(kind, &key, section).or_else(|| {
            let rule = section.unwrap_or_default();
            let (build, ports) = (&*self.build, &mut *self.references.ports);
            security.refusal_of_rule((kind, &key), rule, (build, ports))
        });
        Some(Problem::new(Reason::UnenforcedPolicy, &*refusal?))
    }

    /// Whether a SecurityPolicy targets the rule, or its route.
    fn has_security_policy(&self, name: Option<&SectionName>) -> bool {
        let security = &self.build.security;
        let rule = name.map_or("", |name| name.as_str());
        let route = self.at.route;
        !security.is_empty() && security.targets_rule(route.kind, &route.key(), rule)
    }

    fn refuse_unsupported_fields(&mut self, rule: &impl RequestRule) {
        for field in rule.unsupported_fields() {
            let message = format!("`{field}` isn't supported yet");
            let pointer = self.at.pointer().key(field);
            self.refuse(Code::UnsupportedRuleField, pointer, message);
        }
    }

    fn warn_of_no_backend(&mut self, backends: &[BackendNode]) {
        if backends.iter().any(|backend| backend.weight != 0) {
            return;
        }
        let refusal = self.at.route.refusal();
        let (pointer, message) = if backends.is_empty() {
            let message = format!("the rule has no backend, so it answers {refusal}");
            (self.at.pointer(), message)
        } else {
            let message = format!("every backend has weight 0, so the rule answers {refusal}");
            (self.at.pointer().key("backendRefs"), message)
        };
        let finding = self.at.finding(Code::NoBackend, pointer, message);
        self.build.diagnostics.push(finding);
    }
}

/// Whether gatefold answers the requests itself, so that the rule needs no backend.
fn is_answered(filters: &[FilterNode]) -> bool {
    let mut filters = filters.iter();
    filters.any(|filter| matches!(filter, FilterNode::RequestRedirect(_)))
}
