//! Views of a route's object that don't depend on its kind.

use crate::reported_object::ReportedObject;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    Hostname, NamespacedName, ObjectMeta, ParentReference, PolicyTargetKind, RouteTargetKind,
    UseDefaultGateways,
};

/// The parts of a route's object that all kinds of routes have in common (API: `CommonRouteSpec`).
#[derive(Clone, Copy)]
pub(crate) struct RouteObject<'a> {
    /// The kind.
    pub kind: PolicyTargetKind,
    /// The object itself.
    pub object: &'a dyn ReportedObject,
    /// The object's metadata.
    pub meta: &'a ObjectMeta,
    /// `spec.parentRefs`.
    pub parent_refs: &'a [ParentReference],
    /// `spec.useDefaultGateways`.
    pub use_default_gateways: Option<UseDefaultGateways>,
    /// `spec.hostnames`; empty for kinds without hostnames.
    pub hostnames: &'a [Hostname],
}

impl<'a> RouteObject<'a> {
    /// Returns its namespace.
    pub fn namespace(self) -> &'a str {
        &self.meta.namespace
    }

    /// Returns its namespace and name.
    pub fn key(self) -> NamespacedName {
        NamespacedName::new(self.meta.namespace.clone(), self.meta.name.clone())
    }

    /// Returns the answer to requests of the route that can't be served; see [`answer_of_refused`].
    pub fn refusal(self) -> &'static str {
        answer_of_refused(self.kind)
    }

    /// Returns a diagnostic about a field.
    pub fn finding(self, code: Code, pointer: Pointer, message: impl Into<String>) -> Diagnostic {
        self.object.finding(code, pointer, message.into())
    }
}

/// Returns the answer to requests for an object that can't be served, as messages call it: an HTTP status, or the status of
/// the kind's own protocol. Objects that serve several protocols have the HTTP status.
pub(crate) fn answer_of_refused(kind: PolicyTargetKind) -> &'static str {
    match kind {
        PolicyTargetKind::Gateway
        | PolicyTargetKind::ListenerSet
        | PolicyTargetKind::Route(RouteTargetKind::Http)
        | PolicyTargetKind::Service => "500",
        PolicyTargetKind::Route(RouteTargetKind::Grpc) => "UNAVAILABLE",
    }
}

/// A rule of a route, by its index.
#[derive(Clone, Copy)]
pub(crate) struct RuleAt<'a> {
    pub route: RouteObject<'a>,
    pub index: usize,
}

impl RuleAt<'_> {
    /// Returns the path of the rule.
    pub fn pointer(self) -> Pointer {
        Pointer::spec().key("rules").index(self.index)
    }

    /// Returns a diagnostic about a field of the rule.
    pub fn finding(self, code: Code, pointer: Pointer, message: impl Into<String>) -> Diagnostic {
        self.route.finding(code, pointer, message)
    }
}
