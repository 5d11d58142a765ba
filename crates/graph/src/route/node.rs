//! The nodes of routes and of their parent references.

use super::kind::RouteKind;
use super::match_id::MatchDigest;
use crate::backend::endpoints::ServicePortKey;
use crate::condition::Condition;
use crate::listener::ListenerId;
use crate::policy::security_policy::SecurityNode;
use crate::reference::Reference;
use gatefold_diagnostic::{Diagnostic, Place, Pointer, ResourceId};
use gatefold_manifest::Kind;
use gatefold_manifest::api::{
    Hostname, NamespacedName, Object, ObjectMeta, ParentReference, PolicyTargetKind,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Routes of a kind, by name.
pub type RouteNodes<K> = BTreeMap<NamespacedName, Arc<RouteNode<K>>>;

/// A route. Its lists are boxed slices, because there may be tens of thousands of routes, and a `Vec` of one element has room for
/// four.
#[derive(Debug)]
pub struct RouteNode<K: RouteKind> {
    /// The object.
    pub resource: Arc<Object<K::Spec>>,
    /// The parent references that resolve to Gateways that gatefold serves, or to their ListenerSets.
    pub parents: Box<[ParentNode]>,
    /// Its rules, in the order of the manifest, including those that can't be served.
    pub rules: Box<[K::Rule]>,
    /// The listeners that accept it, each once.
    pub(super) accepted_by: Box<[ListenerId]>,
    /// The ports of Services that its references resolve to. A port may occur twice.
    pub(crate) service_ports: Box<[ServicePortKey]>,
    /// Its matches, to find equal matches of other routes.
    pub(super) match_digests: Box<[MatchDigest]>,
    /// The problems with it.
    pub(crate) findings: Box<[Diagnostic]>,
}

/// One parent reference.
#[derive(Debug)]
pub struct ParentNode {
    /// The reference as in the manifest.
    pub reference: ParentReference,
    /// Its index in `spec.parentRefs`.
    pub index: usize,
    /// The Gateway. If the reference is to a ListenerSet, the Gateway of the set.
    pub gateway: NamespacedName,
    /// The controller name under which the conditions are reported.
    pub controller_name: String,
    /// The listeners that the route is attached to. A route that isn't accepted because none of its rules is valid is
    /// attached nevertheless: its rules answer 500.
    pub attachments: Box<[Attachment]>,
    /// The conditions of the route at this parent.
    pub conditions: Box<[Condition]>,
}

impl ParentNode {
    /// Returns the object that the reference names: a Gateway or a ListenerSet. `namespace` is that of the route.
    pub(crate) fn object(&self, namespace: &Arc<str>) -> (PolicyTargetKind, NamespacedName) {
        let kind = if Reference::from(&self.reference).names(Kind::ListenerSet) {
            PolicyTargetKind::ListenerSet
        } else {
            PolicyTargetKind::Gateway
        };
        let own = self.reference.namespace.as_deref();
        let namespace = own.map_or_else(|| namespace.clone(), Arc::from);
        (kind, NamespacedName::new(namespace, &*self.reference.name))
    }
}

/// A listener that a route is attached to.
#[derive(Debug, PartialEq)]
pub struct Attachment {
    /// The listener.
    pub listener: ListenerId,
    /// The hostnames of the route that apply: those that intersect with the listener's. Empty means any hostname.
    pub hostnames: Box<[Hostname]>,
    /// What SecurityPolicies demand for each rule of the route. Empty if they demand nothing.
    pub security: Box<[Option<SecurityNode>]>,
}

/// A route of any kind, without its rules.
pub trait AnyRoute: fmt::Debug + Send + Sync {
    /// Returns its metadata.
    fn meta(&self) -> &ObjectMeta;
    /// Returns its identity for diagnostics.
    fn id(&self) -> ResourceId;
    /// Returns the place of one of its fields.
    fn place(&self, pointer: Pointer) -> Place;
    /// Returns its parents.
    fn parents(&self) -> &[ParentNode];
    /// Returns the ports of Services that its references resolve to. A port may occur twice.
    fn service_ports(&self) -> &[ServicePortKey];
}

impl<K: RouteKind> AnyRoute for RouteNode<K> {
    fn meta(&self) -> &ObjectMeta {
        &self.resource.meta
    }

    fn id(&self) -> ResourceId {
        self.resource.id()
    }

    fn place(&self, pointer: Pointer) -> Place {
        self.resource.place(pointer)
    }

    fn parents(&self) -> &[ParentNode] {
        &self.parents
    }

    fn service_ports(&self) -> &[ServicePortKey] {
        &self.service_ports
    }
}

impl<K: RouteKind> RouteNode<K> {
    /// Whether it is attached to a listener.
    pub(super) fn is_attached(&self) -> bool {
        let mut parents = self.parents.iter();
        parents.any(|parent| !parent.attachments.is_empty())
    }
}
