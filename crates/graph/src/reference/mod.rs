//! Resolves a reference from one object to another: its kind, the ReferenceGrant, the lookup, and a suggestion if the lookup fails.
//!
//! In: the object that refers, and the reference. Out: the object that it names, or an [`UnresolvedReference`], from which
//! the caller makes its condition and its diagnostic. ReferenceGrants are checked here and nowhere else.

mod reference_grant;
mod report;

pub(crate) use reference_grant::ReferenceGrants;
pub(crate) use report::{ReferenceField, ReferenceScope};

use crate::{Build, names_in, suggest};
use gatefold_manifest::api::{
    BackendObjectReference, LocalObjectReference, NamespacedName, Object, ObjectReference,
    SecretObjectReference,
};
use gatefold_manifest::{Kind, Spec};
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// The objects of one kind, whatever the kind.
pub(crate) trait NamedObjects {
    /// Whether there is an object with this key.
    fn has(&self, key: &NamespacedName) -> bool;

    /// Suggests a similar name from the key's namespace.
    fn suggest(&self, key: &NamespacedName) -> Option<String>;

    /// Returns another namespace that has an object with the key's name.
    fn other_namespace(&self, key: &NamespacedName) -> Option<&str>;
}

impl<T> NamedObjects for BTreeMap<NamespacedName, Arc<T>> {
    fn has(&self, key: &NamespacedName) -> bool {
        self.contains_key(key)
    }

    fn suggest(&self, key: &NamespacedName) -> Option<String> {
        suggest(&key.name, names_in(self, &key.namespace))
    }

    fn other_namespace(&self, key: &NamespacedName) -> Option<&str> {
        let other = self.keys().find(|other| other.name == key.name)?;
        Some(&other.namespace)
    }
}

/// Why a reference resolves to no object.
#[derive(Clone, Copy)]
pub(crate) enum UnresolvedReference<'a> {
    /// The field doesn't support objects of this kind.
    UnsupportedKind,
    /// The object is in another namespace, and no ReferenceGrant there permits the reference.
    NotPermitted,
    /// The folder has no such object. Contains the objects of that kind.
    NotFound(&'a dyn NamedObjects),
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

    fn referent(self, referrer: Referrer<'r>) -> Referent<'r> {
        Referent {
            group: self.group,
            kind: self.kind,
            namespace: self.namespace.unwrap_or(referrer.namespace),
            name: self.name,
        }
    }
}

impl<'a> Build<'a> {
    /// Resolves a reference to an object with the fields `S`.
    pub(crate) fn resolve<S: Spec<Key = NamespacedName>>(
        &self,
        referrer: Referrer<'_>,
        reference: Reference<'_>,
    ) -> Result<&'a Arc<Object<S>>, UnresolvedReference<'a>> {
        if !reference.names(S::KIND) {
            return Err(UnresolvedReference::UnsupportedKind);
        }
        if !self.permits(referrer, reference) {
            return Err(UnresolvedReference::NotPermitted);
        }
        let objects: &BTreeMap<_, _> = S::objects(self.resources);
        match objects.get(&reference.key(referrer)) {
            Some(object) => Ok(object),
            None => Err(UnresolvedReference::NotFound(objects)),
        }
    }

    /// Whether an object may refer to another one: always within a namespace, otherwise if a ReferenceGrant permits it.
    pub(crate) fn permits(&self, referrer: Referrer<'_>, reference: Reference<'_>) -> bool {
        self.grants.permit(referrer, reference.referent(referrer))
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
