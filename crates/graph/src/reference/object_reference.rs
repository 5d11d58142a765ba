//! References as manifests contain them, and the objects at both ends.

use gatefold_manifest::Kind;
use gatefold_manifest::api::{
    BackendObjectReference, LocalObjectReference, NamespacedName, ObjectReference,
    ParentGatewayReference, ParentReference, SecretObjectReference,
};

/// An object that refers to another one, as a ReferenceGrant describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Referrer<'a> {
    /// Its API group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

/// An object that a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Referent<'a> {
    /// Its API group; empty for the core group.
    pub group: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// A reference as a manifest contains it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<'r> {
    /// The API group; empty for the core group.
    pub group: &'r str,
    /// The kind.
    pub kind: &'r str,
    /// The namespace. `None` for that of the object that refers.
    pub namespace: Option<&'r str>,
    /// The name.
    pub name: &'r str,
}

impl<'r> Reference<'r> {
    /// The key of the object that the reference names.
    pub fn key(&self, referrer: Referrer<'_>) -> NamespacedName {
        let namespace = self.namespace.unwrap_or(referrer.namespace);
        NamespacedName::new(namespace, self.name)
    }

    /// Whether it names an object of this kind.
    pub fn names(&self, kind: Kind) -> bool {
        self.group == kind.group() && self.kind == kind.name()
    }

    pub(super) fn referent(self, referrer: Referrer<'r>) -> Referent<'r> {
        Referent {
            group: self.group,
            kind: self.kind,
            namespace: self.namespace.unwrap_or(referrer.namespace),
            name: self.name,
        }
    }
}

impl<'r> From<&'r BackendObjectReference> for Reference<'r> {
    fn from(reference: &'r BackendObjectReference) -> Self {
        Reference {
            group: &reference.group,
            kind: &reference.kind,
            namespace: reference.namespace.as_deref(),
            name: &reference.name,
        }
    }
}

impl<'r> From<&'r SecretObjectReference> for Reference<'r> {
    fn from(reference: &'r SecretObjectReference) -> Self {
        Reference {
            group: &reference.group,
            kind: &reference.kind,
            namespace: reference.namespace.as_deref(),
            name: &reference.name,
        }
    }
}

impl<'r> From<&'r ObjectReference> for Reference<'r> {
    fn from(reference: &'r ObjectReference) -> Self {
        Reference {
            group: &reference.group,
            kind: &reference.kind,
            namespace: reference.namespace.as_deref(),
            name: &reference.name,
        }
    }
}

impl<'r> From<&'r LocalObjectReference> for Reference<'r> {
    fn from(reference: &'r LocalObjectReference) -> Self {
        Reference {
            group: &reference.group,
            kind: &reference.kind,
            namespace: None,
            name: &reference.name,
        }
    }
}

impl<'r> From<&'r ParentGatewayReference> for Reference<'r> {
    fn from(reference: &'r ParentGatewayReference) -> Self {
        Reference {
            group: &reference.group,
            kind: &reference.kind,
            namespace: reference.namespace.as_deref(),
            name: &reference.name,
        }
    }
}

impl<'r> From<&'r ParentReference> for Reference<'r> {
    fn from(reference: &'r ParentReference) -> Self {
        Reference {
            group: &reference.group,
            kind: &reference.kind,
            namespace: reference.namespace.as_deref(),
            name: &reference.name,
        }
    }
}
