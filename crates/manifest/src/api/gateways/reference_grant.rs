//! ReferenceGrant.

use crate::api::{Object, object, rule};

/// Permits objects of other namespaces to refer to objects of this namespace.
pub type ReferenceGrant = Object<ReferenceGrantSpec>;

object! {
    /// `ReferenceGrant.spec`: every `from` may refer to every `to`.
    pub closed ReferenceGrantSpec {
        /// The referring objects.
        "from" => from: Vec<ReferenceGrantFrom> [1..=16],
        /// The objects that they may refer to.
        "to" => to: Vec<ReferenceGrantTo> [1..=16],
    }
}

object! {
    /// The objects that may refer to others.
    pub closed ReferenceGrantFrom {
        /// The API group.
        "group" => group: String where rule::group,
        /// The kind.
        "kind" => kind: String where rule::kind,
        /// The namespace.
        "namespace" => namespace: String where rule::namespace,
    }
}

object! {
    /// The objects of the grant's namespace that others may refer to.
    pub closed ReferenceGrantTo {
        /// The API group; empty is the core group.
        "group" => group: String where rule::group,
        /// The kind.
        "kind" => kind: String where rule::kind,
        /// The name of an object; absent for all objects of the kind.
        "name" => name: Option<String> where rule::object_name,
    }
}
