//! What distinguishes the kinds of routes.
//!
//! Parents, attachment, hostnames, references, conditions, counting and reuse are the same for every kind, and generic over
//! these traits.

use super::match_id::{MatchDigest, MatchId};
use super::object::RouteObject;
use super::rule::RuleProblems;
use crate::Build;
use crate::backend::BackendReferences;
use gatefold_dataplane::backend::HttpVersion;
use gatefold_manifest::Spec;
use gatefold_manifest::api::{NamespacedName, Object, PolicyTargetKind};
use std::fmt;

/// A kind of route.
pub trait RouteKind: fmt::Debug + Sized + 'static {
    /// The `spec` of its objects.
    type Spec: Spec<Key = NamespacedName>;
    /// The node of a rule.
    type Rule: fmt::Debug + Send + Sync;
    /// The kind as a target of policies.
    const POLICY_TARGET: PolicyTargetKind;
}

/// How routes of a kind are read and their rules are built.
pub(crate) trait BuildRoute: RouteKind {
    /// The version of HTTP that all backends of the kind must support. `None` if the Service decides.
    const BACKEND_VERSION: Option<HttpVersion> = None;

    /// Returns the parts of an object that all kinds have in common. Kinds without hostnames return none.
    fn common(object: &Object<Self::Spec>) -> RouteObject<'_>;

    /// Builds the rules, in the order of the manifest, including those that can't be served. The problems with references
    /// go to `references`.
    fn build_rules<'a>(
        object: &'a Object<Self::Spec>,
        references: &mut BackendReferences<'_, 'a>,
        build: &mut Build<'a>,
    ) -> (Vec<Self::Rule>, RuleProblems);

    /// Returns the digests of all matches, to find equal matches of other routes. Kinds without matches return none.
    fn match_digests(spec: &Self::Spec) -> Vec<MatchDigest>;
}

/// A kind of route whose rules have matches.
pub(crate) trait MatchedRoute: BuildRoute {
    /// Whether a match of one route and a match of another have the same conditions.
    fn is_same_match(one: (&Self::Spec, MatchId), other: (&Self::Spec, MatchId)) -> bool;
}
