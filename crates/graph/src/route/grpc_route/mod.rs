//! GRPCRoutes: what is specific to this kind of route. Its rules match requests by service, method and headers, and its backends
//! get HTTP/2.

mod grpc_match;

use super::kind::{BuildRoute, MatchedRoute, RouteKind};
use super::match_id::{MatchDigest, MatchId};
use super::object::RouteObject;
use super::rule::{
    self, BackendSpec, FilterSpec, InvalidPath, RequestRule, RuleContext, RuleMatches, RuleNode,
    RuleProblems,
};
use crate::Build;
use crate::backend::BackendReferences;
use gatefold_dataplane::backend::HttpVersion;
use gatefold_manifest::api::{
    GRPCRoute, GRPCRouteFilter, GRPCRouteFilterType, GRPCRouteMatch, GRPCRouteRule, GRPCRouteSpec,
    HTTPRouteRetry, HTTPRouteTimeouts, PolicyTargetKind, SectionName,
};
use grpc_match::GrpcConditions;

/// The kind GRPCRoute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcRoute;

impl RouteKind for GrpcRoute {
    type Spec = GRPCRouteSpec;
    type Rule = RuleNode<GRPCRouteMatch>;
    const POLICY_TARGET: PolicyTargetKind = PolicyTargetKind::GrpcRoute;
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
        let digests = grpc_match::all(&spec.rules).map(|(id, one)| MatchDigest {
            id,
            digest: GrpcConditions::of(one).digest(),
        });
        digests.collect()
    }
}

impl MatchedRoute for GrpcRoute {
    fn is_same_match(
        (one, one_match): (&GRPCRouteSpec, MatchId),
        (other, other_match): (&GRPCRouteSpec, MatchId),
    ) -> bool {
        let one = grpc_match::find(&one.rules, one_match);
        let other = grpc_match::find(&other.rules, other_match);
        one.is_some() && one.map(GrpcConditions::of) == other.map(GrpcConditions::of)
    }
}

impl RequestRule for GRPCRouteRule {
    type Match = GRPCRouteMatch;

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
        filters(&self.filters)
    }

    fn backends(&self) -> Vec<BackendSpec<'_>> {
        let backends = self.backend_refs.iter().map(|it| BackendSpec {
            reference: &it.backend,
            weight: it.weight,
            filters: filters(&it.filters),
        });
        backends.collect()
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

/// Returns the filters with their indexes. The loader has refused filters without the field of their type.
fn filters(filters: &[GRPCRouteFilter]) -> Vec<(usize, FilterSpec<'_>)> {
    let filters = filters.iter().enumerate();
    let filters = filters.filter_map(|(index, filter)| Some((index, filter_spec(filter)?)));
    filters.collect()
}

fn filter_spec(filter: &GRPCRouteFilter) -> Option<FilterSpec<'_>> {
    Some(match filter.kind {
        GRPCRouteFilterType::RequestHeaderModifier => {
            FilterSpec::RequestHeaderModifier(filter.request_header_modifier.as_ref()?)
        }
        GRPCRouteFilterType::ResponseHeaderModifier => {
            FilterSpec::ResponseHeaderModifier(filter.response_header_modifier.as_ref()?)
        }
        GRPCRouteFilterType::RequestMirror => {
            FilterSpec::RequestMirror(filter.request_mirror.as_ref()?)
        }
        GRPCRouteFilterType::ExtensionRef => FilterSpec::ExtensionRef,
    })
}
