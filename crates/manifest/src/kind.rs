//! The table of kinds: which API group and versions they have, and where they go in [`Resources`].

use super::Resources;
use super::api::{self, GATEWAY_GROUP, NamespacedName, Object, ObjectMeta, RecordedStatus};
use super::decode::{Decode, Decoder};
use super::name;
use super::policy::UnreadPolicy;
use gatefold_diagnostic::yaml::Node;
use gatefold_diagnostic::{Document, Place, ResourceId};
use std::collections::HashSet;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// Whether objects of a kind live in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Cluster,
    Namespaced,
}

/// Where a kind has its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Under `spec`, which must be there.
    Spec,
    /// Under `spec`, which may be missing.
    OptionalSpec,
    /// Beside `metadata`.
    Root,
}

macro_rules! kinds {
    ($($kind:ident($fields:ty), $group:expr, [$($version:literal),+], $scope:ident, $body:ident => $into:ident;)+) => {
        /// A kind that is read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Kind { $($kind,)+ }

        impl Kind {
            pub(super) const ALL: &[Kind] = &[$(Kind::$kind,)+];

            /// The kind as it stands in a manifest.
            pub(super) fn name(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($kind),)+ }
            }

            /// The API group; empty is the core group.
            pub(super) fn group(self) -> &'static str {
                match self { $(Kind::$kind => $group,)+ }
            }

            /// The versions that are read, the one to write first.
            pub(super) fn versions(self) -> &'static [&'static str] {
                match self { $(Kind::$kind => &[$($version),+],)+ }
            }

            pub(super) fn scope(self) -> Scope {
                match self { $(Kind::$kind => Scope::$scope,)+ }
            }

            pub(super) fn body(self) -> Body {
                match self { $(Kind::$kind => Body::$body,)+ }
            }

            /// Reads the kind's own fields.
            pub(super) fn decode(self, body: &Node, header: Header, decoder: &mut Decoder) -> Option<AnyObject> {
                match self {
                    $(Kind::$kind => {
                        let spec = <$fields as Decode>::decode(body, decoder)?;
                        Some(AnyObject::$kind(Arc::new(header.object(stringify!($kind), spec))))
                    })+
                }
            }
        }

        /// An object of any kind that is read.
        #[derive(Clone, Debug, PartialEq)]
        pub(super) enum AnyObject {
            $(
                #[doc = "See the kind's own type."]
                $kind(Arc<api::$kind>),
            )+
            /// A policy of a kind that isn't read.
            Policy(Arc<UnreadPolicy>),
        }

        impl AnyObject {
            /// Kind, namespace and name.
            pub(super) fn id(&self) -> ResourceId {
                match self {
                    $(AnyObject::$kind(object) => object.id(),)+
                    AnyObject::Policy(policy) => policy.id(),
                }
            }

            pub(super) fn document(&self) -> &Document {
                match self {
                    $(AnyObject::$kind(object) => &object.document,)+
                    AnyObject::Policy(policy) => &policy.document,
                }
            }

            /// The same object at another place.
            pub(super) fn moved(&self, document: Document) -> Self {
                match self {
                    $(AnyObject::$kind(object) => {
                        AnyObject::$kind(Arc::new(Object { document, ..Object::clone(object) }))
                    })+
                    AnyObject::Policy(policy) => {
                        AnyObject::Policy(Arc::new(UnreadPolicy { document, ..UnreadPolicy::clone(policy) }))
                    }
                }
            }

            /// Takes it out of the resources.
            pub(super) fn remove(&self, resources: &mut Resources) {
                match self {
                    $(AnyObject::$kind(object) => {
                        let objects = Arc::make_mut(&mut resources.$into);
                        if let Entry::Occupied(entry) = objects.entry(ObjectKey::of(&object.meta)) {
                            entry.remove();
                        }
                    })+
                    AnyObject::Policy(policy) => {
                        Arc::make_mut(&mut resources.unread_policies).remove(&policy.key);
                    }
                }
            }

            /// Adds it to the resources, or gives the place of the same object that is there already.
            pub(super) fn insert(&self, resources: &mut Resources) -> Result<(), Place> {
                match self {
                    $(AnyObject::$kind(object) => match Arc::make_mut(&mut resources.$into).entry(ObjectKey::of(&object.meta)) {
                        Entry::Vacant(entry) => {
                            entry.insert(Arc::clone(object));
                            Ok(())
                        }
                        Entry::Occupied(first) => Err(first.get().place(name::pointer())),
                    },)+
                    AnyObject::Policy(policy) => {
                        UnreadPolicy::insert(policy, Arc::make_mut(&mut resources.unread_policies))
                    }
                }
            }
        }
    };
}

kinds! {
    GatewayClass(api::GatewayClassSpec), GATEWAY_GROUP, ["v1", "v1beta1"], Cluster, Spec => gateway_classes;
    Gateway(api::GatewaySpec), GATEWAY_GROUP, ["v1", "v1beta1"], Namespaced, Spec => gateways;
    ListenerSet(api::ListenerSetSpec), GATEWAY_GROUP, ["v1"], Namespaced, Spec => listener_sets;
    HTTPRoute(api::HTTPRouteSpec), GATEWAY_GROUP, ["v1", "v1beta1"], Namespaced, Spec => http_routes;
    ReferenceGrant(api::ReferenceGrantSpec), GATEWAY_GROUP, ["v1", "v1beta1"], Namespaced, Spec => reference_grants;
    BackendTLSPolicy(api::BackendTLSPolicySpec), GATEWAY_GROUP, ["v1", "v1alpha3"], Namespaced, Spec => backend_tls_policies;
    Service(api::ServiceSpec), "", ["v1"], Namespaced, OptionalSpec => services;
    EndpointSlice(api::EndpointSliceFields), "discovery.k8s.io", ["v1"], Namespaced, Root => endpoint_slices;
    Endpoints(api::EndpointsFields), "", ["v1"], Namespaced, Root => endpoints;
    Secret(api::SecretFields), "", ["v1"], Namespaced, Root => secrets;
    ConfigMap(api::ConfigMapFields), "", ["v1"], Namespaced, Root => config_maps;
    Namespace(api::NamespaceFields), "", ["v1"], Cluster, Root => namespaces;
    Pod(api::PodFields), "", ["v1"], Namespaced, Root => pods;
}

impl AnyObject {
    /// Whether it is what can be read of one of these refused objects.
    pub(super) fn stands_for_any(&self, refused: &HashSet<ResourceId>) -> bool {
        let AnyObject::Policy(policy) = self else {
            return false;
        };
        let id = policy.id();
        // A BackendTLSPolicy that is refused is called by its kind alone.
        let by_kind = ResourceId {
            kind: policy.key.kind.to_string(),
            ..id.clone()
        };
        refused.contains(&id) || refused.contains(&by_kind)
    }
}

impl Kind {
    /// The kind with this API group and name.
    pub(super) fn find(group: &str, name: &str) -> Option<Kind> {
        let mut all = Kind::ALL.iter().copied();
        all.find(|kind| kind.name() == name && kind.group() == group)
    }

    /// Whether gatefold reports a status for objects of the kind.
    pub(super) fn reports_status(self) -> bool {
        match self {
            Kind::GatewayClass
            | Kind::Gateway
            | Kind::ListenerSet
            | Kind::HTTPRoute
            | Kind::BackendTLSPolicy => true,
            Kind::ReferenceGrant
            | Kind::Service
            | Kind::EndpointSlice
            | Kind::Endpoints
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::Namespace
            | Kind::Pod => false,
        }
    }

    /// `apiVersion` as it should be written.
    pub(super) fn api_version(self) -> String {
        let version = self.versions().first().copied().unwrap_or("v1");
        match self.group() {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        }
    }
}

/// What is read of an object before its kind's own fields.
pub(super) struct Header {
    pub api_version: String,
    pub meta: ObjectMeta,
    pub recorded_status: Option<Arc<RecordedStatus>>,
    pub document: Document,
}

impl Header {
    /// For an object whose `metadata` can't be read, so that its other fields are looked through as well.
    pub(super) fn nameless(decoder: &Decoder) -> Self {
        Header {
            api_version: String::new(),
            meta: ObjectMeta::default(),
            recorded_status: None,
            document: decoder.document().clone(),
        }
    }

    fn object<S>(self, kind: &'static str, spec: S) -> Object<S> {
        Object {
            kind,
            api_version: self.api_version,
            meta: self.meta,
            spec,
            recorded_status: self.recorded_status,
            document: self.document,
        }
    }
}

/// How [`Resources`] keys a kind: by name, or by namespace and name.
trait ObjectKey {
    fn of(meta: &ObjectMeta) -> Self;
}

impl ObjectKey for String {
    fn of(meta: &ObjectMeta) -> Self {
        meta.name.to_string()
    }
}

impl ObjectKey for NamespacedName {
    fn of(meta: &ObjectMeta) -> Self {
        NamespacedName::new(meta.namespace.clone(), meta.name.clone())
    }
}
