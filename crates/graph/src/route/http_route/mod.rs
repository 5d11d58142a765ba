//! HTTPRoutes: what is specific to this kind of route. Its rules match requests by path, method, headers and query.

mod http_match;
mod match_advice;
mod match_conditions;
mod path_match;

use super::kind::{BuildRoute, MatchedRoute, RouteKind};
use super::match_id::{MatchDigest, MatchId};
use super::object::RouteObject;
use super::rule::{
    self, BackendSpec, FilterSpec, InvalidPath, RequestRule, RuleContext, RuleMatches, RuleNode,
    RuleProblems,
};
use crate::Build;
use crate::backend::BackendReferences;
use crate::policy::target_objects::TargetFields;
use gatefold_manifest::api::{
    HTTPRoute, HTTPRouteMatch, HTTPRouteRetry, HTTPRouteRule, HTTPRouteSpec, HTTPRouteTimeouts,
    PolicyTargetKind, RouteTargetKind, SectionName,
};
use match_conditions::MatchConditions;

/// The kind HTTPRoute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpRoute;

impl RouteKind for HttpRoute {
    type Spec = HTTPRouteSpec;
    type Rule = RuleNode<HTTPRouteMatch>;
    const POLICY_TARGET: PolicyTargetKind = PolicyTargetKind::Route(RouteTargetKind::Http);
}

impl BuildRoute for HttpRoute {
    fn common(object: &HTTPRoute) -> RouteObject<'_> {
        RouteObject {
            kind: HttpRoute::POLICY_TARGET,
            object,
            meta: &object.meta,
            parent_refs: &object.spec.parent_refs,
            use_default_gateways: object.spec.use_default_gateways,
            hostnames: &object.spec.hostnames,
        }
    }

    fn build_rules<'a>(
        object: &'a HTTPRoute,
        references: &mut BackendReferences<'_, 'a>,
        build: &mut Build<'a>,
    ) -> (Vec<Self::Rule>, RuleProblems) {
        let (route, rules) = (HttpRoute::common(object), &object.spec.rules);
        let built = rule::build(route, rules, references, build);
        match_advice::report(route, rules, build);
        built
    }

    fn match_digests(spec: &HTTPRouteSpec) -> Vec<MatchDigest> {
        rule::match_digests(&spec.rules)
    }
}

impl MatchedRoute for HttpRoute {
    fn is_same_match(
        (one, one_match): (&HTTPRouteSpec, MatchId),
        (other, other_match): (&HTTPRouteSpec, MatchId),
    ) -> bool {
        rule::is_same_match((&*one.rules, one_match), (&*other.rules, other_match))
    }
}

impl TargetFields for HTTPRouteSpec {
    const LIST: &'static str = "rules";

    fn sections(&self) -> Vec<&str> {
        rule::names(&self.rules)
    }
}

impl RequestRule for HTTPRouteRule {
    type Match = HTTPRouteMatch;
    type Conditions<'m> = MatchConditions<'m>;

    fn listed_matches(&self) -> &[HTTPRouteMatch] {
        &self.matches
    }

    fn conditions(one: &HTTPRouteMatch) -> MatchConditions<'_> {
        MatchConditions::of(one)
    }

    fn name(&self) -> Option<&SectionName> {
        self.name.as_ref()
    }

    fn build_matches(
        &self,
        invalid_path: InvalidPath,
        context: &mut RuleContext<'_, '_, '_>,
    ) -> RuleMatches<HTTPRouteMatch> {
        http_match::build(&self.matches, invalid_path, context)
    }

    fn filters(&self) -> Vec<(usize, FilterSpec<'_>)> {
        FilterSpec::list(&self.filters)
    }

    fn backends(&self) -> Vec<BackendSpec<'_>> {
        BackendSpec::list(&self.backend_refs)
    }

    fn timeouts(&self) -> Option<&HTTPRouteTimeouts> {
        self.timeouts.as_deref()
    }

    fn retry(&self) -> Option<&HTTPRouteRetry> {
        self.retry.as_deref()
    }

    fn unsupported_fields(&self) -> Vec<&'static str> {
        let session_persistence = self.session_persistence.as_ref();
        let field = session_persistence.map(|_| "sessionPersistence");
        field.into_iter().collect()
    }
}
