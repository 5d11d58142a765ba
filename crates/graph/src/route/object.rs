//! Views of a route's object that don't depend on its kind.

use crate::listener::RouteType;
use gatefold_diagnostic::{Code, Diagnostic, Place, Pointer, ResourceId};
use gatefold_manifest::api::{
    Hostname, NamespacedName, Object, ObjectMeta, ParentReference, UseDefaultGateways,
};

/// An object of any kind, without its `spec`.
pub trait ManifestObject {
    /// Returns its metadata.
    fn meta(&self) -> &ObjectMeta;
    /// Returns its identity for diagnostics.
    fn id(&self) -> ResourceId;
    /// Returns the place of one of its fields.
    fn place(&self, pointer: Pointer) -> Place;
}

impl<S> ManifestObject for Object<S> {
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn id(&self) -> ResourceId {
        Object::id(self)
    }

    fn place(&self, pointer: Pointer) -> Place {
        Object::place(self, pointer)
    }
}

/// The parts of a route's object that all kinds of routes have in common (API: `CommonRouteSpec`).
#[derive(Clone, Copy)]
pub(crate) struct RouteObject<'a> {
    /// The kind.
    pub route_type: RouteType,
    /// The object itself.
    pub object: &'a dyn ManifestObject,
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
        &self.object.meta().namespace
    }

    /// Returns its namespace and name.
    pub fn key(self) -> NamespacedName {
        let meta = self.object.meta();
        NamespacedName::new(meta.namespace.clone(), meta.name.clone())
    }

    /// Returns a diagnostic about a field.
    pub fn finding(self, code: Code, pointer: Pointer, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(code, self.object.place(pointer), message).about(self.object.id())
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
