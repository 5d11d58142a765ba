//! What ties the type of a kind's fields to its [`Kind`] and to the place of its objects in [`Resources`].

use super::{AnyObject, Kind, for_each_kind};
use crate::api::{self, NamespacedName, Object, ObjectMeta};
use crate::decode::object::Header;
use crate::decode::{Decode, Decoder};
use crate::{Objects, Resources};
use gatefold_diagnostic::yaml::Node;
use std::fmt::Debug;

/// The fields of an object that belong to its kind: the `S` of [`Object<S>`]. Implemented by the table of kinds.
pub trait Spec: Clone + Debug + PartialEq + Send + Sync + Sized + 'static {
    /// The kind.
    const KIND: Kind;
    /// What identifies an object of the kind: a name, or a namespace and a name.
    type Key: ObjectKey;

    /// The objects of the kind.
    fn objects(resources: &Resources) -> &Objects<Object<Self>>;
    /// The objects of the kind, to be changed.
    fn objects_mut(resources: &mut Resources) -> &mut Objects<Object<Self>>;
}

/// What identifies an object among those of its kind.
pub trait ObjectKey: Clone + Debug + Ord + Send + Sync + 'static {
    /// The key of the object with this metadata.
    fn of(meta: &ObjectMeta) -> Self;
    /// The key of the object with this name.
    fn named(name: &NamespacedName) -> Self;
}

impl ObjectKey for String {
    fn of(meta: &ObjectMeta) -> Self {
        meta.name.to_string()
    }

    fn named(name: &NamespacedName) -> Self {
        name.name.to_string()
    }
}

impl ObjectKey for NamespacedName {
    fn of(meta: &ObjectMeta) -> Self {
        NamespacedName::new(meta.namespace.clone(), meta.name.clone())
    }

    fn named(name: &NamespacedName) -> Self {
        name.clone()
    }
}

/// The type of the keys of a scope.
macro_rules! key {
    (Cluster) => {
        String
    };
    (Namespaced) => {
        NamespacedName
    };
}

macro_rules! specs {
    (
        kinds {
            $($(#[$doc:meta])* $kind:ident($fields:ident in $set:ident), $scope:ident, $plural:literal $details:tt;)+
        }
        otherwise $($unread:tt)*
    ) => {
        $(impl Spec for api::$fields {
            const KIND: Kind = Kind::$kind;
            type Key = key!($scope);

            fn objects(resources: &Resources) -> &Objects<Object<Self>> {
                &resources.$set
            }

            fn objects_mut(resources: &mut Resources) -> &mut Objects<Object<Self>> {
                &mut resources.$set
            }
        })+

        impl Kind {
            /// Reads the kind's own fields, and makes an object of them.
            pub(crate) fn decode(self, body: &Node, header: Header, decoder: &mut Decoder) -> Option<AnyObject> {
                match self { $(Kind::$kind => decode::<api::$fields>(body, header, decoder),)+ }
            }
        }
    };
}

for_each_kind!(specs);

fn decode<S: Spec + Decode>(
    body: &Node,
    header: Header,
    decoder: &mut Decoder,
) -> Option<AnyObject> {
    let spec = S::decode(body, decoder)?;
    Some(AnyObject::new(header.object(spec)))
}
