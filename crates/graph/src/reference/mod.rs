//! Resolves references from one object to another: the kind, the ReferenceGrant, the lookup, and a suggestion if the lookup
//! fails.
//!
//! In: the object that refers, and the reference. Out: the object that it names, or an [`UnresolvedReference`], from which
//! the caller makes its condition and its diagnostic. ReferenceGrants are checked here and nowhere else.

mod object_reference;
mod reference_grant;
mod report;

pub(crate) use object_reference::{Reference, Referrer};
pub(crate) use reference_grant::ReferenceGrants;
pub(crate) use report::{ReferenceField, ReferenceScope};

use crate::{Build, names_in, suggest};
use gatefold_manifest::api::{NamespacedName, Object};
use gatefold_manifest::{Kind, RefusedObject, Spec};
use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// The object is in the folder, but was refused.
    Refused(&'a RefusedObject),
    /// The folder has no such object. Contains the objects of that kind.
    NotFound(&'a dyn NamedObjects),
}

/// Why no object of a name is in force.
#[derive(Clone, Copy)]
pub(crate) enum MissingObject<'a> {
    /// It is in the folder, but was refused.
    Refused(&'a RefusedObject),
    /// It isn't in the folder.
    Absent,
}

impl MissingObject<'_> {
    /// Returns the message, and a suggestion of another object if there is none of this name.
    pub fn or_suggest(
        self,
        (kind, key): (Kind, &NamespacedName),
        suggest: impl FnOnce() -> Option<String>,
    ) -> (String, Option<String>) {
        match self {
            MissingObject::Refused(refused) => (refused.to_string(), None),
            MissingObject::Absent => {
                let message = format!("{} {key} isn't in the folder", kind.name());
                (message, suggest())
            }
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
        let key = reference.key(referrer);
        objects.get(&key).ok_or_else(|| {
            let refused = self.resources.refused(S::KIND, &key);
            refused.map_or(
                UnresolvedReference::NotFound(objects),
                UnresolvedReference::Refused,
            )
        })
    }

    /// Returns why no object of a name is in force.
    pub(crate) fn missing(&self, kind: Kind, key: &NamespacedName) -> MissingObject<'a> {
        let refused = self.resources.refused(kind, key);
        refused.map_or(MissingObject::Absent, MissingObject::Refused)
    }

    /// Whether an object may refer to another one: always within a namespace, otherwise if a ReferenceGrant permits it.
    pub(crate) fn permits(&self, referrer: Referrer<'_>, reference: Reference<'_>) -> bool {
        self.grants.permit(referrer, reference.referent(referrer))
    }
}

#[cfg(test)]
mod tests;
