//! GRPCRoutes: what is specific to this kind of route. Its rules match requests by service, method and headers, and its backends
//! get HTTP/2.

mod grpc_match;

use super::kind::{BuildRoute, MatchedRoute, RouteKind};
use super::match_id::{MatchDigest, MatchId};
use super::object::RouteObject;
use super::rule::{
    self, BackendSpec, FilterSpec, InvalidPath, ManifestFilter, RequestRule, RuleContext,
    RuleMatches, RuleNode, RuleProblems,
};
use crate::Build;
use crate::backend::BackendReferences;
use crate::policy::target_objects::TargetFields;
use gatefold_dataplane::backend::HttpVersion;
use gatefold_manifest::api::{
    GRPCRoute, GRPCRouteFilter, GRPCRouteFilterType, GRPCRouteMatch, GRPCRouteRule, GRPCRouteSpec,
    HTTPRouteRetry, HTTPRouteTimeouts, PolicyTargetKind, RouteTargetKind, SectionName,
};
use grpc_match::GrpcConditions;

/// The kind GRPCRoute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcRoute;

impl RouteKind for GrpcRoute {
    type Spec = GRPCRouteSpec;
    type Rule = RuleNode<GRPCRouteMatch>;
    const POLICY_TARGET: PolicyTargetKind = PolicyTargetKind::Route(RouteTargetKind::Grpc);
}

impl BuildRoute for GrpcRoute {
    /// gRPC is defined for HTTP/2 only.
    const BACKEND_VERSION: Option<HttpVersion> = Some(HttpVersion::Http2);

    fn common(object: &GRPCRoute) -> RouteObject<'_> {
        RouteObject {
            kind: GrpcRoute::POLICY_TARGET,
            object,
            meta: &object.meta,
            parent_refs: &object.spec.parent_refs,
            use_default_gateways: object.spec.use_default_gateways,
            hostnames: &object.spec.hostnames,
        }
    }

    fn build_rules<'a>(
        object: &'a GRPCRoute,
        references: &mut BackendReferences<'_, 'a>,
        build: &mut Build<'a>,
    ) -> (Vec<Self::Rule>, RuleProblems) {
        let (route, rules) = (GrpcRoute::common(object), &object.spec.rules);
        let built = rule::build(route, rules, references, build);
        grpc_match::report_repeated(route, rules, build);
        built
    }

    fn match_digests(spec: &GRPCRouteSpec) -> Vec<MatchDigest> {
        rule::match_digests(&spec.rules)
    }
}

impl MatchedRoute for GrpcRoute {
    fn is_same_match(
        (one, one_match): (&GRPCRouteSpec, MatchId),
        (other, other_match): (&GRPCRouteSpec, MatchId),
    ) -> bool {
        rule::is_same_match((&*one.rules, one_match), (&*other.rules, other_match))
    }
}

impl TargetFields for GRPCRouteSpec {
    const LIST: &'static str = "rules";

    fn sections(&self) -> Vec<&str> {
        rule::names(&self.rules)
    }
}

impl RequestRule for GRPCRouteRule {
    type Match = GRPCRouteMatch;
    type Conditions<'m> = GrpcConditions<'m>;

    fn listed_matches(&self) -> &[GRPCRouteMatch] {
        &self.matches
    }

    fn conditions(one: &GRPCRouteMatch) -> GrpcConditions<'_> {
        GrpcConditions::of(one)
    }

    fn name(&self) -> Option<&SectionName> {
        self.name.as_ref()
    }

    fn build_matches(
        &self,
        invalid_path: InvalidPath,
        context: &mut RuleContext<'_, '_, '_>,
    ) -> RuleMatches<GRPCRouteMatch> {
        grpc_match::build(&self.matches, invalid_path, context)
    }

    fn filters(&self) -> Vec<(usize, FilterSpec<'_>)> {
        FilterSpec::list(&self.filters)
    }

    fn backends(&self) -> Vec<BackendSpec<'_>> {
        BackendSpec::list(&self.backend_refs)
    }

    /// The API has none for GRPCRoutes: clients send their own deadlines.
    fn timeouts(&self) -> Option<&HTTPRouteTimeouts> {
        None
    }

    /// The API has none for GRPCRoutes.
    fn retry(&self) -> Option<&HTTPRouteRetry> {
        None
    }

    fn unsupported_fields(&self) -> Vec<&'static str> {
        let session_persistence = self.session_persistence.as_ref();
        let field = session_persistence.map(|_| "sessionPersistence");
        field.into_iter().collect()
    }
}

impl ManifestFilter for GRPCRouteFilter {
    fn spec(&self) -> Option<FilterSpec<'_>> {
        Some(match self.kind {
            GRPCRouteFilterType::RequestHeaderModifier => {
                FilterSpec::RequestHeaderModifier(self.request_header_modifier.as_deref()?)
            }
            GRPCRouteFilterType::ResponseHeaderModifier => {
                FilterSpec::ResponseHeaderModifier(self.response_header_modifier.as_deref()?)
            }
            GRPCRouteFilterType::RequestMirror => {
                FilterSpec::RequestMirror(self.request_mirror.as_deref()?)
            }
            GRPCRouteFilterType::ExtensionRef => FilterSpec::ExtensionRef,
        })
    }
}
