use super::{Object, object, rule};

/// Leave to refer to objects of this namespace from other ones.
pub type ReferenceGrant = Object<ReferenceGrantSpec>;

object! {
    /// `ReferenceGrant.spec`: every `from` may refer to every `to`.
    pub closed ReferenceGrantSpec {
        /// Who may refer.
        "from" => from: Vec<ReferenceGrantFrom> [1..=16],
        /// To what.
        "to" => to: Vec<ReferenceGrantTo> [1..=16],
    }
}

object! {
    /// Objects that may refer.
    pub closed ReferenceGrantFrom {
        /// Their API group.
        "group" => group: String where rule::group,
        /// Their kind.
        "kind" => kind: String where rule::kind,
        /// Their namespace.
        "namespace" => namespace: String where rule::namespace,
    }
}

object! {
    /// Objects of the grant's namespace that may be referred to.
    pub closed ReferenceGrantTo {
        /// Their API group; empty is the core group.
        "group" => group: String where rule::group,
        /// Their kind.
        "kind" => kind: String where rule::kind,
        /// The name of the one object; all of the kind when absent.
        "name" => name: Option<String> where rule::object_name,
    }
}
