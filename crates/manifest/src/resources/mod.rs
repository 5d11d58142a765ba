//! All objects in force, one map for each kind.

mod compare;

pub use compare::{Change, Difference};

use crate::api::{self, NamespacedName, Object, ObjectMeta};
use crate::kind::{Kind, ObjectKey, Resource, Spec, for_each_kind};
use crate::refused::{RefusedObject, RefusedObjects};
use crate::unread_policy::UnreadPolicy;
use crate::unread_route::UnreadRoutes;
use gatefold_diagnostic::{Document, ResourceId};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The label that every namespace has, with its name as the value.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The objects of one kind, by name. If none of them has changed, two loads share the map.
pub type Objects<T> = Arc<BTreeMap<<T as Resource>::Key, Arc<T>>>;

/// An object of any kind, without its type.
#[derive(Clone, Copy, Debug)]
pub struct ObjectRef<'r> {
    /// `metadata`.
    pub meta: &'r ObjectMeta,
    /// The document that defines the object.
    pub document: &'r Document,
}

/// The objects of one kind, without their type, in the order of their names.
pub type ObjectRefs<'r> = Box<dyn ExactSizeIterator<Item = ObjectRef<'r>> + 'r>;

macro_rules! resources {
    (
        kinds {
            $($(#[$doc:meta])* $kind:ident($fields:ident in $set:ident), $scope:ident, $plural:literal $details:tt;)+
        }
        otherwise $(#[$unread_doc:meta])* $unread:ident in $unread_set:ident
    ) => {
        /// Every object of the folder that is in force, in the order of namespace and name.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Resources {
            $($(#[$doc])* pub $set: Objects<api::$kind>,)+
            $(#[$unread_doc])* pub $unread_set: Objects<$unread>,
            /// The objects that are in the folder, but not in force, and have no last good version.
            pub refused_objects: RefusedObjects,
            /// The routes and ListenerSets of kinds that aren't read yet.
            pub unread_routes: UnreadRoutes,
        }

        impl Resources {
            /// The objects of a kind.
            pub fn objects(&self, kind: Kind) -> ObjectRefs<'_> {
                match kind { $(Kind::$kind => object_refs(&self.$set),)+ }
            }

            /// The object of a kind with this name. The namespace is ignored for cluster-scoped kinds.
            pub fn get(&self, kind: Kind, name: &NamespacedName) -> Option<ObjectRef<'_>> {
                match kind { $(Kind::$kind => get::<api::$fields>(&self.$set, name),)+ }
            }

            /// Whether `other` has identical objects of a kind: none has been read again.
            pub fn has_identical(&self, kind: Kind, other: &Resources) -> bool {
                match kind { $(Kind::$kind => compare::are_identical(&self.$set, &other.$set),)+ }
            }

            /// The objects that differ from those of an earlier load.
            pub fn differences(&self, before: &Resources) -> Vec<Difference> {
                let mut differences = Vec::new();
                $(compare::find(&before.$set, &self.$set, &mut differences);)+
                compare::find(&before.$unread_set, &self.$unread_set, &mut differences);
                differences
            }

            /// Shares with an earlier load the map of every kind whose objects are identical.
            pub(crate) fn share(&mut self, before: &Resources) {
                $(compare::share(&mut self.$set, &before.$set);)+
                compare::share(&mut self.$unread_set, &before.$unread_set);
                if self.refused_objects == before.refused_objects {
                    self.refused_objects = Arc::clone(&before.refused_objects);
                }
                if self.unread_routes == before.unread_routes {
                    self.unread_routes = Arc::clone(&before.unread_routes);
                }
            }
        }
    };
}

for_each_kind!(resources);

impl Resources {
    /// The number of routes of all kinds.
    pub fn route_count(&self) -> usize {
        let kinds = Kind::ALL.iter().copied().filter(|kind| kind.is_route());
        kinds.map(|kind| self.objects(kind).len()).sum()
    }

    /// The object of a kind with this name, if it was refused. The namespace is empty for cluster-scoped kinds.
    pub fn refused(&self, kind: Kind, name: &NamespacedName) -> Option<&RefusedObject> {
        if self.refused_objects.is_empty() {
            return None;
        }
        self.refused_objects.get(&ResourceId {
            kind: kind.name().to_owned(),
            namespace: name.namespace.to_string(),
            name: name.name.to_string(),
        })
    }

    /// The labels of a namespace. A namespace that no file defines also exists. Every namespace has the label
    /// `kubernetes.io/metadata.name`.
    pub fn namespace_labels(&self, name: &str) -> Cow<'_, BTreeMap<String, String>> {
        match self.namespaces.get(name) {
            Some(namespace) if namespace.meta.labels.contains_key(NAMESPACE_NAME_LABEL) => {
                Cow::Borrowed(&namespace.meta.labels)
            }
            found => {
                let mut labels = found.map_or_else(BTreeMap::new, |it| it.meta.labels.clone());
                labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
                Cow::Owned(labels)
            }
        }
    }
}

fn get<'r, S: Spec>(
    objects: &'r Objects<Object<S>>,
    name: &NamespacedName,
) -> Option<ObjectRef<'r>> {
    let object = objects.get(&S::Key::named(name))?;
    Some(object_ref(&**object))
}

fn object_refs<T: Resource>(objects: &Objects<T>) -> ObjectRefs<'_> {
    Box::new(objects.values().map(|object| object_ref(&**object)))
}

fn object_ref<T: Resource>(object: &T) -> ObjectRef<'_> {
    ObjectRef {
        meta: object.meta(),
        document: object.document(),
    }
}
